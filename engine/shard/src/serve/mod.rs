//! Requests of other shards, figures for operators, and what is looked after now and then.

pub(crate) mod handlers;
pub(crate) mod stats;
