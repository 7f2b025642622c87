//! The real kernel below a shard: its private io_uring and the threads that may block.

pub(crate) mod barrier;
pub(crate) mod blocking;
pub(crate) mod disk_calls;
pub(crate) mod entries;
pub(crate) mod probe;
pub(crate) mod progress;
pub(crate) mod ring;
pub(crate) mod slice;
pub(crate) mod tasks;
