//! The crash sweep: one seeded workload, run again and again with a crash before each of its disk operations.
//!
//! `drive` sends the workload and reads it back on the shards, `run` boots and crashes one world, `cases` chooses the
//! crashes, `damage` garbles journals.

mod cases;
mod damage;
mod drive;
mod run;

pub use cases::{Failure, Sweep, SweepOptions, Tally};
pub use damage::{Damage, DamageBench};
pub use run::{Blow, Case, Outcome, run};
