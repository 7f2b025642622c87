//! Requests written by hand, of versions whose forms are not compact.

use std::net::SocketAddr;

use super::peer::{Peer, Reaction};
use crate::error::ClientError;

const FIND_COORDINATOR: (i16, i16) = (10, 0);

/// A request in the making.
pub(super) struct Frame(Vec<u8>);

impl Frame {
    /// Of an API and its version, without a client id.
    pub(super) fn of((api, version): (i16, i16)) -> Frame {
        let mut bytes = vec![0; 4];
        bytes.extend(api.to_be_bytes());
        bytes.extend(version.to_be_bytes());
        bytes.extend([0, 0, 0, 1]);
        bytes.extend((-1i16).to_be_bytes());
        Frame(bytes)
    }

    pub(super) fn byte(&mut self, byte: u8) -> &mut Frame {
        self.0.push(byte);
        self
    }

    pub(super) fn number(&mut self, number: i32) -> &mut Frame {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn long(&mut self, number: i64) -> &mut Frame {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Frame {
        self.0.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Frame {
        self.0.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend(bytes);
        self
    }

    /// With its length in front.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0.splice(..4, length.to_be_bytes());
        self.0
    }
}

/// Makes the topic of groups, as the first member does.
pub(super) fn find_coordinator(address: SocketAddr) -> Result<(), ClientError> {
    let mut frame = Frame::of(FIND_COORDINATOR);
    frame.text("a group");
    let mut peer = Peer::open(address)?;
    peer.send(&frame.finish());
    match peer.reaction() {
        Reaction::Answered => Ok(()),
        other => Err(ClientError::Usage(format!("a coordinator was asked for, and the broker: {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_long_as_it_says() {
        let mut frame = Frame::of(FIND_COORDINATOR);
        frame.text("g").number(1).long(2).bytes(b"xy").byte(0);
        let bytes = frame.finish();
        assert_eq!(bytes[..4], (bytes.len() as u32 - 4).to_be_bytes());
        assert_eq!(bytes.len(), 4 + 10 + 3 + 4 + 8 + 6 + 1);
    }
}
