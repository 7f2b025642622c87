//! The runtime seam: shards, tasks, time, memory, files, sockets and the mesh,
//! on io_uring or in a simulated world.

mod arena;
mod clock;
mod failure;
mod invariants;
mod io;
mod kernel;
mod memory;
mod mesh;
mod moment;
mod select;
mod shard;
mod start;
mod submission;
mod sync;
mod tail;
mod tasks;
mod timers;
mod twin;
mod uring;
pub mod world;

pub use arena::{MemoryUse, copied_bytes, copy_payload, memory};
pub use clock::{fill_random, now, random_u64, sleep, sleep_until, timeout, wall_now_ms};
pub use failure::{EXIT_FAILED, end_process};
pub use invariants::check_each_turn;
pub use io::aside::aside;
pub use io::file::{BegunWrite, File, OpenOptions, Sync};
pub use io::fs;
pub use io::shared::{SharedMemory, shared_memory_life, shared_memory_life_of, shared_memory_usable};
pub use io::socket::{DetachedStream, Listener, Stream, addresses_of};
pub use memory::block::{BLOCK_ALIGNMENT, Block, POOLED_BLOCK_MAX};
pub use memory::counting::{Allocations, CountingAllocator, allocations, mark_peak};
pub use mesh::{Incoming, Mesh, MeshEnd, Reply, Respond, mesh};
pub use moment::Moment;
pub use select::{Either, select};
pub use shard::Seat;
pub use start::{Capabilities, Settings, StartError, probe, run};
pub use sync::byte_budget::{ByteBudget, ByteCharge};
pub use sync::gate::Gate;
pub use sync::oneshot;
pub use sync::shutdown::Shutdown;
pub use sync::signal::{Signal, SignalWait};
pub use tail::TailChunk;
pub use tasks::{Task, spawn, yield_now};
