//! Extents: data of partitions that bring much, written once. The bytes go to their segment in one hardened
//! write; once they are there, an entry in the journal makes them a part of the log.
//!
//! Until then an extent stands in memory behind the log's end, where neither readers nor checkpoints look. A
//! crash before the entry leaves bytes in the file that nobody was told of; the next start cuts them off.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, Position, TimestampMs};
use millrace_core::journal::{Entry, Span};
use millrace_core::log::batch::HeaderBytes;
use millrace_core::log::{ProducerBatch, ProducerVerdict, ProducerWindows};
use millrace_rt::{Sync, fs};

use crate::api::{AppendError, Planted};
use crate::append::apply::{Applied, Applier, Stored, must_roll};
use crate::commit::extents::{AppendFate, Extent, ExtentRange, Taken};
use crate::commit::pending_append::PendingAppend;
use crate::commit::queue::Commit;
use crate::counters::Counters;
use crate::device::fatal::Fatal;
use crate::device::planted::PlantedFault;
use crate::device::space::Space;
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::TailFlusher;
use crate::flush::tail_flusher::{begin_writing, padded_block};
use crate::partition::segment::FileState;
use crate::partition::state::{Life, Partition, PartitionRef};
use crate::partition::tail::{Growth, block_floor};
use crate::partition::tail_memory::TailMemory;

/// The longest extent: a longer one gains no throughput and delays the responses of the first appends in it.
const EXTENT_BYTES_MAX: u64 = 1024 * 1024;
/// Smaller appends stay with the journal: many share a frame. Hardened writes of 64 KiB to thousands of
/// files, some of them at once, go at two thirds of the device's speed;
/// the journal and a flush of the same would take two writes.
pub(crate) const APPEND_BYTES_MIN: usize = 32 * 1024;
/// What must have come during the write of an extent for another to follow.
const GO_ON_BYTES_MIN: u64 = APPEND_BYTES_MIN as u64;
/// A frame must have room for the headers of an extent's batches, however small these are.
const HEADERS_BYTES_MAX: usize = 64 * 1024;

/// Writes extents of one shard's partitions.
pub(crate) struct ExtentWriter {
    pub(crate) commit: Rc<Commit>,
    pub(crate) applier: Rc<Applier>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) tails: Rc<TailMemory>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) space: Rc<Space>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) planted: PlantedFault,
    pub(crate) fatal: Fatal,
}

impl ExtentWriter {
    /// Writes a partition's appends to its segment, extent by extent, until too few wait to be worth it.
    pub(crate) async fn write_extents(self: Rc<Self>, shared: PartitionRef) {
        let key = shared.borrow().key;
        loop {
            let waiting = || self.commit.extents.waiting_bytes(key).min(EXTENT_BYTES_MAX);
            self.commit.classes.extent_turn(waiting).await;
            while !self.flusher.has_tail_room() {
                self.counters.tails.tail_waits.increment();
                self.commit.signals.work.wait().await;
            }
            let base = shared.borrow().active().base;
            // A flush that pads the last block knows nothing of an extent that is put behind it later.
            while !begin_writing(&shared, base) {
                // A flush that waits for space may wait long; the journal has room.
                if self.space.is_short()
                    && !self.goes_on(&shared, base, TimestampMs(millrace_rt::wall_now_ms()))
                {
                    return;
                }
                self.flusher.queue.wrote.wait().await;
            }
            let now = TimestampMs(millrace_rt::wall_now_ms());
            let extent = self.goes_on(&shared, base, now).then(|| self.build(&shared, now));
            let is_hard = match &extent {
                Some(extent) if !extent.is_empty() => self.harden(extent).await,
                _ => false,
            };
            self.flusher.end_writing(&shared, base);
            let Some(mut extent) = extent else { return };
            extent.is_hard = is_hard;
            self.commit.extents.written.borrow_mut().push_back(extent);
            self.commit.signals.work.notify_all();
            while shared.borrow().active().extent_bytes > 0 {
                self.commit.extents.entered.wait().await;
            }
        }
    }

