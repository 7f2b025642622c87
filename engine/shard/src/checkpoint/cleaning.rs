//! Cleans the journal's filled slots: makes everything they hold durable elsewhere,
//! writes one checkpoint, reuses them.

use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::{PartitionKey, Position, ShardIndex};
use millrace_core::journal::{
    APPEND_HEAD_BYTES, CARRY_TAIL_BYTES_MAX, Cleaning as DueCleaning, Entry, FrameSequence, Purpose,
    ReleasePlan, Span, UnreleasedTail, plan_release,
};

use crate::checkpoint::index_store::{IndexStore, Run};
use crate::checkpoint::noted_start::StartNotes;
use crate::checkpoint::releasing::Release;
use crate::checkpoint::writer::CheckpointWriter;
use crate::commit::queue::Commit;
use crate::counters::Counters;
use crate::flush::tail_flusher::Amount;
use crate::flush::tail_flusher::TailFlusher;
use crate::partition::segment::Segment;
use crate::partition::state::{LogPosition, Partition, PartitionRef};
use crate::partition::table::Table;
use crate::partition::unreleased::Unreleased;
use millrace_rt::Shutdown;

/// Carries of one frame: appends and responses get their turn between the frames of thousands of tails.
const CARRY_FRAME_BYTES: usize = 256 * 1024;

const _: () = assert!(CARRY_TAIL_BYTES_MAX + APPEND_HEAD_BYTES <= CARRY_FRAME_BYTES);

/// Cleans the slots of one shard's journal. Driven by one task: checkpoints are written one at a time.
pub(crate) struct SlotCleaner {
    pub(crate) shard: ShardIndex,
    pub(crate) table: Rc<Table>,
    pub(crate) unreleased: Rc<Unreleased>,
    pub(crate) commit: Rc<Commit>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) starts: Rc<StartNotes>,
    pub(crate) release: Rc<Release>,
    pub(crate) checkpoints: Rc<CheckpointWriter>,
    pub(crate) indexes: Rc<IndexStore>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) shutdown: Shutdown,
}

impl SlotCleaner {
    /// Lets the cleaning under way end and begins no other.
    pub(crate) async fn stop(&self) {
        self.shutdown.ask(&self.commit.signals.written).await;
    }

    /// Cleans slots as they become due. Runs until it is stopped.
    pub(crate) async fn run(self: Rc<Self>) {
        while !self.shutdown.is_asked() {
            let due = self.commit.journal.borrow().cleaning_due();
            match due {
                Some(due) => self.clean(due).await,
                None => self.commit.signals.written.wait().await,
            }
        }
        self.shutdown.done();
    }

    async fn clean(&self, due: DueCleaning) {
        let started = millrace_rt::now();
        let plan = self.make_durable(due.through).await;
        let reused = {
            let mut journal = self.commit.journal.borrow_mut();
            journal.slots_released(due);
            journal.slots_reused()
        };
        self.commit.nudge();
        let run = if self.shutdown.is_asked() { Run::Stops } else { Run::GoesOn };
        self.indexes.store(run).await;
        let took = millrace_rt::now() - started;
        let (flushed, carried) = (plan.flush.len(), plan.carry.len());
        self.counters.journal.slot_reuses.add(due.slots as u64);
        self.counters.journal.cleaning_nanos.add(took.as_nanos() as u64);
        self.counters.journal.tails_flushed.add(flushed as u64);
        self.counters.journal.tails_carried.add(carried as u64);
        // `clients/kill` reads `shard` and `reused` here.
        tracing::debug!(shard = %self.shard, slot = due.slot, slots = due.slots, reused, flushed, carried, ?took, "journal slots cleaned");
    }

    /// Makes everything that frames up to `through` hold durable in segment files or in later frames, and a
    /// checkpoint that needs none of them.
    pub(crate) async fn make_durable(&self, through: FrameSequence) -> ReleasePlan {
        self.finish_rolled().await;
        let plan = self.plan(through);
        self.flusher
            .queue
            .write_due(plan.flush.iter().filter_map(|key| self.table.get(*key)).collect())
            .await;
        let carried = self.carry(&plan.carry, through).await;
        self.commit.until_hard(carried).await;
        self.starts.note_all().await;
        self.release.release_written().await;
        self.checkpoints.write(through.next()).await;
        plan
    }

