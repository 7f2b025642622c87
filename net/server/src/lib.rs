//! Kafka's APIs on top of the engine's shards: listeners, connections, one file per API, and `Broker`.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod admin;
mod api;
mod broker;
mod conn;
mod metrics;
mod quota;
mod serve;
mod session;
mod shard_server;
mod telemetry;

pub use admin::{MetricDescription, metric_descriptions};
pub use api::{ServedApi, served_apis};
pub use broker::addresses::BoundListener;
pub use broker::context::{BrokerContext, OnReady};
pub use broker::loggers::{ApplyLevels, LogLevel, LogLevels, Loggers, ROOT_LOGGER};
pub use broker::settings::BrokerSettings;
pub use broker::start_error::StartError;
pub use millrace_shard::storage;
pub use serve::{Broker, Stopper, machine_name, serve_shard};
#[doc(hidden)]
pub use telemetry::count_pushed_values;
