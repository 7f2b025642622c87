//! What happens to a partition when an append is applied: its offsets, its place in the tail,
//! its entry in a frame.

use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, Position, TimestampMs};
use millrace_core::journal::{Entry, Payload, Span};
use millrace_core::log::batch::HeaderBytes;
use millrace_core::log::segments::{self, NextAppend, RollRules, SegmentAge, should_roll};
use millrace_core::log::{ProducerBatch, ProducerVerdict};

use crate::api::AppendError;
use crate::append::last_block::LastBlocks;
use crate::commit::pending_append::{Completion, PendingAppend, Served};
use crate::counters::Counters;
use crate::flush::tail_flusher::TailFlusher;
use crate::partition::rolled::RolledPartitions;
use crate::partition::state::{Partition, PartitionRef};
use crate::partition::tail::Growth;
use crate::partition::tail_memory::TailMemory;
use crate::partition::unreleased::Unreleased;

/// What the appends of one frame amount to.
pub(crate) struct Applied {
    pub(crate) entries: Vec<Entry<Stored>>,
    /// What the entries take of the frame.
    pub(crate) sealed_bytes: usize,
    pub(crate) fills: Vec<Fill>,
    /// What happens once the frame is durable; for retries once the one before it is.
    pub(crate) completions: Vec<Completion>,
}

/// An append whose place in the tail is reserved and not filled.
pub(crate) struct Fill {
    partition: PartitionRef,
    /// Its place among the entries.
    entry: usize,
}

impl Applied {
    pub(crate) fn with_capacity(appends: usize) -> Applied {
        Applied {
            entries: Vec::with_capacity(appends),
            sealed_bytes: 0,
            fills: Vec::with_capacity(appends),
            completions: Vec::with_capacity(appends),
        }
    }

    pub(crate) fn enter(&mut self, entry: Entry<Stored>) {
        self.sealed_bytes += entry.sealed_bytes();
        self.entries.push(entry);
    }
}

/// What a frame gets of an append.
pub(crate) enum Stored {
    /// A batch as it stands in the log: the header with its offsets, and the rest as the client sent it.
    Batch(HeaderBytes, Bytes),
    /// Headers of the batches that an extent has in the segment file; or a batch that found no room there.
    Bytes(Vec<u8>),
}

impl Payload for Stored {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        match self {
            Stored::Batch(header, body) => [header.as_slice(), body].into_iter(),
            Stored::Bytes(bytes) => [bytes.as_slice(), &[]].into_iter(),
        }
    }
}

/// Applies appends to the partitions of one shard.
pub(crate) struct Applier {
    pub(crate) tails: Rc<TailMemory>,
    pub(crate) unreleased: Rc<Unreleased>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) rolled: Rc<RolledPartitions>,
    pub(crate) last_blocks: Rc<LastBlocks>,
    pub(crate) counters: Rc<Counters>,
}

impl Applier {
    /// Gives a queued append its offsets and puts it into the log's tail.
    pub(crate) fn apply(
        &self,
        pending: &mut PendingAppend,
        now: TimestampMs,
        applied: &mut Applied,
    ) -> Served {
        let shared = Rc::clone(&pending.partition);
        let mut partition = shared.borrow_mut();
        let bytes = pending.records.len();
        let served = self.apply_to(&mut partition, pending, now, applied);
        if served == Served::Done {
            partition.lines.queued_bytes -= bytes;
        }
        served
    }

    fn apply_to(
        &self,
        partition: &mut Partition,
        pending: &mut PendingAppend,
        now: TimestampMs,
        applied: &mut Applied,
    ) -> Served {
        if partition.is_removed() {
            pending.refuse(AppendError::UnknownPartition);
            return Served::Done;
        }
        if partition.take_unreadable() {
            pending.refuse(AppendError::Storage);
            return Served::Done;
        }
        if partition.active().needs_last_block() {
            self.last_blocks.resume(&pending.partition, partition);
            return Served::Blocked;
        }
        let verdict =
            ProducerBatch::of(&pending.batch.header).map(|batch| partition.history.producers.check(&batch));
        match verdict {
            None | Some(ProducerVerdict::Fresh) => {}
            Some(ProducerVerdict::Duplicate(earlier)) => {
                // Kafka answers a retry with the stored batch's time, whatever clock the topic uses.
                let completion = pending.completion(partition, earlier.base_offset(), earlier.timestamp);
                applied.completions.push(completion);
                return Served::Done;
            }
            Some(ProducerVerdict::Rejected(fault)) => {
                pending.refuse(fault.into());
                return Served::Done;
            }
        }
        let base_offset = partition.ends.log_end_offset;
        if must_roll(partition, pending, (partition.active().length(), base_offset), now) {
            let previous_length = Position(partition.active().length());
            partition.roll();
            self.counters.append.rolls.increment();
            self.rolled.note(&pending.partition);
            applied.enter(Entry::Roll { key: partition.key, segment: base_offset, previous_length });
        }
        let memory = partition.active().tail.memory_bytes();
        take_in(partition, pending, now, self.tails.growth(), applied);
        self.tails.grew(partition.active().tail.memory_bytes() - memory);
        self.note_grown(&pending.partition, partition);
        self.count_in(partition, pending);
        if pending.batch.header.has_producer() {
            partition.history.producers.record(&pending.appended_at(base_offset), base_offset, now);
        }
        let stamped = pending.batch.log_append_time();
        applied.completions.push(pending.completion(partition, base_offset, stamped));
        Served::Done
    }

