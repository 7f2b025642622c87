//! Requests of one shard to another.

pub(crate) mod arrivals;
pub(crate) mod calls;
pub(crate) mod group_calls;
pub(crate) mod requests;
pub(crate) mod responder;
pub(crate) mod shard_mesh;
pub(crate) mod table;
pub(crate) mod waiting;
