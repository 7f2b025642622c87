//! Millrace in a simulated world: the crash sweep through the engine's service surface, and the whole broker.
#![forbid(unsafe_code)]

pub mod broker;
mod case;
mod chance;
mod compaction;
pub mod fuzz;
pub mod groups;
mod ledger;
mod loss;
mod machine;
mod progress;
mod promises;
mod reading;
mod retention;
mod scenario;
pub mod sweep;
mod times;
mod topics;
mod trial;
mod workload;

pub use progress::{name_panics, under_way};
pub use workload::{Volume, Workload};
