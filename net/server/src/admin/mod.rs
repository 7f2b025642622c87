//! The side thread: metrics and health over HTTP. It only probes the shards.

mod families;
mod family;
mod process;
mod routes;
mod scrape;
mod tables;
mod thread;

pub use tables::{MetricDescription, metric_descriptions};
pub(crate) use thread::SideThread;
