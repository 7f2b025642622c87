//! What all shards of one broker share, and what the broker is told before it starts.

pub(crate) mod address_counts;
pub(crate) mod addresses;
pub(crate) mod context;
pub(crate) mod lifecycle;
mod listeners;
pub(crate) mod loggers;
mod process_log;
pub(crate) mod settings;
mod shard_loads;
pub(crate) mod start_error;
