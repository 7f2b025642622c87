//! Logs that begin later and later, by retention and by DeleteRecords, while the node crashes.
//!
//! `plan` says what is sent, `ledger` what the outside was told and whether it was true, `drive` runs on the
//! shards, `scenario` says what is its own in a run.

mod drive;
mod ledger;
mod plan;
mod scenario;

pub(crate) use plan::RetentionPlan;
pub(crate) use scenario::Retention;
