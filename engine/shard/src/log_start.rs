//! Where a log begins: moved up by retention and by DeleteRecords, first in the journal, then for readers, then on disk.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, Position};
use millrace_core::journal::{APPEND_HEAD_BYTES, Entry, Purpose};

use crate::api::{DeleteRecordsAsk, DeleteRecordsError, Planted};
use crate::gathering::over_the_mesh;
use crate::layout::{index_file, segment_file};
use crate::partition::{Partition, PartitionRef, SealedStart};
use crate::segment::Segment;
use crate::shard::{Core, Shard};

/// A roll and a new start.
const ENTRIES_BYTES_MAX: usize = 2 * APPEND_HEAD_BYTES;
/// Room in the journal comes with a write or a cleaning; only the former always wakes those who wait.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// Whether the active segment ends before the log's start moves to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActiveSegment {
    Stays,
    Rolls,
}

impl Shard {
    /// Lets logs begin at later offsets; each result, the log's start, in the order of the asks. Answered when no crash
    /// can bring a deleted record back.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn delete_records(
        &self,
        asks: Vec<DeleteRecordsAsk>,
    ) -> Vec<Result<Offset, DeleteRecordsError>> {
        let own = async |core: &Rc<Core>, asks: Vec<DeleteRecordsAsk>| core.delete_records(asks).await;
        self.gather(&asks, |ask| ask.key, own, over_the_mesh!(DeleteRecords, LogStarts)).await
    }
}

impl Core {
    pub(crate) async fn delete_records(
        self: &Rc<Core>,
        asks: Vec<DeleteRecordsAsk>,
    ) -> Vec<Result<Offset, DeleteRecordsError>> {
        let mut starts = Vec::with_capacity(asks.len());
        for ask in asks {
            starts.push(self.delete_records_of(ask).await);
        }
        starts
    }

    async fn delete_records_of(self: &Rc<Core>, ask: DeleteRecordsAsk) -> Result<Offset, DeleteRecordsError> {
        let partition = self.table.get(ask.key).ok_or(DeleteRecordsError::UnknownPartition)?;
        let to = {
            let partition = partition.borrow();
            if partition.config.compact && !partition.config.delete {
                return Err(DeleteRecordsError::OnlyCompacted);
            }
            let to = ask.before.unwrap_or(partition.high_watermark);
            if to < Offset::ZERO || to > partition.high_watermark {
                return Err(DeleteRecordsError::OffsetOutOfRange);
            }
            to
        };
        self.start_log_at(&partition, to, ActiveSegment::Stays).await;
        let partition = partition.borrow();
        if partition.removed { Err(DeleteRecordsError::UnknownPartition) } else { Ok(partition.log_start) }
    }

    /// Moves the log's start up to `to`, which no reader's high watermark lies below. Returns once that survives a power
    /// loss; only then do readers see it, and only then do files go.
    ///
    /// Dropping the future leaves a start that is journaled and that readers see after the next one, or after a restart.
    pub(crate) async fn start_log_at(
        self: &Rc<Core>,
        partition: &PartitionRef,
        to: Offset,
        active: ActiveSegment,
    ) {
        let sealed = loop {
            if partition.borrow().removed {
                return;
            }
            let sealed = partition.borrow().sealed_start;
            if partition.borrow().has_sealed(to, active) {
                break sealed;
            }
            if self.commit.room(Purpose::Append) >= ENTRIES_BYTES_MAX
                && let Some(sealed) = self.seal_start(partition, to, active)
            {
                break sealed;
            }
            millrace_rt::timeout(ROOM_WAIT, self.commit.hardened.wait()).await;
        };
        self.commit.until_hard(sealed.frame).await;
        // A write under way may be making a file that is about to go.
        while partition.borrow().writes_what_goes() {
            self.flusher.wrote.wait().await;
        }
        let gone = partition.borrow_mut().begin_at(to, sealed.first_segment);
        if partition.borrow().removed {
            return;
        }
        let freed: usize = gone.iter().map(|segment| segment.tail.memory_bytes()).sum();
        self.tails_shrank(freed);
        self.counters.segments_deleted.add(gone.len() as u64);
        self.counters.segment_deleted_bytes.add(gone.iter().map(Segment::length).sum());
        self.doom_segments(partition, gone).await;
    }

