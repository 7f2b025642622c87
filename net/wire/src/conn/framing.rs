//! Cuts a stream of bytes into frames; a frame's length is checked before memory is taken for it.

use crate::writer::FRAME_LENGTH_BYTES;
use bytes::Bytes;

/// What the caller is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A frame without its length.
    Complete(Bytes),
    /// At least so many more bytes are needed; after the length has arrived, exactly so many to the end of
    /// the frame.
    Need(usize),
}

/// The peer does not speak the protocol; the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame of {length} bytes, at most {limit} allowed")]
    TooLarge { length: usize, limit: usize },
    #[error("frame of negative length {0}")]
    Negative(i32),
}

/// The bytes of one connection that are not yet a whole frame.
///
/// Driven by the connection's reading task: `feed` what a receive brought, then `next` until it needs more.
/// A frame inside one received piece is a slice of it; only a frame over several pieces is gathered into
/// memory of its own, which grows as bytes arrive, so that a claimed length costs nothing by itself.
#[derive(Debug)]
pub struct FrameDecoder {
    limit: usize,
    /// What `feed` brought and `next` has not taken.
    input: Bytes,
    /// The frame's beginning (length included), while its end is still to come.
    partial: Vec<u8>,
}

impl FrameDecoder {
    /// `limit` is `socket.request.max.bytes`.
    pub fn new(limit: usize) -> FrameDecoder {
        FrameDecoder { limit, input: Bytes::new(), partial: Vec::new() }
    }

    /// Adds received bytes; the former ones must have been used up to `Need`.
    pub fn feed(&mut self, bytes: Bytes) {
        assert!(self.input.is_empty(), "input is used up before more is fed");
        self.input = bytes;
    }

    /// The next frame, or how much is missing to it.
    pub fn next_frame(&mut self) -> Result<Frame, FrameError> {
        if self.partial.is_empty()
            && let Some(length) = self.input.first_chunk::<FRAME_LENGTH_BYTES>()
        {
            let whole = FRAME_LENGTH_BYTES + self.check(*length)?;
            if self.input.len() >= whole {
                let mut frame = self.input.split_to(whole);
                return Ok(Frame::Complete(frame.split_off(FRAME_LENGTH_BYTES)));
            }
        }
        self.gather(FRAME_LENGTH_BYTES);
        let Some(length) = self.partial.first_chunk::<FRAME_LENGTH_BYTES>() else {
            return Ok(Frame::Need(FRAME_LENGTH_BYTES - self.partial.len()));
        };
        let whole = FRAME_LENGTH_BYTES + self.check(*length)?;
        self.gather(whole);
        if self.partial.len() < whole {
            return Ok(Frame::Need(whole - self.partial.len()));
        }
        let mut frame = Bytes::from(std::mem::take(&mut self.partial));
        Ok(Frame::Complete(frame.split_off(FRAME_LENGTH_BYTES)))
    }

    /// Bytes held for a frame whose end is still to come.
    pub fn held_bytes(&self) -> usize {
        self.partial.len() + self.input.len()
    }

    fn check(&self, length: [u8; FRAME_LENGTH_BYTES]) -> Result<usize, FrameError> {
        let length = i32::from_be_bytes(length);
        let limit = self.limit;
        match usize::try_from(length) {
            Ok(length) if length > limit => Err(FrameError::TooLarge { length, limit }),
            Ok(length) => Ok(length),
            Err(_) => Err(FrameError::Negative(length)),
        }
    }

    /// Moves input into the partial frame until that has `whole` bytes.
    fn gather(&mut self, whole: usize) {
        let missing = whole.saturating_sub(self.partial.len());
        let taken = self.input.split_to(missing.min(self.input.len()));
        self.partial.extend_from_slice(&taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100;

    /// Feeds the stream in pieces of `step` bytes and collects the frames.
    fn frames(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Result<Frame, FrameError>) {
        let mut decoder = FrameDecoder::new(LIMIT);
        let mut frames = Vec::new();
        for piece in stream.chunks(step) {
            decoder.feed(Bytes::copy_from_slice(piece));
            loop {
                match decoder.next_frame() {
                    Ok(Frame::Complete(frame)) => frames.push(frame.to_vec()),
                    Ok(Frame::Need(more)) => {
                        assert!(more > 0);
                        break;
                    }
                    Err(error) => return (frames, Err(error)),
                }
            }
        }
        (frames, decoder.next_frame())
    }

    #[test]
    fn frames_come_out_however_the_stream_is_cut() {
        let stream = [0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 9, 1];
        for step in 1..=stream.len() {
            let (frames, last) = frames(&stream, step);
            assert_eq!(frames, [vec![7, 8], vec![], vec![9]], "step {step}");
            assert_eq!(last, Ok(Frame::Need(8)), "step {step}");
        }
    }

    #[test]
    fn bad_lengths_are_refused_at_once() {
        let too_large = FrameError::TooLarge { length: 101, limit: LIMIT };
        for step in 1..=4 {
            assert_eq!(frames(&[0, 0, 0, 101], step), (vec![], Err(too_large)));
            assert_eq!(frames(&[0xff; 4], step), (vec![], Err(FrameError::Negative(-1))));
        }
        assert_eq!(frames(&[0, 0, 0, 100], 4).1, Ok(Frame::Need(100)));
    }

    #[test]
    fn a_frame_inside_one_piece_is_not_copied() {
        let piece = Bytes::from_static(&[0, 0, 0, 1, 5]);
        let mut decoder = FrameDecoder::new(LIMIT);
        decoder.feed(piece.clone());
        let Ok(Frame::Complete(frame)) = decoder.next_frame() else { panic!("a frame is there") };
        assert_eq!(frame.as_ptr(), piece[4..].as_ptr());
    }
}
