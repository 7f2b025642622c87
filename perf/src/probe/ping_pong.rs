//! The floor of an answer: 1 KiB to a thread behind a loopback socket and back.
#![expect(clippy::disallowed_types, reason = "a probe of the machine's sockets, not of the broker's")]
#![expect(clippy::disallowed_methods, reason = "the other end is a thread of the tool")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::error::ClientError;
use crate::seat::Seated;

const MESSAGE_BYTES: usize = 1024;

/// One message in flight; the other end is a thread that ends with this.
pub(crate) struct PingPong {
    stream: TcpStream,
    message: [u8; MESSAGE_BYTES],
}

impl PingPong {
    pub(crate) fn new() -> Result<PingPong, ClientError> {
        PingPong::with(echo)
    }

    /// The other end keeps to this processor.
    pub(crate) fn with_echo_on(cpu: usize) -> Result<PingPong, ClientError> {
        PingPong::with(move |far| match Seated::on(cpu) {
            Ok(_seated) => echo(far),
            // The connection ends with the thread, and so the probe.
            Err(_) => drop(far),
        })
    }

    fn with(other_end: impl FnOnce(TcpStream) + Send + 'static) -> Result<PingPong, ClientError> {
        let stream = connect(other_end).map_err(ClientError::io("setting up the loopback probe"))?;
        Ok(PingPong { stream, message: [0x5a; MESSAGE_BYTES] })
    }

    pub(crate) fn once(&mut self) -> Result<Duration, ClientError> {
        let begun = clock::now();
        let sent = self.stream.write_all(&self.message);
        sent.and_then(|()| self.stream.read_exact(&mut self.message))
            .map_err(ClientError::io("ping-pong"))?;
        Ok(clock::now() - begun)
    }
}

fn connect(other_end: impl FnOnce(TcpStream) + Send + 'static) -> std::io::Result<TcpStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    thread::spawn(move || other_end(far));
    Ok(near)
}

fn echo(mut stream: TcpStream) {
    let mut message = [0; MESSAGE_BYTES];
    while stream.read_exact(&mut message).and_then(|()| stream.write_all(&message)).is_ok() {}
}
