//! The crash sweep: one seeded workload, run again and again with a crash before each of its disk operations.
//!
//! `workload` says what is sent, `drive` sends it and reads it back on the shards, `ledger` keeps what the outside was
//! told and judges what is found later, `run` boots and crashes one world, `cases` chooses the crashes.

mod audit;
mod cases;
mod damage;
mod drive;
mod ledger;
mod run;
mod segments;
mod workload;

pub use cases::{Failure, Sweep, SweepOptions, Tally};
pub use damage::{Damage, DamageBench};
pub use run::{Blow, Case, Outcome, run};
pub use workload::{Volume, Workload};
