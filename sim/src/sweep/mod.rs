//! The crash sweep: one seeded workload, run again and again with a crash before each of its disk operations.
//!
//! `machine` boots and crashes one node, `drive` sends the workload and reads it back on its shards, `run` judges, `cases`
//! chooses the crashes, `damage` garbles journals.

mod cases;
mod damage;
mod drive;
mod machine;
mod run;

pub use cases::{Failure, Sweep, SweepOptions, Tally};
pub use damage::{Damage, DamageBench};
pub use machine::{Blow, Squeeze, Trial};
pub use run::{Case, Outcome, run};
