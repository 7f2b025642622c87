//! Kafka's APIs on top of the engine's shards: listeners, connections, one file per API, and `Broker`.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod api;
mod broker;
mod conn;
mod errors;
mod host;
mod listen;
mod node;
mod serve;
mod session;
mod start_error;

pub use broker::{Broker, Stopper, machine_name};
pub use listen::BoundListener;
pub use node::{BrokerSettings, Node, OnReady};
pub use serve::serve_shard;
pub use start_error::StartError;
