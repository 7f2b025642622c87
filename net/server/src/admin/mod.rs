//! The side thread: metrics and health over HTTP, apart from the shards, which it only asks.

mod client_metrics;
mod compaction;
mod disk;
mod family;
mod files;
mod groups;
mod kafka;
mod own;
mod process;
mod quotas;
mod readers;
mod routes;
mod scrape;
mod tables;
mod thread;
mod timings;

pub use tables::{MetricDescription, metric_descriptions};
pub(crate) use thread::SideThread;
