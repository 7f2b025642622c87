//! Logs that are compacted by key, while they are written and read and the node crashes.
//!
//! `plan` says what is sent, `ledger` what must be there and what may be gone, `drive` runs on the shards,
//! `scenario` says what is its own in a run.

mod drive;
mod ledger;
mod plan;
mod scenario;

pub(crate) use plan::CompactionPlan;
pub(crate) use scenario::Compaction;
