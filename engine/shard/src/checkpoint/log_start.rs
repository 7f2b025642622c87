//! Where a log begins: moved up by retention and by DeleteRecords, first in the journal,
//! then for readers, then on disk.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, Position};
use millrace_core::journal::{APPEND_HEAD_BYTES, Entry, Purpose};

use crate::api::{DeleteRecordsAsk, DeleteRecordsError, Planted};
use crate::commit::queue::Commit;
use crate::counters::Counters;
use crate::device::planted::PlantedFault;
use crate::directory::layout::{index_file, segment_file};
use crate::files::deleting::FileDeletion;
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::TailFlusher;
use crate::mesh::calls::DeleteRecords;
use crate::mesh::shard_mesh::ShardMesh;
use crate::partition::segment::Segment;
use crate::partition::starts::ActiveSegment;
use crate::partition::state::{PartitionRef, SealedStart};
use crate::partition::table::Table;
use crate::partition::unreleased::Unreleased;

/// A roll and a new start.
const ENTRIES_BYTES_MAX: usize = 2 * APPEND_HEAD_BYTES;
/// Room in the journal comes with a write or a cleaning; only the former always wakes those who wait.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// Moves the starts of logs. Lives on one shard.
pub(crate) struct LogStarts {
    pub(crate) mesh: Rc<ShardMesh>,
    pub(crate) table: Rc<Table>,
    pub(crate) commit: Rc<Commit>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) unreleased: Rc<Unreleased>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) deletion: Rc<FileDeletion>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) planted: PlantedFault,
}

impl LogStarts {
    /// Lets logs begin at later offsets, whichever shard has them; each result, the log's start, in the order
    /// of the requests. Returns when no crash can bring a deleted record back.
    ///
    /// Dropping the future does not undo what is under way.
    pub(crate) async fn delete_records(
        &self,
        asks: Vec<DeleteRecordsAsk>,
    ) -> Vec<Result<Offset, DeleteRecordsError>> {
        let own = async |asks: Vec<DeleteRecordsAsk>| self.delete_own_records(asks).await;
        self.mesh.gather::<DeleteRecords, _, _>(&asks, |ask| ask.key, own).await
    }

    /// Of partitions of this shard.
    pub(crate) async fn delete_own_records(
        &self,
        asks: Vec<DeleteRecordsAsk>,
    ) -> Vec<Result<Offset, DeleteRecordsError>> {
        let mut starts = Vec::with_capacity(asks.len());
        for ask in asks {
            starts.push(self.delete_records_of(ask).await);
        }
        starts
    }

    async fn delete_records_of(&self, ask: DeleteRecordsAsk) -> Result<Offset, DeleteRecordsError> {
        let partition = self.table.get(ask.key).ok_or(DeleteRecordsError::UnknownPartition)?;
        let to = {
            let partition = partition.borrow();
            if partition.config.compact && !partition.config.delete {
                return Err(DeleteRecordsError::OnlyCompacted);
            }
            let to = ask.before.unwrap_or(partition.ends.high_watermark);
            if to < Offset::ZERO || to > partition.ends.high_watermark {
                return Err(DeleteRecordsError::OffsetOutOfRange);
            }
            to
        };
        self.start_log_at(&partition, to, ActiveSegment::Stays).await;
        let partition = partition.borrow();
        if partition.is_removed() {
            Err(DeleteRecordsError::UnknownPartition)
        } else {
            Ok(partition.ends.log_start_offset)
        }
    }

    /// Moves the log's start up to `to`, which no reader's high watermark lies below. Returns once that
    /// survives a power loss; only then do readers see it, and only then do files go.
    ///
    /// Dropping the future leaves a start that is journaled and that readers see after the next one,
    /// or after a restart.
    pub(crate) async fn start_log_at(&self, partition: &PartitionRef, to: Offset, active: ActiveSegment) {
        let sealed = loop {
            if partition.borrow().is_removed() {
                return;
            }
            let sealed = partition.borrow().ends.sealed_start;
            if partition.borrow().has_sealed(to, active) {
                break sealed;
            }
            if self.commit.room(Purpose::Append) >= ENTRIES_BYTES_MAX
                && let Some(sealed) = self.seal_start(partition, to, active)
            {
                break sealed;
            }
            millrace_rt::timeout(ROOM_WAIT, self.commit.signals.hardened.wait()).await;
        };
        self.commit.until_hard(sealed.frame).await;
        // A write under way may be making a file that is about to go.
        while partition.borrow().writes_what_goes() {
            self.flusher.queue.wrote.wait().await;
        }
        let gone = partition.borrow_mut().begin_at(to, sealed.first_segment);
        if partition.borrow().is_removed() {
            return;
        }
        let freed: usize = gone.iter().map(|segment| segment.tail.memory_bytes()).sum();
        self.flusher.tails_shrank(freed);
        self.counters.segments.segments_deleted.add(gone.len() as u64);
        self.counters.segments.segment_deleted_bytes.add(gone.iter().map(Segment::length).sum());
        self.doom_segments(partition, gone).await;
    }

    /// One step without a wait: the partition, the journal and what a checkpoint would say stay in agreement.
    fn seal_start(&self, shared: &PartitionRef, to: Offset, active: ActiveSegment) -> Option<SealedStart> {
        let mut partition = shared.borrow_mut();
        let key = partition.key;
        let mut entries: Vec<Entry<Vec<Bytes>>> = Vec::with_capacity(2);
        let rolls = partition.rolls_at(to, active);
        if rolls && partition.active().extent_bytes > 0 {
            return None;
        }
        if rolls {
            let previous_length = Position(partition.active().length());
            entries.push(Entry::Roll { key, segment: to, previous_length });
        }
        // One that was sealed meanwhile may lie behind this one, whose segments are yet to go.
        let offset = to.max(partition.ends.sealed_start.offset);
        entries.push(Entry::LogStart { key, offset });
        let frame = match self.planted.get() {
            Some(Planted::ForgetsLogStarts) => self.commit.sealed_sequence(),
            _ => self.commit.seal_upkeep(&entries)?,
        };
        if rolls {
            partition.roll();
            self.unreleased.note(shared, &mut partition);
        }
        let first_segment = partition.first_staying(offset);
        partition.ends.sealed_start = SealedStart { offset, first_segment, frame };
        Some(partition.ends.sealed_start)
    }

    async fn doom_segments(&self, partition: &PartitionRef, gone: Vec<Segment>) {
        let dir = self.files.partition_dir(partition);
        let delay = partition.borrow().config.file_delete_delay_ms;
        let delay = Duration::from_millis(u64::try_from(delay).unwrap_or(0));
        for segment in gone.into_iter().filter(|segment| segment.has_file()) {
            // The log goes first: what is left after a crash is an index of nothing.
            self.deletion.doom(segment_file(&dir, segment.base), delay).await;
            self.deletion.doom(index_file(&dir, segment.base), delay).await;
        }
    }
}
