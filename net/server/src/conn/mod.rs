//! Connections: frames in, responses out in order, memory inside a budget, movable between shards. They know
//! neither APIs nor the shard that serves them.

pub(crate) mod affinity;
pub(crate) mod connection;
pub(crate) mod inbox;
pub(crate) mod moving_connection;
pub(crate) mod responses;
pub(crate) mod room;
pub(crate) mod writer;
