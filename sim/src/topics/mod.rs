//! Topics that are created, written, get more partitions, are deleted and created again under the same name, while the
//! node crashes.
//!
//! `plan` says what is sent, `ledger` what the outside was told and whether it was true, `drive` runs on the shards, `run`
//! boots the node.

mod drive;
mod ledger;
mod plan;
mod run;

pub(crate) use plan::Plan;
pub(crate) use run::run;
