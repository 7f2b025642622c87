//! Topics that are created, written, get more partitions, are deleted and created again under the same name,
//! while the node crashes; and quotas, levels of features and a subscription to metrics of clients that
//! change between their lives.
//!
//! `plan` says what is sent, `ledger`, `quotas`, `features` and `subscriptions` what the outside was told and
//! whether it was true, `drive` runs on the shards, `scenario` says what is its own in a run.

mod drive;
mod features;
mod ledger;
mod plan;
mod promise;
mod quotas;
mod scenario;
mod subscriptions;

pub(crate) use plan::TopicPlan;
pub(crate) use scenario::Topics;
