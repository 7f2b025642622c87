//! Partitions of one shard: segments, tails in memory, and the fetches that wait for them.

pub(crate) mod delayed_fetch;
mod invariants;
pub(crate) mod parts;
pub(crate) mod producer_upkeep;
pub(crate) mod producers;
pub(crate) mod purgatory;
pub(crate) mod rolled;
pub(crate) mod segment;
pub(crate) mod starts;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod tail;
pub(crate) mod tail_memory;
pub(crate) mod unreleased;
