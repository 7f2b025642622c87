//! Memory of a shard: blocks and how they are found, payload, what is counted.

pub(crate) mod block;
pub(crate) mod buddies;
pub(crate) mod counting;
pub(crate) mod pages;
pub(crate) mod payload;
pub(crate) mod region;
