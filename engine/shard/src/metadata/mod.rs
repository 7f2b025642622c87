//! The metadata log, and what changes in a shard with the metadata.

pub(crate) mod changes;
pub(crate) mod first_files;
pub(crate) mod follower;
pub(crate) mod log;
pub(crate) mod removal;
