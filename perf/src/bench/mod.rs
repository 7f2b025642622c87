//! `millrace bench`: one load on any Kafka-compatible broker, with progress, table and JSON.

mod options;
mod phase;
mod probes;
mod progress;
mod report;
mod run;
mod target;

pub use options::{AcksArgument, BenchOptions};
pub(crate) use run::run;
