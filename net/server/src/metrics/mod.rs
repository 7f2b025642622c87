//! What the shards count and time, and how other threads read it.

pub(crate) mod counts;
pub(crate) mod labels;
pub(crate) mod shard_probe;
pub(crate) mod timings;
