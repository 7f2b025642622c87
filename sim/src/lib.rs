//! Millrace in a simulated world: the crash sweep through the engine's service surface, and the whole broker.
#![forbid(unsafe_code)]

pub mod broker;
mod chance;
pub mod fuzz;
mod progress;
mod promises;
pub mod sweep;
mod workload;

pub use progress::{name_panics, under_way};
pub use workload::{Volume, Workload};
