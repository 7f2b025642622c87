//! Loads any Kafka-compatible broker over TCP and measures it:
//! the library of `millrace-perf` and of `millrace bench`.
#![forbid(unsafe_code)]

mod bench;
mod broker;
mod client;
mod clock;
mod disk;
mod error;
mod first_light;
mod groups;
mod hostile;
mod load;
mod measure;
mod probe;
mod program;
mod seat;
mod storage;
mod suite;

pub use bench::{AcksArgument, BenchOptions};
pub use program::{run_bench, run_first_light, run_groups, run_hostile, run_storage};
pub use suite::SuiteOptions;
