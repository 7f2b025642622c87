//! Between tasks of a shard: signals, gates, budgets, the end of tasks.

pub(crate) mod byte_budget;
pub(crate) mod gate;
pub mod oneshot;
pub(crate) mod shutdown;
pub(crate) mod signal;
pub(crate) mod waiters;
