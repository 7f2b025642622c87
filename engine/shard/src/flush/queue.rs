//! Which tails are worth a write to their segment, and how fast they may be written beside commits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use millrace_rt::Signal;

use crate::commit::credit::CREDIT_BYTES_MAX;
use crate::partition::state::PartitionRef;
use crate::partition::tail::block_floor;

/// The least that is worth a write to a segment: behind a quiet stream such writes delay no commit.
pub(crate) const FLUSH_BYTES: u64 = 128 * 1024;
/// The longest write where much waits: at depth 1 the device took 0.8 GB/s in writes of 128 KiB,
/// 1.5 in those of 1 MiB.
const FLUSH_BYTES_MAX: u64 = 1024 * 1024;
/// Writes in flight of one shard: commits come first. Depth 2 takes what the ingest brings in writes of 128
/// KiB; those of a cleaning are shorter, and some must make their files first.
pub(crate) const FLUSHERS: usize = 4;

const _: () = assert!(CREDIT_BYTES_MAX == 4 * FLUSH_BYTES, "a few writes are saved up, and no burst");

/// Partitions whose tail is worth a write. Driven by [`FLUSHERS`] tasks of the shard.
pub(crate) struct FlushQueue {
    queue: RefCell<VecDeque<PartitionRef>>,
    /// Partitions that a cleaning waits for.
    due: RefCell<VecDeque<PartitionRef>>,
    due_left: Cell<usize>,
    pub(crate) work: Signal,
    /// A write to a segment ended.
    pub(crate) wrote: Signal,
}

/// How much one write takes of `waiting` bytes in whole blocks:
/// half of what waits keeps the writes of a stream even.
pub(crate) fn write_bytes(waiting: u64) -> u64 {
    block_floor(waiting / 2).clamp(FLUSH_BYTES, FLUSH_BYTES_MAX).min(waiting)
}

impl FlushQueue {
    pub(crate) fn new() -> FlushQueue {
        FlushQueue {
            queue: RefCell::default(),
            due: RefCell::default(),
            due_left: Cell::new(0),
            work: Signal::new(),
            wrote: Signal::new(),
        }
    }

    pub(crate) fn push(&self, partition: PartitionRef) {
        self.queue.borrow_mut().push_back(partition);
        self.work.notify_all();
    }

    pub(crate) fn next(&self) -> Option<PartitionRef> {
        self.queue.borrow_mut().pop_front()
    }

    /// Returns once all that these hold now is written. Dropping the future changes nothing of that.
    pub(crate) async fn write_due(&self, partitions: Vec<PartitionRef>) {
        self.due_left.set(self.due_left.get() + partitions.len());
        self.due.borrow_mut().extend(partitions);
        self.work.notify_all();
        while self.due_left.get() > 0 {
            self.wrote.wait().await;
        }
    }

    pub(crate) fn next_due(&self) -> Option<PartitionRef> {
        self.due.borrow_mut().pop_front()
    }

    pub(crate) fn due_written(&self) {
        self.due_left.set(self.due_left.get() - 1);
        if self.due_left.get() == 0 {
            self.wrote.notify_all();
        }
    }
}
