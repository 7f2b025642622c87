//! Cuts received bytes into request frames and says how much memory the next receive may take; no I/O.

use std::ops::Range;

/// Every request is preceded by its length as a big-endian i32.
pub(crate) const LENGTH_BYTES: usize = 4;

/// What a connection that waits for a request holds: one block of the smallest size, so that ten thousand idle
/// connections hold 40 MB.
pub(crate) const BLOCK_BYTES_MIN: usize = 4096;

/// The most a connection that waits for a request holds, once it has shown that it sends that much at a time.
pub(crate) const IDLE_BYTES_MAX: usize = 64 * 1024;

/// Memory taken at once for a frame of a size the connection has sent before; larger frames grow as they arrive.
pub(crate) const TRUSTED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A frame of unproven size may hold this many times what has arrived of it: four receives reach 1 MiB, and a peer
/// that only announces holds nothing.
const GROWTH: usize = 4;

const _: () = assert!(BLOCK_BYTES_MIN >= LENGTH_BYTES);
const _: () = assert!(IDLE_BYTES_MAX <= TRUSTED_BYTES_MAX);

/// Received bytes cut into whole frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The frames without their length, in order.
    pub(crate) frames: Vec<Range<usize>>,
    pub(crate) end: End,
}

/// What stands behind the last whole frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A frame that starts at `at` (with its length) and is `wants` bytes long, as far as is known.
    Partial { at: usize, wants: usize },
    /// A length that no request has: the connection closes.
    BadLength(i32),
}

/// Cuts `received`; a frame longer than `frame_bytes_max` is a bad length.
pub(crate) fn cut(received: &[u8], frame_bytes_max: usize) -> Cut {
    let mut frames = Vec::new();
    let mut at = 0;
    loop {
        let rest = received.get(at..).unwrap_or_default();
        let Some(length) = rest.first_chunk::<LENGTH_BYTES>() else {
            return Cut { frames, end: End::Partial { at, wants: LENGTH_BYTES } };
        };
        let length = i32::from_be_bytes(*length);
        let body = match usize::try_from(length) {
            Ok(bytes) if bytes > 0 && bytes <= frame_bytes_max => bytes,
            _ => return Cut { frames, end: End::BadLength(length) },
        };
        let wants = LENGTH_BYTES + body;
        if rest.len() < wants {
            return Cut { frames, end: End::Partial { at, wants } };
        }
        frames.push(at + LENGTH_BYTES..at + wants);
        at += wants;
    }
}

/// How large the memory of an incomplete frame may be: `have` of its `wants` bytes are there and the connection has
/// completed a frame of `proven` bytes before.
pub(crate) fn capacity_for(have: usize, wants: usize, proven: usize) -> usize {
    let earned = have.saturating_mul(GROWTH).max(proven.min(TRUSTED_BYTES_MAX));
    wants.min(earned).max(BLOCK_BYTES_MIN)
}

/// How much a connection that waits for its next request should hold: `capacity` was offered the last time and
/// `received` bytes came.
pub(crate) fn next_idle_capacity(capacity: usize, received: usize) -> usize {
    let next = match () {
        () if received >= capacity => capacity.saturating_mul(2),
        () if received < capacity / 4 => capacity / 2,
        () => capacity,
    };
    next.clamp(BLOCK_BYTES_MIN, IDLE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames as `(length, bytes that came)`; expects the bodies' ranges and the end.
    fn check(stream: &[(i32, usize)], frames: &[(usize, usize)], end: End) {
        let mut received = Vec::new();
        for (length, came) in stream {
            received.extend_from_slice(&length.to_be_bytes());
            received.extend(std::iter::repeat_n(7u8, *came));
        }
        let frames = frames.iter().map(|(from, to)| *from..*to).collect();
        assert_eq!(cut(&received, 1000), Cut { frames, end }, "{stream:?}");
    }

    #[test]
    fn frames_are_cut_at_their_lengths() {
        check(&[], &[], End::Partial { at: 0, wants: 4 });
        check(&[(10, 10)], &[(4, 14)], End::Partial { at: 14, wants: 4 });
        check(&[(10, 9)], &[], End::Partial { at: 0, wants: 14 });
        check(&[(1, 1), (2, 2), (3, 1)], &[(4, 5), (9, 11)], End::Partial { at: 11, wants: 7 });
        check(&[(1000, 0)], &[], End::Partial { at: 0, wants: 1004 });
        check(&[(1001, 0)], &[], End::BadLength(1001));
        check(&[(5, 5), (-1, 9)], &[(4, 9)], End::BadLength(-1));
        check(&[(0, 0)], &[], End::BadLength(0));
        assert_eq!(cut(&[0, 0, 0], 1000).end, End::Partial { at: 0, wants: 4 });
    }

    #[test]
    fn memory_follows_what_has_arrived() {
        const MIB: usize = 1024 * 1024;
        for (have, wants, proven, capacity) in [
            (4, 100 * MIB, 0, BLOCK_BYTES_MIN),
            (4096, 100 * MIB, 0, 4 * 4096),
            (4096, 5000, 0, 5000),
            (4096, MIB, MIB, MIB),
            (4096, 50 * MIB, 60 * MIB, 2 * MIB),
            (2 * MIB, 50 * MIB, 60 * MIB, 8 * MIB),
            (4, 100, 0, BLOCK_BYTES_MIN),
        ] {
            assert_eq!(capacity_for(have, wants, proven), capacity, "{have} of {wants}, proven {proven}");
        }
    }

    #[test]
    fn idle_memory_follows_what_came_last() {
        for (capacity, received, next) in [
            (4096, 100, 4096),
            (4096, 4096, 8192),
            (65536, 65536, 65536),
            (65536, 20000, 65536),
            (65536, 10000, 32768),
        ] {
            assert_eq!(next_idle_capacity(capacity, received), next, "{received} of {capacity}");
        }
    }
}
