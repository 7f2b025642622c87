//! Kafka's APIs on top of the engine's shards: listeners, connections, one file per API, and `Broker`.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod addresses;
mod admin;
mod api;
mod broker;
mod broker_context;
mod conn;
mod counts;
mod creations;
mod errors;
mod labels;
mod loggers;
mod per_address;
mod quota;
mod serve;
mod session;
mod shard_probe;
mod shard_server;
mod start_error;
mod telemetry;
mod timings;

pub use addresses::BoundListener;
pub use admin::{MetricDescription, metric_descriptions};
pub use api::{ServedApi, served_apis};
pub use broker::{Broker, Stopper, machine_name};
pub use broker_context::{BrokerContext, BrokerSettings, OnReady};
pub use loggers::{ApplyLevels, LogLevel, LogLevels, Loggers, ROOT_LOGGER};
pub use millrace_shard::storage;
pub use serve::serve_shard;
pub use start_error::StartError;
#[doc(hidden)]
pub use telemetry::count_pushed_values;
