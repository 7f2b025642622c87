//! One contract, two kernels: every subject runs on io_uring and in the simulated world.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod budgets;
mod cancel;
mod files;
mod host;
mod memory;
mod meshes;
mod paths;
mod sockets;
mod tasks;
mod world;
