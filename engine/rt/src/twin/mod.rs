//! The simulated kernel below the shards of a world: disk, network, clock and faults, all from one seed.

pub(crate) mod chance;
mod changes;
pub(crate) mod disk;
pub(crate) mod inode;
pub(crate) mod network;
pub(crate) mod port;
pub(crate) mod state;
pub(crate) mod storage;
