//! Says how much memory the next receive of a connection may take; no I/O.

use millrace_wire::FRAME_LENGTH_BYTES;

/// What a connection that waits for a request holds: one block of the smallest size,
/// so that ten thousand idle connections hold 40 MB.
pub(crate) const BLOCK_BYTES_MIN: usize = 4096;

/// The most a connection that waits for a request holds, once it has shown that it sends that much at a time.
pub(crate) const IDLE_BYTES_MAX: usize = 64 * 1024;

/// Memory taken at once for a frame of a size the connection has sent before;
/// larger frames grow as they arrive.
pub(crate) const TRUSTED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A frame of unproven size may hold this many times what has arrived of it: four receives reach 1 MiB, and a
/// peer that only announces holds nothing.
const GROWTH: usize = 4;

const _: () = assert!(BLOCK_BYTES_MIN >= FRAME_LENGTH_BYTES);
const _: () = assert!(IDLE_BYTES_MAX <= TRUSTED_BYTES_MAX);

/// How large the memory of an incomplete frame may be: `have` of its `wants` bytes are there and the
/// connection has completed a frame of `proven` bytes before.
pub(crate) fn capacity_for(have: usize, wants: usize, proven: usize) -> usize {
    let earned = have.saturating_mul(GROWTH).max(proven.min(TRUSTED_BYTES_MAX));
    wants.min(earned).max(BLOCK_BYTES_MIN)
}

/// How much a connection that waits for its next request should hold:
/// `capacity` was offered the last time and `received` bytes came.
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
