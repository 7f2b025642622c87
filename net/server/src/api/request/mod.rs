//! What every handler works with: the request, its response, ids, and turns of the shard.

pub(crate) mod context;
pub(crate) mod ids;
pub(crate) mod operations;
pub(crate) mod yields;