    /// Copies what a frame holds to the places that were reserved for it in the tails.
    pub(crate) fn fill_tails(&self, entries: &[Entry<Stored>], fills: Vec<Fill>) {
        for Fill { partition, entry } in fills {
            let Some(Entry::Append { span, payload }) = entries.get(entry) else { continue };
            if let Some(segment) = partition.borrow_mut().segment_mut(span.segment) {
                payload.pieces().for_each(|piece| segment.tail.fill(piece));
            }
        }
    }

    /// The partition's log has more: the flusher and the cleaner of the journal will see to
    /// that.
    pub(crate) fn note_grown(&self, shared: &PartitionRef, partition: &mut Partition) {
        self.tails.note_dirty(shared, partition);
        self.unreleased.note(shared, partition);
        self.flusher.queue_flush(shared, partition);
    }

    pub(crate) fn count_in(&self, partition: &mut Partition, pending: &PendingAppend) {
        let bytes = pending.batch.size() as u64;
        let messages = u64::from(pending.batch.header.last_offset_delta.unsigned_abs()) + 1;
        self.counters.append.bytes_in.add(bytes);
        self.counters.append.messages_in.add(messages);
        partition.traffic.bytes_in += bytes;
        partition.traffic.messages_in += messages;
    }
}

/// Whether the batch begins a new segment where the active one ends at `end`; an empty one always takes it.
pub(crate) fn must_roll(
    partition: &Partition,
    pending: &PendingAppend,
    end: (u64, Offset),
    now: TimestampMs,
) -> bool {
    let active = partition.active();
    let (length, log_end) = end;
    let age = match active.age {
        Some(age) => age,
        None if length == 0 => return false,
        // Of an earlier run, which did not leave its age: it counts from now on.
        None => SegmentAge { created: now, first_timestamp: TimestampMs::NONE },
    };
    let segment = segments::Segment { base: active.base, size: length, max_timestamp: active.max_timestamp };
    let header = &pending.batch.header;
    let append = NextAppend {
        size: pending.batch.size() as u64,
        last_offset: log_end.plus(i64::from(header.last_offset_delta)),
        max_timestamp: pending.batch.max_timestamp,
    };
    let rules = RollRules {
        segment_bytes: u64::from(partition.config.segment_bytes.unsigned_abs()),
        segment_ms: partition.config.segment_ms_max(),
    };
    should_roll(&segment, age, append, &rules, now)
}

/// Writes offsets and epoch into the batch's header (outside its CRC), reserves its place in the tail and
/// moves the log's end. Its entry has the append's records with that header; `fill_tails` copies them.
fn take_in(
    partition: &mut Partition,
    pending: &mut PendingAppend,
    now: TimestampMs,
    growth: Growth,
    applied: &mut Applied,
) {
    let (header, body) = pending.stamp(partition.ends.log_end_offset, partition.history.leader_epoch);
    let appended = pending.appended_at(partition.ends.log_end_offset);
    let key = partition.key;
    let active = partition.active_mut();
    let (segment, position) = (active.base, Position(active.length()));
    let (base_offset, next_offset) = (appended.base_offset, appended.next_offset());
    let span = Span { key, segment, position, base_offset, next_offset };
    active.tail.reserve(body.len() + header.len(), growth);
    applied.fills.push(Fill { partition: Rc::clone(&pending.partition), entry: applied.entries.len() });
    applied.enter(Entry::Append { span, payload: Stored::Batch(header, body) });
    partition.note_appended(&appended, position, now);
}
