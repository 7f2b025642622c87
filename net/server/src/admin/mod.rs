//! The side thread: metrics and health over HTTP, apart from the shards, which it only asks.

mod families;
mod family;
mod process;
mod routes;
mod scrape;
mod tables;
mod thread;

pub use tables::{MetricDescription, metric_descriptions};
pub(crate) use thread::SideThread;
