//! Which tails are worth a write to their segment, and how fast they may be written beside commits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use millrace_rt::Signal;

use crate::partition::PartitionRef;
use crate::tail::block_floor;

/// The least that is worth a write to a segment: behind a quiet stream such writes delay no commit.
pub(crate) const FLUSH_BYTES: u64 = 128 * 1024;
/// The longest write where much waits: at depth 1 the device took 0.8 GB/s in writes of 128 KiB, 1.5 in those of 1 MiB.
const FLUSH_BYTES_MAX: u64 = 1024 * 1024;
/// What a commit lets the flushers write: twice its own bytes, so that they keep up with the ingest and no commit meets
/// a burst (beside paced writes a commit's p90 is 234 us, beside bursts 634-959 us).
const CREDIT_PER_BYTE: u64 = 2;
/// Credit that is saved up, unless a single commit brings more; more would be a burst.
const CREDIT_BYTES_MAX: u64 = 4 * FLUSH_BYTES;
/// Writes in flight of one shard: commits come first. Depth 2 takes what the ingest brings in writes of 128 KiB; those of
/// a cleaning are shorter, and some must make their files first.
pub(crate) const FLUSHERS: usize = 4;
/// Until a full disk is tried again. The data are in memory and in the journal meanwhile.
pub(crate) const RETRY_FULL: Duration = Duration::from_millis(200);

/// Partitions whose tail is worth a write. Driven by [`FLUSHERS`] tasks of the shard.
pub(crate) struct Flusher {
    queue: RefCell<VecDeque<PartitionRef>>,
    /// Partitions that a cleaning waits for.
    due: RefCell<VecDeque<PartitionRef>>,
    due_left: Cell<usize>,
    pub(crate) work: Signal,
    /// A write to a segment ended.
    pub(crate) wrote: Signal,
    /// Bytes that may be written while commits are in flight.
    credit: Cell<u64>,
}

/// How much one write takes of `waiting` bytes in whole blocks: half of what waits keeps the writes of a stream even.
pub(crate) fn write_bytes(waiting: u64) -> u64 {
    block_floor(waiting / 2).clamp(FLUSH_BYTES, FLUSH_BYTES_MAX).min(waiting)
}

impl Flusher {
    pub(crate) fn new() -> Flusher {
        Flusher {
            queue: RefCell::default(),
            due: RefCell::default(),
            due_left: Cell::new(0),
            work: Signal::new(),
            wrote: Signal::new(),
            credit: Cell::new(0),
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

    /// A commit of so many bytes is done.
    pub(crate) fn committed(&self, bytes: u64) {
        let brought = CREDIT_PER_BYTE * bytes;
        self.credit.set((self.credit.get() + brought).min(CREDIT_BYTES_MAX.max(brought)));
    }

    pub(crate) fn has_credit(&self, bytes: u64) -> bool {
        // Small commits never save up for a long write.
        self.credit.get() >= bytes.min(CREDIT_BYTES_MAX)
    }

    pub(crate) fn spend(&self, bytes: u64) {
        self.credit.set(self.credit.get().saturating_sub(bytes));
    }
}
