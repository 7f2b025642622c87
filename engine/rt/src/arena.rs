//! Memory of the current shard: taking blocks, copying payload, and counting both.

use crate::memory::block::Block;
use crate::shard;

/// Memory of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Blocks that somebody holds, wherever they are now.
    pub in_use_bytes: u64,
    /// Blocks kept for the next use.
    pub pooled_bytes: u64,
}

impl Block {
    /// A block of the current shard. `bytes` is rounded up to a power of two from 4 KiB to 2 MiB,
    /// above that to a multiple of 4 KiB.
    pub fn with_capacity(bytes: usize) -> Block {
        shard::current().home.take(bytes)
    }
}

/// What the current shard holds.
pub fn memory() -> MemoryUse {
    let usage = shard::current().home.usage();
    MemoryUse { in_use_bytes: usage.in_use_bytes as u64, pooled_bytes: usage.pooled_bytes as u64 }
}

/// Copies payload and counts it.
pub fn copy_payload(target: &mut [u8], source: &[u8]) {
    shard::current().copies.copy(target, source);
}

/// Bytes of payload that the current shard has copied since its start, with the heads and the padding of the
/// frames in which payload went to the journal's ring. What the kernel copies is not among them.
pub fn copied_bytes() -> u64 {
    shard::current().copies.bytes()
}
