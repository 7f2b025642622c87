//! A broker at work: on its threads, on one shard from listening to the stop,
//! and each connection from its first request to its last.

mod broker;
mod listen;
mod reader;
mod shard;

pub use broker::{Broker, Stopper, machine_name};
pub use shard::serve_shard;
