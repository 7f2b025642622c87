//! What the outside was told, and whether it was true: the checkers of every simulation.

mod audit;
mod files;
mod ledger;

pub(crate) use files::{DATA_DIR, compare_files, durable_logs};
pub(crate) use ledger::{AppendState, PromiseLedger, Stored};
