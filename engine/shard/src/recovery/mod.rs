//! Start and stop of a shard.

pub(crate) mod close;
pub(crate) mod engine;
pub(crate) mod journals;
pub(crate) mod prepare;
pub(crate) mod rebuild;
pub(crate) mod restore;
pub(crate) mod rings;
pub(crate) mod settle;
