//! One blocking connection to a broker: a frame goes out, the next answer comes in.
#![expect(clippy::disallowed_types, reason = "a black box beside the broker: its sockets are the client's")]

use std::io::{ErrorKind, IoSlice, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use millrace_wire::{DecodeError, Reader};

use super::dialect::Dialect;
use super::frame::{Frame, read_answer};
use super::inbox::{Arrival, Inbox};
use crate::error::ClientError;

/// Longer than any answer that a broker owes; a broker that stalls longer has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A host that is there accepts or refuses long before.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests one after another, or several in flight; answers come in their order.
pub struct Connection {
    stream: TcpStream,
    inbox: Inbox,
    sent: i32,
    dialect: Dialect,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Connection, ClientError> {
        Connection::speaking(address, Dialect::NEWEST)
    }

    /// A connection to a broker that may know older versions only.
    pub fn speaking(address: SocketAddr, dialect: Dialect) -> Result<Connection, ClientError> {
        let connected = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            Ok(stream)
        });
        let stream = connected.map_err(ClientError::io(format!("connecting to {address}")))?;
        Ok(Connection { stream, inbox: Inbox::new(), sent: 0, dialect })
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    pub fn set_answer_timeout(&mut self, timeout: Duration) -> Result<(), ClientError> {
        let set = self.stream.set_read_timeout(Some(timeout));
        set.map_err(ClientError::io("setting a timeout"))
    }

    pub fn send(&mut self, frame: &Frame) -> Result<(), ClientError> {
        self.sent = self.sent.wrapping_add(1);
        let start = frame.start(self.sent);
        let mut pieces: Vec<IoSlice<'_>> = vec![IoSlice::new(&start)];
        pieces.extend(frame.rest().iter().map(|piece| IoSlice::new(piece)));
        write_all(&mut self.stream, &mut pieces).map_err(ClientError::io("sending a request"))
    }

    /// Sends a request that is never answered, with no other in flight.
    pub fn send_unanswered(&mut self, frame: &Frame) -> Result<(), ClientError> {
        self.send(frame)?;
        self.inbox.skip();
        Ok(())
    }

    /// The next answer, from its correlation id on.
    pub fn receive(&mut self) -> Result<Bytes, ClientError> {
        match self.inbox.next(&mut self.stream)? {
            Arrival::Answer(answer) => Ok(answer),
            Arrival::Nothing => Err(ClientError::io("waiting for an answer")(ErrorKind::TimedOut.into())),
        }
    }

    /// Gives an answer's memory back, so that the next one needs none.
    pub fn recycle(&mut self, answer: Bytes) {
        self.inbox.recycle(answer);
    }

    /// One request and its answer, read by `decode`, which gets a reader behind the header.
    pub fn call<T>(
        &mut self,
        frame: &Frame,
        decode: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, ClientError> {
        self.send(frame)?;
        let answer = self.receive()?;
        let value = read_answer(frame, &answer, decode)?;
        self.recycle(answer);
        Ok(value)
    }

    /// Sends bytes that are no request.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.stream.write_all(bytes).map_err(ClientError::io("sending bytes"))
    }

    /// Says that nothing more will be sent, and reads until the broker closes: the number of bytes it said.
    pub fn drain(mut self) -> std::io::Result<u64> {
        self.stream.shutdown(Shutdown::Write)?;
        std::io::copy(&mut self.stream, &mut std::io::sink())
    }
}

fn write_all(stream: &mut TcpStream, mut pieces: &mut [IoSlice<'_>]) -> std::io::Result<()> {
    while !pieces.is_empty() {
        match stream.write_vectored(pieces) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut pieces, count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
