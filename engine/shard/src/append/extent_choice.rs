//! Which appends are written once: those of a partition that brings much go aside, and to its segment first.
//!
//! Small appends are written twice, to the journal and later to their segment; one write for all partitions
//! makes them durable soonest. Where a partition has as much waiting as is worth a write of its own, or the
//! device is behind and the append is large, the second write is the dearer part: the partition's appends
//! stand in a line of their own until a task has written them (`extent`).

use std::collections::VecDeque;
use std::rc::Rc;

use millrace_core::base::ids::TimestampMs;

use crate::append::extent::{APPEND_BYTES_MIN, ExtentWriter, may_take_extent};
use crate::commit::pending_append::PendingAppend;
use crate::partition::state::PartitionRef;

/// A partition with so much in the queue does not wait for the journal.
const QUEUED_BYTES_MIN: usize = 256 * 1024;
/// The device is behind by so much: large appends do not wait for the journal either.
const BACKLOG_BYTES_MIN: usize = 256 * 1024;
/// Hardened writes that extend a file wait for one of a few kernel's threads; what comes beyond this many
/// goes through the journal, which takes the device's time too.
const EXTENTS_MAX: usize = 128;

impl ExtentWriter {
    /// Takes an append: for the next frame, or for its partition's next extent.
    pub(crate) fn enqueue(self: &Rc<Self>, pending: PendingAppend) {
        let mut partition = pending.partition.borrow_mut();
        if partition.lines.writes_extents {
            drop(partition);
            self.commit.extents.push(pending);
            return;
        }
        let bytes = pending.records.len();
        let queued = partition.lines.queued_bytes + bytes;
        // A file that is to be made first takes longer than the journal.
        let is_large = bytes >= APPEND_BYTES_MIN && partition.active().is_linked();
        if queued >= QUEUED_BYTES_MIN || (is_large && self.commit.backlog_bytes() >= BACKLOG_BYTES_MIN) {
            let shared = Rc::clone(&pending.partition);
            drop(partition);
            return self.begin_extent(&shared, pending);
        }
        partition.lines.queued_bytes = queued;
        drop(partition);
        self.commit.enqueue(pending);
    }

    /// Takes a partition's appends out of the queue, and this one behind them, if the first of them can be
    /// written ahead of its frame; if not this one is queued.
    fn begin_extent(self: &Rc<Self>, shared: &PartitionRef, pending: PendingAppend) {
        let mut partition = shared.borrow_mut();
        let mut queue = self.commit.queue.borrow_mut();
        let is_its = |pending: &PendingAppend| Rc::ptr_eq(&pending.partition, shared);
        let is_first = partition.lines.queued_bytes == 0;
        let is_full = self.commit.extents.running() >= EXTENTS_MAX || self.space.is_short();
        // The queue may be long: it is not searched where there is no place anyway.
        let may_begin = || {
            let first =
                if is_first { Some(&pending) } else { queue.appends.iter().find(|pending| is_its(pending)) };
            let now = TimestampMs(millrace_rt::wall_now_ms());
            first.is_some_and(|pending| may_take_extent(&partition, pending, now))
        };
        if is_full || !may_begin() {
            partition.lines.queued_bytes += pending.records.len();
            drop((partition, queue));
            return self.commit.enqueue(pending);
        }
        let mut line = if is_first { VecDeque::new() } else { queue.take_out(is_its) };
        line.push_back(pending);
        partition.lines.queued_bytes = 0;
        partition.lines.writes_extents = true;
        self.commit.extents.begin(partition.key, line);
        millrace_rt::spawn(Rc::clone(self).write_extents(Rc::clone(shared)));
    }
}
