//! Extents: bulk data that are written once. The bytes go to their segment in one hardened write; once they are there, an
//! entry in the journal makes them a part of the log.
//!
//! Until then they are staged: in memory behind the log's end, where neither readers nor checkpoints look. A crash before
//! the entry leaves bytes in the file that nobody was told of; the next start cuts them off.

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
use crate::commit::extent_lines::{Staged, Verdict};
use crate::commit::pending_append::Job;
use crate::commit::queue::Commit;
use crate::counters::Counters;
use crate::device::fatal::Fatal;
use crate::device::planted::PlantedFault;
use crate::device::space::Space;
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::TailFlusher;
use crate::flush::tail_flusher::{begin_writing, padded_block};
use crate::partition::state::{Partition, PartitionRef};
use crate::partition::tail::{Growth, block_floor};
use crate::partition::tail_memory::TailMemory;

/// The longest extent: a longer one gains no throughput and delays the answers of the first appends in it.
const EXTENT_BYTES_MAX: u64 = 1024 * 1024;
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
            let waiting = || self.commit.bulks.waiting_bytes(key).min(EXTENT_BYTES_MAX);
            self.commit.classes.bulk_turn(waiting).await;
            while !self.flusher.has_tail_room() {
                self.counters.tail_waits.increment();
                self.commit.work.wait().await;
            }
            let base = shared.borrow().active().base;
            // A flush that pads the last block knows nothing of what is staged behind it later.
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
            let staged = self.goes_on(&shared, base, now).then(|| self.stage(&shared, now));
            let is_hard = match &staged {
                Some(staged) if !staged.is_empty() => self.harden(staged).await,
                _ => false,
            };
            self.flusher.end_writing(&shared, base);
            let Some(mut staged) = staged else { return };
            staged.is_hard = is_hard;
            self.commit.bulks.written.borrow_mut().push_back(staged);
            self.commit.work.notify_all();
            while shared.borrow().active().staged > 0 {
                self.commit.bulks.entered.wait().await;
            }
        }
    }

    /// Puts what waits in line behind the log's end.
    fn stage(&self, shared: &PartitionRef, now: TimestampMs) -> Staged {
        let mut partition = shared.borrow_mut();
        let bulks = &self.commit.bulks;
        let mut producers = bulks.with_line(partition.key, |line| producers_of(&partition, line));
        let base_offset = partition.log_end;
        let mut staged = Staged {
            partition: Rc::clone(shared),
            segment: partition.active().base,
            from: partition.active().written,
            to: 0,
            end: 0,
            last_block: None,
            is_hard: false,
            appends: VecDeque::new(),
            headers: Vec::new(),
            base_offset,
            next_offset: base_offset,
            taken: 0,
            taken_bytes: 0,
            at: now,
        };
        let memory = partition.active().tail.memory_bytes();
        while partition.active().staged < EXTENT_BYTES_MAX && staged.headers.len() < HEADERS_BYTES_MAX {
            let end = (partition.active().tail.end(), staged.next_offset);
            let next = bulks.with_line(partition.key, |line| {
                line.pop_front_if(|job| !must_roll(&partition, job, end, now))
            });
            let Some(mut job) = next else { break };
            staged.taken += 1;
            staged.taken_bytes += job.records.len();
            let verdict = ProducerBatch::of(&job.batch.header).map(|batch| producers.check(&batch));
            match verdict {
                Some(ProducerVerdict::Rejected(fault)) => job.refuse(fault.into()),
                Some(ProducerVerdict::Duplicate(earlier)) => {
                    staged.appends.push_back((job, Verdict::Duplicate(earlier)));
                }
                None | Some(ProducerVerdict::Fresh) => {
                    let appended = job.appended_at(staged.next_offset);
                    if appended.has_producer() {
                        producers.record(&appended, appended.base_offset, now);
                    }
                    let position = Position(partition.active().tail.end());
                    let header = stage(&mut partition, &mut job, staged.next_offset, self.tails.growth());
                    staged.headers.extend_from_slice(&header);
                    staged.next_offset = appended.next_offset();
                    staged.appends.push_back((job, Verdict::Stands(appended, position)));
                }
            }
        }
        let tail = &partition.active().tail;
        (staged.to, staged.end) = (block_floor(tail.end()), tail.end());
        if staged.end > staged.to {
            staged.last_block = Some(padded_block(&tail.view(staged.to, staged.end)));
        }
        self.tails.grew(partition.active().tail.memory_bytes() - memory);
        staged
    }

    /// Writes what is staged, the last block padded; whether it survives a power loss now. Not where the disk is full, or the
    /// topic deleted; any other error ends the process.
    async fn harden(&self, staged: &Staged) -> bool {
        let _under_way = self.commit.classes.bulk(staged.end - staged.from);
        match self.write_staged(staged).await {
            Ok(()) => true,
            Err(_) if staged.partition.borrow().removed => false,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::warn!(base = %staged.segment, "the disk is full; what was to be written once goes to the journal");
                false
            }
            Err(error) => self.fatal.end(format!("a segment write failed: {error}")).await,
        }
    }

    async fn write_staged(&self, staged: &Staged) -> io::Result<()> {
        let (shared, base) = (&staged.partition, staged.segment);
        if shared.borrow().removed {
            // Its directory may be another topic's by now.
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = self.flusher.file_to_write(shared, base).await?;
        let sync = match self.planted.get() {
            Some(Planted::TrustsSoftExtents) => Sync::None,
            _ => Sync::Dsync,
        };
        let mut at = staged.from;
        while at < staged.end {
            let mut pieces: Vec<Bytes> = {
                let mut partition = shared.borrow_mut();
                match partition.segment_mut(base) {
                    Some(segment) if !segment.tail.is_empty() => segment.tail.view(at, staged.to),
                    _ => return Err(io::ErrorKind::NotFound.into()),
                }
            };
            pieces.extend(staged.last_block.clone());
            // The device is not to wait for the end of the turn.
            let written = file.begin_write_at(at, pieces, sync).await? as u64;
            self.counters.segment_writes.increment();
            self.counters.segment_bytes.add(written);
            if block_floor(written) == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            at += block_floor(written);
        }
        self.link(shared, base).await
    }

    /// Hardens that the segment has a file.
    async fn link(&self, shared: &PartitionRef, base: Offset) -> io::Result<()> {
        if shared.borrow_mut().segment_mut(base).is_none_or(|segment| segment.linked) {
            return Ok(());
        }
        // The directory before what is in it: one of the same name may have made way.
        fs::sync_dir(&self.files.layout().topics()).await?;
        fs::sync_dir(&self.files.partition_dir(shared)).await?;
        if let Some(segment) = shared.borrow_mut().segment_mut(base) {
            segment.linked = true;
        }
        Ok(())
    }

    /// Makes written extents a part of their logs, in a frame that has `room`. Answers how many.
    pub(crate) fn enter_extents(&self, room: usize, applied: &mut Applied) -> usize {
        let mut entered = 0;
        loop {
            let left = room.saturating_sub(applied.sealed_bytes);
            let next = {
                let mut written = self.commit.bulks.written.borrow_mut();
                written.pop_front_if(|staged| staged.sealed_bytes_max() <= left)
            };
            let Some(staged) = next else { break };
            self.enter(staged, applied);
            entered += 1;
        }
        if entered > 0 {
            self.commit.bulks.entered.notify_all();
        }
        entered
    }

    /// Makes the first append of what the disk had no room for a part of the log as if it had waited for the journal.
    fn enter_first(&self, mut staged: Staged, applied: &mut Applied) {
        if let Some((job, verdict)) = staged.appends.pop_front() {
            let mut partition = staged.partition.borrow_mut();
            if let Verdict::Stands(appended, position) = verdict {
                let size = appended.size() as u64;
                let active = partition.active_mut();
                active.staged -= size;
                let bytes = active.tail.view(position.0, position.0 + size).concat();
                let (key, segment) = (partition.key, staged.segment);
                let (base_offset, next_offset) = (appended.base_offset, appended.next_offset());
                let span = Span { key, segment, position, base_offset, next_offset };
                applied.enter(Entry::Append { span, payload: Stored::Bytes(bytes) });
            }
            self.note_entered(&mut partition, &job, &verdict, staged.at, applied);
            self.applier.note_grown(&staged.partition, &mut partition);
        }
        if staged.appends.is_empty() {
            self.commit.bulks.left(&staged);
        } else {
            self.commit.bulks.written.borrow_mut().push_front(staged);
        }
    }

    /// What becomes of an append as it enters the log.
    fn note_entered(
        &self,
        partition: &mut Partition,
        job: &Job,
        verdict: &Verdict,
        at: TimestampMs,
        applied: &mut Applied,
    ) {
        match verdict {
            Verdict::Duplicate(earlier) => {
                applied.effects.push(job.effect(partition, earlier.base_offset(), earlier.timestamp));
            }
            Verdict::Stands(appended, position) => {
                partition.note_appended(appended, *position, at);
                if appended.has_producer() {
                    partition.producers.record(appended, appended.base_offset, at);
                }
                self.applier.count_in(partition, job);
                applied.effects.push(job.effect(
                    partition,
                    appended.base_offset,
                    job.batch.log_append_time(),
                ));
            }
        }
    }

    fn enter(&self, staged: Staged, applied: &mut Applied) {
        if !staged.is_hard && !staged.is_empty() && !staged.partition.borrow().removed {
            return self.enter_first(staged, applied);
        }
        self.commit.bulks.left(&staged);
        let Staged { partition: shared, segment: base, from, to, end, .. } = staged;
        let mut partition = shared.borrow_mut();
        partition.active_mut().staged = 0;
        if partition.removed {
            staged.appends.iter().for_each(|(job, _)| job.refuse(AppendError::UnknownPartition));
            return;
        }
        for (job, verdict) in &staged.appends {
            self.note_entered(&mut partition, job, verdict, staged.at, applied);
        }
        if staged.headers.is_empty() {
            return;
        }
        let key = partition.key;
        let active = partition.active_mut();
        let before = active.written;
        active.written = before.max(to);
        if end > to {
            active.padded = end;
        }
        if active.released >= from {
            active.released = active.released.max(end);
        }
        let (position, base_offset, next_offset) = (Position(from), staged.base_offset, staged.next_offset);
        applied.enter(Entry::Extent {
            span: Span { key, segment: base, position, base_offset, next_offset },
            length: end - from,
            header_bytes: staged.headers.len() as u32,
            payload: Stored::Bytes(staged.headers),
        });
        self.counters.extents.increment();
        self.counters.extent_bytes.add(end - from);
        self.applier.note_grown(&shared, &mut partition);
        drop(partition);
        self.tails.note_written(&shared, base, before);
    }
}

/// The windows of those producers whose appends stand in line.
fn producers_of(partition: &Partition, line: &VecDeque<Job>) -> ProducerWindows {
    let numbered = line.iter().map(|job| &job.batch.header).filter(|header| header.has_producer());
    partition.producers.only(numbered.map(|header| header.producer_id))
}

/// Copies the batch behind what stands in the tail, as it is to be in the log; answers its header.
fn stage(partition: &mut Partition, job: &mut Job, base_offset: Offset, growth: Growth) -> HeaderBytes {
    let (header, body) = job.stamp(base_offset, partition.leader_epoch);
    let active = partition.active_mut();
    active.tail.append(&header, growth);
    active.tail.append(&body, growth);
    active.staged += (header.len() + body.len()) as u64;
    header
}
