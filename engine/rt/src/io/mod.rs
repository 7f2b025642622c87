//! Files, directories, sockets and shared memory.

pub(crate) mod aside;
pub(crate) mod file;
pub mod fs;
pub(crate) mod shared;
pub(crate) mod socket;
