//! Cleans the journal's filled slots: makes everything they hold durable elsewhere, writes one checkpoint, reuses them.

use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, PartitionKey, Position};
use millrace_core::journal::{
    APPEND_HEAD_BYTES, CARRY_TAIL_BYTES_MAX, Cleaning as DueCleaning, Entry, FrameSequence, Purpose,
    ReleasePlan, Span, UnreleasedTail, plan_release,
};

use crate::flush::Amount;
use crate::partition::{LogPosition, Partition, PartitionRef};
use crate::segment::{Segment, Stage};
use crate::shard::Core;

/// Carries of one frame: appends and answers get their turn between the frames of thousands of tails.
const CARRY_FRAME_BYTES: usize = 256 * 1024;

const _: () = assert!(CARRY_TAIL_BYTES_MAX + APPEND_HEAD_BYTES <= CARRY_FRAME_BYTES);

impl Core {
    /// Cleans slots as they become due. Runs until it is stopped.
    pub(crate) async fn clean_slots(self: Rc<Core>) {
        while !self.cleaning.stopping.get() {
            let due = self.commit.journal.borrow().cleaning_due();
            match due {
                Some(due) => self.clean(due).await,
                None => self.cleaning.look.wait().await,
            }
        }
        self.cleaning.stopped.set(true);
        self.cleaning.ended.notify_all();
    }

    async fn clean(self: &Rc<Core>, due: DueCleaning) {
        let started = millrace_rt::now();
        let plan = self.make_durable(due.through).await;
        let reused = {
            let mut journal = self.commit.journal.borrow_mut();
            journal.slots_released(due);
            journal.slots_reused()
        };
        self.commit.nudge();
        self.store_indexes().await;
        let took = millrace_rt::now() - started;
        let (flushed, carried) = (plan.flush.len(), plan.carry.len());
        self.counters.slot_reuses.add(due.slots as u64);
        self.counters.cleaning_nanos.add(took.as_nanos() as u64);
        self.counters.tails_flushed.add(flushed as u64);
        self.counters.tails_carried.add(carried as u64);
        // `clients/kill` reads `shard` and `reused` here.
        tracing::debug!(shard = %self.index, slot = due.slot, slots = due.slots, reused, flushed, carried, ?took, "journal slots cleaned");
    }

    /// Makes everything that frames up to `through` hold durable in segment files or in later frames, and a
    /// checkpoint that needs none of them.
    pub(crate) async fn make_durable(self: &Rc<Core>, through: FrameSequence) -> ReleasePlan {
        self.finish_rolled().await;
        let plan = self.plan(through);
        self.flusher.write_due(plan.flush.iter().filter_map(|key| self.table.get(*key)).collect()).await;
        let carried = self.carry(&plan.carry, through).await;
        self.commit.until_hard(carried).await;
        self.note_log_starts().await;
        self.release_written().await;
        self.write_checkpoint(through.next()).await;
        plan
    }

    /// Finishes every segment that is rolled now. A checkpoint names no segment behind an unfinished one: the roll must
    /// be replayed, and one of those that happened so far may be in a frame that is about to be given up.
    async fn finish_rolled(self: &Rc<Core>) {
        for partition in self.unreleased.all() {
            loop {
                let rolled = partition.borrow().next_rolled();
                let Some(base) = rolled.filter(|_| !partition.borrow().removed) else { break };
                self.flush_segment(&partition, base, Amount::Everything).await;
            }
        }
    }

    /// Which tails those frames still hold, and what is to be done with each.
    fn plan(&self, through: FrameSequence) -> ReleasePlan {
        let tails =
            self.unreleased.all().into_iter().filter_map(|partition| partition.borrow_mut().unreleased());
        let limits = self.commit.journal.borrow().carry_limits();
        plan_release(tails, through, limits)
    }

    /// Rolled segments whole; of the active one every byte, its last block padded and written again later.
    pub(crate) async fn flush_partition(self: &Rc<Core>, partition: &PartitionRef) {
        let bases: Vec<(Offset, Stage)> = {
            let partition = partition.borrow();
            let missing = partition.segments.iter().filter(|segment| segment.in_file() < segment.length());
            missing.map(|segment| (segment.base, segment.stage)).collect()
        };
        for (base, stage) in bases {
            let amount = if stage == Stage::Active { Amount::Padded } else { Amount::Everything };
            self.flush_segment(partition, base, amount).await;
        }
    }

