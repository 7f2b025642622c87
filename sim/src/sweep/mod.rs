//! The crash sweep: one seeded workload, run again and again with a crash before each of its disk operations.
//!
//! `drive` sends the workload and reads it back on its shards, `run` judges, `cases`
//! chooses the crashes, `damage` garbles journals, `flips` flips bits in every kind of file.

mod cases;
mod damage;
mod drive;
mod flips;
mod run;

pub use cases::{Subject, Sweep, SweepFailure, SweepOptions, SweepTally};
pub use damage::{Damage, DamageBench};
pub use flips::{Flip, FlipBench, Harm, Kind};
pub use run::run;

pub use crate::case::{Case, Outcome};
pub use crate::trial::{Between, Blow, Filling, Room, Squeeze, TopicsOn, Trial};
