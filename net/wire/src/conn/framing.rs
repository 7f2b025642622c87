//! Finds the frames in received bytes; a frame's length is checked before memory is taken for it.

use millrace_codec::FRAME_LENGTH_BYTES;
use std::ops::Range;

/// What stands next in received bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// A frame: where its bytes lie, without the length in front of them.
    Whole(Range<usize>),
    /// A frame whose end is still to come begins at the cursor and is `wants` bytes long with its length,
    /// as far as is known.
    Partial { wants: usize },
    /// A length that no request has: the connection is to be closed.
    BadLength(i32),
}

/// Walks the frames of the bytes that a connection holds.
///
/// Driven by the connection's reading task, which makes one per receive and asks until no whole frame is
/// left. The task owns the bytes and is told places in them: nothing is copied here,
/// and a claimed length costs nothing.
#[derive(Debug)]
pub struct FrameCursor {
    frame_bytes_max: usize,
    position: usize,
}

impl FrameCursor {
    /// A length above `frame_bytes_max` is a bad one.
    pub fn new(frame_bytes_max: usize) -> FrameCursor {
        FrameCursor { frame_bytes_max, position: 0 }
    }

    /// What stands at the cursor, which moves behind it if it is a whole frame.
    /// `received` is the same every time.
    pub fn next_frame(&mut self, received: &[u8]) -> Framed {
        let rest = received.get(self.position..).unwrap_or_default();
        let Some(length) = rest.first_chunk::<FRAME_LENGTH_BYTES>() else {
            return Framed::Partial { wants: FRAME_LENGTH_BYTES };
        };
        let length = i32::from_be_bytes(*length);
        let body = match usize::try_from(length) {
            Ok(bytes) if bytes > 0 && bytes <= self.frame_bytes_max => bytes,
            _ => return Framed::BadLength(length),
        };
        let wants = FRAME_LENGTH_BYTES + body;
        if rest.len() < wants {
            return Framed::Partial { wants };
        }
        let start = self.position + FRAME_LENGTH_BYTES;
        self.position += wants;
        Framed::Whole(start..self.position)
    }

    /// Where the frame that is not whole begins, with its length.
    pub fn position(&self) -> usize {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    /// Frames as `(length, bytes that came)`; expects the bodies' places,
    /// where the cursor stops and what ends it.
    fn check(stream: &[(i32, usize)], frames: &[(usize, usize)], stop: usize, end: Framed) {
        let mut received = Vec::new();
        for (length, came) in stream {
            received.extend_from_slice(&length.to_be_bytes());
            received.extend(std::iter::repeat_n(7u8, *came));
        }
        check_bytes(&received, frames, stop, end);
    }

    fn check_bytes(received: &[u8], frames: &[(usize, usize)], stop: usize, end: Framed) {
        let mut cursor = FrameCursor::new(LIMIT);
        let mut seen = Vec::new();
        let seen_end = loop {
            match cursor.next_frame(received) {
                Framed::Whole(place) => seen.push((place.start, place.end)),
                end => break end,
            }
        };
        assert_eq!((seen.as_slice(), cursor.position(), seen_end), (frames, stop, end), "{received:?}");
    }

    #[test]
    fn frames_are_found_by_their_lengths() {
        check(&[], &[], 0, Framed::Partial { wants: 4 });
        check(&[(10, 10)], &[(4, 14)], 14, Framed::Partial { wants: 4 });
        check(&[(10, 9)], &[], 0, Framed::Partial { wants: 14 });
        check(&[(1, 1), (2, 2), (3, 1)], &[(4, 5), (9, 11)], 11, Framed::Partial { wants: 7 });
        check_bytes(&[0, 0, 0], &[], 0, Framed::Partial { wants: 4 });
        check_bytes(&[0, 0, 0, 1, 5, 0, 0], &[(4, 5)], 5, Framed::Partial { wants: 4 });
    }

    #[test]
    fn lengths_that_no_request_has_are_refused_at_once() {
        check(&[(1000, 0)], &[], 0, Framed::Partial { wants: 1004 });
        check(&[(1001, 0)], &[], 0, Framed::BadLength(1001));
        check(&[(i32::MAX, 0)], &[], 0, Framed::BadLength(i32::MAX));
        check(&[(5, 5), (-1, 9)], &[(4, 9)], 9, Framed::BadLength(-1));
        check(&[(0, 0)], &[], 0, Framed::BadLength(0));
    }
}