    /// Whether the partition has enough in line for another extent, of this segment;
    /// if not its appends go to the journal again.
    pub(crate) fn goes_on(&self, shared: &PartitionRef, active: Offset, now: TimestampMs) -> bool {
        let mut partition = shared.borrow_mut();
        let extents = &self.commit.extents;
        let comes = extents.waiting_bytes(partition.key) >= GO_ON_BYTES_MIN && !self.space.is_short();
        let goes_on = comes
            && extents.with_line(partition.key, |line| {
                let may_take_extent =
                    |pending| partition.active().base == active && may_take_extent(&partition, pending, now);
                line.front().is_some_and(may_take_extent)
            });
        if goes_on {
            return true;
        }
        partition.lines.writes_extents = false;
        for pending in extents.end(partition.key) {
            partition.lines.queued_bytes += pending.records.len();
            self.commit.enqueue(pending);
        }
        // A task that waits for the shard to be idle looks again.
        self.commit.signals.hardened.notify_all();
        false
    }

    /// Puts what waits in line behind the log's end.
    fn build(&self, shared: &PartitionRef, now: TimestampMs) -> Extent {
        let mut partition = shared.borrow_mut();
        let extents = &self.commit.extents;
        let mut producers = extents.with_line(partition.key, |line| producers_of(&partition, line));
        let base_offset = partition.ends.log_end_offset;
        let mut extent = Extent {
            partition: Rc::clone(shared),
            segment: partition.active().base,
            range: ExtentRange { from: partition.active().file.written, to: 0, end: 0 },
            last_block: None,
            is_hard: false,
            appends: VecDeque::new(),
            headers: Vec::new(),
            base_offset,
            next_offset: base_offset,
            taken: Taken::default(),
            at: now,
        };
        let memory = partition.active().tail.memory_bytes();
        while partition.active().extent_bytes < EXTENT_BYTES_MAX && extent.headers.len() < HEADERS_BYTES_MAX {
            let end = (partition.active().tail.end(), extent.next_offset);
            let next = extents.with_line(partition.key, |line| {
                line.pop_front_if(|pending| !must_roll(&partition, pending, end, now))
            });
            let Some(mut pending) = next else { break };
            extent.taken.appends += 1;
            extent.taken.bytes += pending.records.len();
            let verdict = ProducerBatch::of(&pending.batch.header).map(|batch| producers.check(&batch));
            match verdict {
                Some(ProducerVerdict::Rejected(fault)) => pending.refuse(fault.into()),
                Some(ProducerVerdict::Duplicate(earlier)) => {
                    extent.appends.push_back((pending, AppendFate::Duplicate(earlier)));
                }
                None | Some(ProducerVerdict::Fresh) => {
                    let appended = pending.appended_at(extent.next_offset);
                    if appended.has_producer() {
                        producers.record(&appended, appended.base_offset, now);
                    }
                    let position = Position(partition.active().tail.end());
                    let header = copy_behind_end(
                        &mut partition,
                        &mut pending,
                        extent.next_offset,
                        self.tails.growth(),
                    );
                    extent.headers.extend_from_slice(&header);
                    extent.next_offset = appended.next_offset();
                    extent.appends.push_back((pending, AppendFate::Stands(appended, position)));
                }
            }
        }
        let tail = &partition.active().tail;
        (extent.range.to, extent.range.end) = (block_floor(tail.end()), tail.end());
        if extent.range.end > extent.range.to {
            extent.last_block = Some(padded_block(&tail.view(extent.range.to, extent.range.end)));
        }
        self.tails.grew(partition.active().tail.memory_bytes() - memory);
        extent
    }

