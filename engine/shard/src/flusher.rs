//! Which tails are worth a write to their segment, and how much memory written tails may keep.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use millrace_core::base::ids::Offset;
use millrace_rt::Signal;

use crate::partition::{Partition, PartitionRef};
use crate::segment::Stage;

/// One write to a segment: 128 KiB direct writes reach the device's rate at a low depth.
pub(crate) const FLUSH_BYTES: u64 = 128 * 1024;
/// Writes in flight of one shard: commits come first, and depth 2 already takes what the ingest brings.
pub(crate) const FLUSHERS: usize = 2;
/// Partitions whose tail is worth a write. Driven by [`FLUSHERS`] tasks of the shard.
pub(crate) struct Flusher {
    pub(crate) queue: RefCell<VecDeque<PartitionRef>>,
    pub(crate) work: Signal,
    /// A write to a segment ended.
    pub(crate) wrote: Signal,
    retained: Retained,
}

/// Tail memory that is kept after it was written, so that readers close behind need no disk.
struct Retained {
    bytes: Cell<usize>,
    bytes_max: usize,
    oldest: RefCell<VecDeque<(Weak<RefCell<Partition>>, Offset)>>,
}

impl Flusher {
    pub(crate) fn new(tail_bytes_max: usize) -> Flusher {
        let retained =
            Retained { bytes: Cell::new(0), bytes_max: tail_bytes_max, oldest: RefCell::default() };
        Flusher { queue: RefCell::default(), work: Signal::new(), wrote: Signal::new(), retained }
    }

    pub(crate) fn push(&self, partition: PartitionRef) {
        self.queue.borrow_mut().push_back(partition);
        self.work.notify_all();
    }

    /// Tails took `bytes` more memory.
    pub(crate) fn grew(&self, bytes: usize) {
        self.retained.bytes.set(self.retained.bytes.get() + bytes);
    }

    pub(crate) fn shrank(&self, bytes: usize) {
        self.retained.bytes.set(self.retained.bytes.get().saturating_sub(bytes));
    }

    pub(crate) fn retain(&self, partition: &PartitionRef, base: Offset) {
        self.retained.oldest.borrow_mut().push_back((Rc::downgrade(partition), base));
    }

    /// Lets go of the tails written longest ago while tails take more than their share.
    pub(crate) fn evict(&self) {
        while self.retained.bytes.get() > self.retained.bytes_max {
            let Some((partition, base)) = self.retained.oldest.borrow_mut().pop_front() else { return };
            // A removed partition has given its memory back.
            let Some(partition) = partition.upgrade() else { continue };
            let mut partition = partition.borrow_mut();
            let Some(segment) = partition.segment_mut(base) else { continue };
            let freed = match segment.stage {
                Stage::Finished => segment.tail.release_all(),
                Stage::Active | Stage::Rolled => segment.tail.release_below(segment.written),
            };
            self.shrank(freed);
        }
    }
}
