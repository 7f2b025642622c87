//! A connection that sends and takes what it likes.
#![expect(clippy::disallowed_types, reason = "a black box beside the broker: its sockets are the client's")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::ClientError;

/// A broker that says nothing for that long has forgotten its peer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is kept.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const SKIP_BYTES: usize = 64 << 10;

pub(super) struct Peer(TcpStream);

/// What a broker did with what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    Answered,
    Closed,
    /// Neither, for as long as is waited.
    Silent,
}

impl Peer {
    pub(super) fn open(address: SocketAddr) -> Result<Peer, ClientError> {
        let connected = TcpStream::connect(address).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Peer(stream))
        });
        connected.map_err(ClientError::io("connecting a hostile peer"))
    }

    /// Whether the broker still takes what is sent.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Takes a few bytes of what is there; false at the end.
    pub(super) fn sip(&mut self, bytes: &mut [u8]) -> bool {
        matches!(self.0.read(bytes), Ok(count) if count > 0)
    }

    /// Takes one answer: its correlation id.
    pub(super) fn answer(&mut self) -> Result<i32, Reaction> {
        let mut head = [0; 8];
        self.0.read_exact(&mut head).map_err(|error| reaction_to(&error))?;
        let [length @ .., _, _, _, _] = head;
        let correlation = [head[4], head[5], head[6], head[7]];
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(4..=ANSWER_BYTES_MAX).contains(&length) {
            return Err(Reaction::Closed);
        }
        self.skip(length - 4).map_err(|error| reaction_to(&error))?;
        Ok(i32::from_be_bytes(correlation))
    }

    /// What comes of what was sent.
    pub(super) fn reaction(&mut self) -> Reaction {
        match self.answer() {
            Ok(_) => Reaction::Answered,
            Err(reaction) => reaction,
        }
    }

    fn skip(&mut self, mut bytes: usize) -> std::io::Result<()> {
        let mut taken = vec![0; SKIP_BYTES.min(bytes)];
        while bytes > 0 {
            let part = bytes.min(taken.len());
            self.0.read_exact(&mut taken[..part])?;
            bytes -= part;
        }
        Ok(())
    }
}

fn reaction_to(error: &std::io::Error) -> Reaction {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Reaction::Silent,
        _ => Reaction::Closed,
    }
}