    /// Writes an extent, its last block padded; returns whether it survives a power loss now. Not where the
    /// disk is full, or the topic deleted; any other error ends the process.
    async fn harden(&self, extent: &Extent) -> bool {
        let _under_way = self.commit.classes.extent(extent.range.end - extent.range.from);
        match self.write_extent(extent).await {
            Ok(()) => true,
            Err(_) if extent.partition.borrow().is_removed() => false,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::warn!(base = %extent.segment, "the disk is full; what was to be written once goes to the journal");
                false
            }
            Err(error) => self.fatal.end(format!("a segment write failed: {error}")).await,
        }
    }

    async fn write_extent(&self, extent: &Extent) -> io::Result<()> {
        let (shared, base) = (&extent.partition, extent.segment);
        if shared.borrow().is_removed() {
            // Its directory may be another topic's by now.
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = self.flusher.file_to_write(shared, base).await?;
        let sync = match self.planted.get() {
            Some(Planted::TrustsSoftExtents) => Sync::None,
            _ => Sync::Dsync,
        };
        let mut at = extent.range.from;
        while at < extent.range.end {
            let mut pieces: Vec<Bytes> = {
                let mut partition = shared.borrow_mut();
                match partition.segment_mut(base) {
                    Some(segment) if !segment.tail.is_empty() => segment.tail.view(at, extent.range.to),
                    _ => return Err(io::ErrorKind::NotFound.into()),
                }
            };
            pieces.extend(extent.last_block.clone());
            // The device is not to wait for the end of the turn.
            let written = file.begin_write_at(at, pieces, sync).await? as u64;
            self.counters.segments.segment_writes.increment();
            self.counters.segments.segment_bytes.add(written);
            if block_floor(written) == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            at += block_floor(written);
        }
        self.link(shared, base).await
    }

    /// Hardens that the segment has a file.
    async fn link(&self, shared: &PartitionRef, base: Offset) -> io::Result<()> {
        if shared.borrow_mut().segment_mut(base).is_none_or(|segment| segment.is_linked()) {
            return Ok(());
        }
        // The directory before what is in it: one of the same name may have made way.
        fs::sync_dir(&self.files.layout().topics()).await?;
        fs::sync_dir(&self.files.partition_dir(shared)).await?;
        if let Some(segment) = shared.borrow_mut().segment_mut(base) {
            segment.file_is(FileState::Linked);
        }
        Ok(())
    }

    /// Makes written extents a part of their logs, in a frame that has `room`. Returns how many.
    pub(crate) fn enter_extents(&self, room: usize, applied: &mut Applied) -> usize {
        let mut entered = 0;
        loop {
            let left = room.saturating_sub(applied.sealed_bytes);
            let next = {
                let mut written = self.commit.extents.written.borrow_mut();
                written.pop_front_if(|extent| extent.sealed_bytes_max() <= left)
            };
            let Some(extent) = next else { break };
            self.enter(extent, applied);
            entered += 1;
        }
        if entered > 0 {
            self.commit.extents.entered.notify_all();
        }
        entered
    }

    /// Makes the first append of what the disk had no room for a part of the log as if it had waited for the
    /// journal.
    fn enter_first(&self, mut extent: Extent, applied: &mut Applied) {
        if let Some((pending, verdict)) = extent.appends.pop_front() {
            let mut partition = extent.partition.borrow_mut();
            if let AppendFate::Stands(appended, position) = verdict {
                let size = appended.size() as u64;
                let active = partition.active_mut();
                active.extent_bytes -= size;
                let bytes = active.tail.view(position.0, position.0 + size).concat();
                let (key, segment) = (partition.key, extent.segment);
                let (base_offset, next_offset) = (appended.base_offset, appended.next_offset());
                let span = Span { key, segment, position, base_offset, next_offset };
                applied.enter(Entry::Append { span, payload: Stored::Bytes(bytes) });
            }
            self.note_entered(&mut partition, &pending, &verdict, extent.at, applied);
            self.applier.note_grown(&extent.partition, &mut partition);
        }
        if extent.appends.is_empty() {
            self.commit.extents.left(&extent);
        } else {
            self.commit.extents.written.borrow_mut().push_front(extent);
        }
    }

    /// What becomes of an append as it enters the log.
    fn note_entered(
        &self,
        partition: &mut Partition,
        pending: &PendingAppend,
        verdict: &AppendFate,
        at: TimestampMs,
        applied: &mut Applied,
    ) {
        match verdict {
            AppendFate::Duplicate(earlier) => {
                applied.completions.push(pending.completion(
                    partition,
                    earlier.base_offset(),
                    earlier.timestamp,
                ));
            }
            AppendFate::Stands(appended, position) => {
                partition.note_appended(appended, *position, at);
                if appended.has_producer() {
                    partition.history.producers.record(appended, appended.base_offset, at);
                }
                self.applier.count_in(partition, pending);
                applied.completions.push(pending.completion(
                    partition,
                    appended.base_offset,
                    pending.batch.log_append_time(),
                ));
            }
        }
    }

    fn enter(&self, extent: Extent, applied: &mut Applied) {
        if !extent.is_hard && !extent.is_empty() && !extent.partition.borrow().is_removed() {
            return self.enter_first(extent, applied);
        }
        self.commit.extents.left(&extent);
        let Extent { partition: shared, segment: base, range, .. } = extent;
        let ExtentRange { from, to, end } = range;
        let mut partition = shared.borrow_mut();
        partition.active_mut().extent_bytes = 0;
        if partition.is_removed() {
            extent.appends.iter().for_each(|(pending, _)| pending.refuse(AppendError::UnknownPartition));
            return;
        }
        for (pending, verdict) in &extent.appends {
            self.note_entered(&mut partition, pending, verdict, extent.at, applied);
        }
        if extent.headers.is_empty() {
            return;
        }
        let key = partition.key;
        let active = partition.active_mut();
        let before = active.file.written;
        active.file.written = before.max(to);
        if end > to {
            active.file.padded = end;
        }
        if active.file.released >= from {
            active.file.released = active.file.released.max(end);
        }
        let (position, base_offset, next_offset) = (Position(from), extent.base_offset, extent.next_offset);
        applied.enter(Entry::Extent {
            span: Span { key, segment: base, position, base_offset, next_offset },
            length: end - from,
            header_bytes: extent.headers.len() as u32,
            payload: Stored::Bytes(extent.headers),
        });
        partition.check();
        self.counters.segments.extents.increment();
        self.counters.segments.extent_bytes.add(end - from);
        self.applier.note_grown(&shared, &mut partition);
        drop(partition);
        self.tails.note_written(&shared, base, before);
    }
}

