//! Which appends are written once: those of a partition that brings much go aside, and to its segment first.
//!
//! Small appends are written twice, to the journal and later to their segment; one write for all partitions makes them
//! durable soonest. Where a partition has as much waiting as is worth a write of its own, the second write is the dearer
//! part: its appends stand in a line of their own until a task has written them (`extents`).

use std::rc::Rc;

use millrace_core::base::ids::{Offset, TimestampMs};

use crate::job::Job;
use crate::partition::{Partition, PartitionRef};
use crate::shard::Core;

/// A partition with so much in the queue does not wait for the journal.
const QUEUED_BYTES_MIN: usize = 256 * 1024;
/// The device is behind by so much: what streams in does not wait for the journal either.
const BACKLOG_BYTES_MIN: usize = 256 * 1024;
/// So much of a partition that came last is in no file: it streams in. Six files take hardened writes of this length at
/// the speed of the device, those of half the length at two thirds of it.
const STREAM_BYTES_MIN: usize = 128 * 1024;
/// Smaller appends stay with the journal while others stream: many share a frame.
const APPEND_BYTES_MIN: usize = 32 * 1024;
/// What must have come during the write of an extent for another to follow.
const GO_ON_BYTES_MIN: usize = 64 * 1024;
/// Hardened writes that extend a file each take a kernel's thread meanwhile.
const BULKS_MAX: usize = 8;

impl Core {
    /// Takes an append: for the next frame, or for its partition's next extent.
    pub(crate) fn enqueue(self: &Rc<Core>, job: Job) {
        let shared = Rc::clone(&job.partition);
        let bytes = job.records.len();
        let mut partition = shared.borrow_mut();
        if partition.bulk {
            drop(partition);
            self.commit.bulks.push(job);
            return;
        }
        partition.queued_bytes += bytes;
        let queued = partition.queued_bytes;
        let streams = bytes >= APPEND_BYTES_MIN && partition.streaming_bytes() >= STREAM_BYTES_MIN as u64;
        drop(partition);
        self.commit.enqueue(job);
        if queued >= QUEUED_BYTES_MIN || (streams && self.commit.backlog_bytes() >= BACKLOG_BYTES_MIN) {
            self.begin_bulk(&shared);
        }
    }

    /// Takes a partition's appends out of the queue, if the first of them can be written ahead of its frame.
    fn begin_bulk(self: &Rc<Core>, shared: &PartitionRef) {
        if self.commit.bulks.running() >= BULKS_MAX || self.space.is_short() {
            return;
        }
        let mut partition = shared.borrow_mut();
        let mut queue = self.commit.queue.borrow_mut();
        let is_its = |job: &Job| Rc::ptr_eq(&job.partition, shared);
        let now = TimestampMs(millrace_rt::wall_now_ms());
        let may_begin =
            queue.jobs.iter().find(|job| is_its(job)).is_some_and(|job| partition.may_stage(job, now));
        if !may_begin {
            return;
        }
        let line = queue.take_out(is_its);
        partition.queued_bytes = 0;
        partition.bulk = true;
        self.commit.bulks.begin(partition.key, line);
        millrace_rt::spawn(Rc::clone(self).write_extents(Rc::clone(shared)));
    }

    /// Whether the partition has enough in line for another extent, of this segment; if not its appends go to the journal
    /// again.
    pub(crate) fn goes_on(&self, shared: &PartitionRef, active: Offset, now: TimestampMs) -> bool {
        let mut partition = shared.borrow_mut();
        let bulks = &self.commit.bulks;
        let goes_on = bulks.with_line(partition.key, |line| {
            let waiting: usize = line.iter().map(|job| job.records.len()).sum();
            let may_stage = |job| partition.active().base == active && partition.may_stage(job, now);
            waiting >= GO_ON_BYTES_MIN && !self.space.is_short() && line.front().is_some_and(may_stage)
        });
        if goes_on {
            return true;
        }
        partition.bulk = false;
        for job in bulks.end(partition.key) {
            partition.queued_bytes += job.records.len();
            self.commit.enqueue(job);
        }
        // Whoever waits for the shard to be idle looks again.
        self.commit.hardened.notify_all();
        false
    }
}

impl Partition {
    /// What came last and is in no file, if its file need not be made first.
    fn streaming_bytes(&self) -> u64 {
        let active = self.active();
        if active.linked { self.queued_bytes as u64 + active.length() - active.written } else { 0 }
    }

    /// Whether the append can stand behind the log's end before a frame says so: it needs no roll, and the partial last
    /// block is in memory.
    fn may_stage(&self, job: &Job, now: TimestampMs) -> bool {
        let is_open = !self.removed && !self.unreadable && !self.active().needs_last_block();
        is_open && !self.must_roll(job, (self.active().length(), self.log_end), now)
    }
}
