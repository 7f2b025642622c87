//! Connections: frames in, answers out in order, memory inside a budget, movable between shards. They know neither
//! APIs nor the shard that serves them.

pub(crate) mod affinity;
pub(crate) mod answers;
pub(crate) mod caller;
pub(crate) mod inbox;
pub(crate) mod parcel;
pub(crate) mod room;
pub(crate) mod writer;