/// The windows of those producers whose appends stand in line.
fn producers_of(partition: &Partition, line: &VecDeque<PendingAppend>) -> ProducerWindows {
    let numbered = line.iter().map(|pending| &pending.batch.header).filter(|header| header.has_producer());
    partition.history.producers.only(numbered.map(|header| header.producer_id))
}

/// Copies the batch behind what stands in the tail, as it is to be in the log; returns its header.
fn copy_behind_end(
    partition: &mut Partition,
    pending: &mut PendingAppend,
    base_offset: Offset,
    growth: Growth,
) -> HeaderBytes {
    let (header, body) = pending.stamp(base_offset, partition.history.leader_epoch);
    let active = partition.active_mut();
    active.tail.append(&header, growth);
    active.tail.append(&body, growth);
    active.extent_bytes += (header.len() + body.len()) as u64;
    header
}

/// Whether the append can stand behind the log's end before a frame says so: it needs no roll, and the
/// partial last block is in memory.
pub(crate) fn may_take_extent(partition: &Partition, pending: &PendingAppend, now: TimestampMs) -> bool {
    let is_open =
        !matches!(partition.life, Life::Removed | Life::Unreadable) && !partition.active().needs_last_block();
    is_open
        && !must_roll(partition, pending, (partition.active().length(), partition.ends.log_end_offset), now)
}
