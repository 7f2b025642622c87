//! The simulated world: nodes, their shards, crashes and faults, replayed from one seed.

mod nodes;
mod tasks;
mod time;

pub use crate::twin::disk::{Crash, DiskFault};
pub use nodes::{DiskCopy, NodeId, World, WorldOptions, log};