    /// Logs small tails again. Answers the last frame that holds a carry.
    async fn carry(self: &Rc<Core>, keys: &[PartitionKey], through: FrameSequence) -> FrameSequence {
        let mut last = through;
        let mut rest = keys;
        while !rest.is_empty() {
            let room = self.commit.room(Purpose::Carry).min(CARRY_FRAME_BYTES);
            let (taken, sealed) = self.seal_carries(rest, through, room);
            rest = &rest[taken..];
            match sealed {
                Some(frame) => {
                    last = last.max(frame);
                    millrace_rt::yield_now().await;
                }
                // Appends since the plan have left too little room to carry what they made longer.
                None if taken == 0 && self.commit.is_hard() => {
                    if let Some(partition) = rest.first().and_then(|key| self.table.get(*key)) {
                        self.flush_partition(&partition).await;
                    }
                    rest = rest.get(1..).unwrap_or_default();
                }
                // The ring is full until a write is done.
                None if taken == 0 => self.commit.hardened.wait().await,
                None => {}
            }
        }
        last
    }

    /// Seals one frame of carries; answers how many partitions are done with.
    fn seal_carries(
        &self,
        keys: &[PartitionKey],
        through: FrameSequence,
        room: usize,
    ) -> (usize, Option<FrameSequence>) {
        let mut taken = 0;
        let mut bytes = 0;
        let mut carried: Vec<PartitionRef> = Vec::with_capacity(keys.len());
        let mut entries: Vec<Entry<Vec<Bytes>>> = Vec::new();
        for key in keys {
            let Some(shared) = self.table.get(*key) else {
                taken += 1;
                continue;
            };
            let carries = shared.borrow().carries(through);
            let more: usize = carries.iter().map(Entry::sealed_bytes).sum();
            if bytes + more > room {
                break;
            }
            taken += 1;
            bytes += more;
            if !carries.is_empty() {
                entries.extend(carries);
                carried.push(shared);
            }
        }
        if entries.is_empty() {
            return (taken, None);
        }
        match self.commit.seal_upkeep(&entries) {
            None => (0, None),
            Some(frame) => {
                for partition in carried {
                    partition.borrow_mut().carried_to(frame);
                }
                (taken, Some(frame))
            }
        }
    }
}

impl Partition {
    /// What is only in memory and journal, and since which frame.
    fn unreleased(&mut self) -> Option<UnreleasedTail> {
        self.forget_released_marks();
        let in_file = self.file_end();
        let oldest = self.marks.iter().find(|mark| mark.end > in_file)?.frame;
        let bytes: u64 = self.segments.iter().map(|segment| segment.length() - segment.in_file()).sum();
        Some(UnreleasedTail { key: self.key, bytes: bytes as usize, oldest })
    }

    /// All bytes below are in segment files.
    fn file_end(&self) -> LogPosition {
        let partly = |segment: &&Segment| segment.in_file() < segment.length();
        let first = self.segments.iter().find(partly).unwrap_or(self.active());
        LogPosition { segment: first.base, position: first.in_file() }
    }

    /// The tail as carry entries, if a frame up to `through` is still needed for it.
    fn carries(&self, through: FrameSequence) -> Vec<Entry<Vec<Bytes>>> {
        let in_file = self.file_end();
        if !self.marks.iter().any(|mark| mark.frame <= through && mark.end > in_file) {
            return Vec::new();
        }
        let mut next_offset = self.log_end;
        let mut carries = Vec::new();
        for segment in self.segments.iter().rev() {
            if segment.in_file() < segment.length() {
                let span = Span {
                    key: self.key,
                    segment: segment.base,
                    position: Position(segment.written),
                    base_offset: segment.base,
                    next_offset,
                };
                carries.push(Entry::Carry {
                    span,
                    payload: segment.tail.view(segment.written, segment.length()),
                });
            }
            next_offset = segment.base;
        }
        carries.reverse();
        carries
    }

    /// All bytes that are in no file are now in `frame` as well; older frames are no longer needed for them.
    fn carried_to(&mut self, frame: FrameSequence) {
        self.marks.clear();
        self.mark(frame);
    }
}