    /// Leaves nothing to the journal: all that partitions hold goes to their files, which end where the logs
    /// end. Appends and cleanings have ended.
    pub(crate) async fn finish(&self) {
        for partition in self.table.all().iter() {
            self.finish_partition(partition).await;
        }
        let sealed = self.commit.sealed_sequence();
        self.starts.note_all().await;
        self.release.release_written().await;
        self.checkpoints.write(sealed.next()).await;
        self.indexes.store(Run::Stops).await;
    }

    /// Writes all that a partition holds in memory only, and cuts its last file.
    async fn finish_partition(&self, partition: &PartitionRef) {
        let bases: Vec<_> = {
            let partition = partition.borrow();
            let open = partition.segments.iter().filter(|segment| segment.file.written < segment.length());
            open.map(|segment| segment.base).collect()
        };
        for base in bases {
            self.flusher.flush_segment(partition, base, Amount::Everything).await;
        }
    }

    /// Finishes every segment that is rolled now. A checkpoint names no segment behind an unfinished one: the
    /// roll must be replayed, and one of those that happened so far may be in a frame that is about to be
    /// given up.
    async fn finish_rolled(&self) {
        for partition in self.unreleased.all() {
            loop {
                let rolled = partition.borrow().next_rolled();
                let Some(base) = rolled.filter(|_| !partition.borrow().is_removed()) else { break };
                self.flusher.flush_segment(&partition, base, Amount::Everything).await;
            }
        }
    }

    /// Which tails those frames still hold, and what is to be done with each.
    fn plan(&self, through: FrameSequence) -> ReleasePlan {
        let tails =
            self.unreleased.all().into_iter().filter_map(|partition| unreleased(&mut partition.borrow_mut()));
        let limits = self.commit.journal.borrow().carry_limits();
        plan_release(tails, through, limits)
    }

    /// Logs small tails again. Returns the last frame that holds a carry.
    async fn carry(&self, keys: &[PartitionKey], through: FrameSequence) -> FrameSequence {
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
                        self.flusher.flush_partition(&partition).await;
                    }
                    rest = rest.get(1..).unwrap_or_default();
                }
                // The ring is full until a write is done.
                None if taken == 0 => self.commit.signals.hardened.wait().await,
                None => {}
            }
        }
        last
    }

    /// Seals one frame of carries; returns how many partitions are done.
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
            let carries = carries(&shared.borrow(), through);
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
                    carried_to(&mut partition.borrow_mut(), frame);
                }
                (taken, Some(frame))
            }
        }
    }
}

/// What is only in memory and journal, and since which frame.
fn unreleased(partition: &mut Partition) -> Option<UnreleasedTail> {
    partition.forget_released_marks();
    let in_file = file_end(partition);
    let oldest = partition.marks.iter().find(|mark| mark.end > in_file)?.frame;
    let bytes: u64 = partition.segments.iter().map(|segment| segment.length() - segment.in_file()).sum();
    Some(UnreleasedTail { key: partition.key, bytes: bytes as usize, oldest })
}

/// All bytes below are in segment files.
fn file_end(partition: &Partition) -> LogPosition {
    let partly = |segment: &&Segment| segment.in_file() < segment.length();
    let first = partition.segments.iter().find(partly).unwrap_or(partition.active());
    LogPosition { segment: first.base, position: first.in_file() }
}

/// The tail as carry entries, if a frame up to `through` is still needed for it.
fn carries(partition: &Partition, through: FrameSequence) -> Vec<Entry<Vec<Bytes>>> {
    let in_file = file_end(partition);
    if !partition.marks.iter().any(|mark| mark.frame <= through && mark.end > in_file) {
        return Vec::new();
    }
    let mut next_offset = partition.ends.log_end_offset;
    let mut carries = Vec::new();
    for segment in partition.segments.iter().rev() {
        if segment.in_file() < segment.length() {
            let span = Span {
                key: partition.key,
                segment: segment.base,
                position: Position(segment.file.written),
                base_offset: segment.base,
                next_offset,
            };
            carries.push(Entry::Carry {
                span,
                payload: segment.tail.view(segment.file.written, segment.length()),
            });
        }
        next_offset = segment.base;
    }
    carries.reverse();
    carries
}

/// All bytes that are in no file are now in `frame` as well; older frames are no longer needed for them.
fn carried_to(partition: &mut Partition, frame: FrameSequence) {
    partition.marks.clear();
    partition.mark(frame);
}
