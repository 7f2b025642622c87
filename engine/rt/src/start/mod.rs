//! Starting shards on the real kernel: threads, executors, and the driver of each ring.

mod driver;
mod interrupts;
mod launch;

pub use crate::uring::probe::{Capabilities, StartError, probe};
pub use launch::{Settings, run};
