//! The ceiling of the network here: one stream through a loopback socket, from one thread to another.
#![expect(clippy::disallowed_types, reason = "a probe of the machine's sockets, not of the broker's")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::error::ClientError;

/// About the length of a request of the loads that are compared with this.
const PIECE_BYTES: usize = 128 * 1024;

/// Bytes per second that one thread sends and another reads, for that long.
pub(crate) fn loopback_rate(length: Duration) -> Result<f64, ClientError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let pair = listener.and_then(|listener| {
        let near = TcpStream::connect(listener.local_addr()?)?;
        Ok((near, listener.accept()?.0))
    });
    let (mut near, mut far) = pair.map_err(ClientError::io("setting up the loopback probe"))?;
    let begun = clock::now();
    let read = thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let (mut memory, mut bytes) = (vec![0; PIECE_BYTES], 0_u64);
            while let Ok(count @ 1..) = far.read(&mut memory) {
                bytes += count as u64;
            }
            bytes
        });
        let piece = vec![0x5a; PIECE_BYTES];
        let mut sent = Ok(());
        while sent.is_ok() && clock::now() - begun < length {
            sent = near.write_all(&piece);
        }
        drop(near);
        sent.map(|()| reader.join().unwrap_or_default())
    });
    let bytes = read.map_err(ClientError::io("the loopback probe"))?;
    Ok(bytes as f64 / (clock::now() - begun).as_secs_f64())
}
