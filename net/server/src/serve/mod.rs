//! A broker at work on one shard: from listening to the stop, and each connection from its first request to its last.

mod listen;
mod reader;
mod shard;

pub use shard::serve_shard;