    /// One step without a wait: the partition, the journal and what a checkpoint would say stay in agreement.
    fn seal_start(&self, shared: &PartitionRef, to: Offset, active: ActiveSegment) -> Option<SealedStart> {
        let mut partition = shared.borrow_mut();
        let key = partition.key;
        let mut entries: Vec<Entry<Vec<Bytes>>> = Vec::with_capacity(2);
        let rolls = partition.rolls_at(to, active);
        if rolls && partition.active().staged > 0 {
            return None;
        }
        if rolls {
            let previous_length = Position(partition.active().length());
            entries.push(Entry::Roll { key, segment: to, previous_length });
        }
        // One that was sealed meanwhile may lie behind this one, whose segments are yet to go.
        let offset = to.max(partition.sealed_start.offset);
        entries.push(Entry::LogStart { key, offset });
        let frame = match self.engine.planted {
            Some(Planted::ForgetsLogStarts) => self.commit.sealed_sequence(),
            _ => self.commit.seal_upkeep(&entries)?,
        };
        if rolls {
            partition.roll();
            self.unreleased.note(shared, &mut partition);
        }
        let first_segment = partition.first_staying(offset);
        partition.sealed_start = SealedStart { offset, first_segment, frame };
        Some(partition.sealed_start)
    }

    async fn doom_segments(&self, partition: &PartitionRef, gone: Vec<Segment>) {
        let dir = self.files.partition_dir(partition);
        let delay = partition.borrow().config.file_delete_delay_ms;
        let delay = Duration::from_millis(u64::try_from(delay).unwrap_or(0));
        for segment in gone.into_iter().filter(|segment| segment.exists) {
            // The log goes first: what is left after a crash is an index of nothing.
            self.doom(segment_file(&dir, segment.base), delay).await;
            self.doom(index_file(&dir, segment.base), delay).await;
        }
    }
}

impl Partition {
    /// The base of the first segment that does not lie wholly below `start`; the active one never does.
    pub(crate) fn first_staying(&self, start: Offset) -> Offset {
        let below = self.segments.iter().skip(1).take_while(|next| next.base <= start).last();
        below.or(self.segments.first()).map_or(start, |segment| segment.base)
    }

    /// Whether the journal already says all that a start at `to` means.
    fn has_sealed(&self, to: Offset, active: ActiveSegment) -> bool {
        let sealed = self.sealed_start;
        sealed.offset >= to && sealed.first_segment >= self.first_staying(to) && !self.rolls_at(to, active)
    }

    /// Whether the active segment ends, so that it can go: all of it lies below `to`.
    fn rolls_at(&self, to: Offset, active: ActiveSegment) -> bool {
        active == ActiveSegment::Rolls && to == self.log_end && self.active().length() > 0
    }

    /// Whether the journal says that this segment is no part of the log any more.
    pub(crate) fn is_going(&self, base: Offset) -> bool {
        base < self.sealed_start.first_segment
    }

    fn writes_what_goes(&self) -> bool {
        self.segments.iter().any(|segment| segment.writing && self.is_going(segment.base))
    }

    /// Lets readers see a start whose frame is hard, and takes out what lies below. Every frame before the newest sealed
    /// start's may be hard or not: what that one takes out goes with it, not before.
    fn begin_at(&mut self, start: Offset, first_segment: Offset) -> Vec<Segment> {
        assert!(start <= self.high_watermark, "only what readers could see is deleted");
        if start > self.log_start {
            self.log_start = start;
            self.epochs.truncate_from_start(start);
        }
        let gone = self.segments.partition_point(|segment| segment.base < first_segment);
        let gone = self.segments.drain(..gone).collect();
        self.forget_released_marks();
        gone
    }
}
