//! Where a log begins and ends, which record is the first of a time, where a leader epoch ended;
//! sizes, producers.

use std::collections::VecDeque;
use std::rc::Rc;

use millrace_core::base::ids::{LeaderEpoch, Offset, PartitionKey, TimestampMs};
use millrace_core::base::limits::INDEX_INTERVAL_BYTES;
use millrace_core::log::producers::ProducerSnapshot;
use millrace_core::log::search::{FoundRecord, record_at_time};
use millrace_core::log::{Batch, OffsetIndex};

use crate::api::{EpochAsk, EpochEnd, FetchError, FoundOffset, OffsetAsk, OffsetQuery};
use crate::files::read::{BatchPlace, Pieces, read_range};
use crate::files::segment_files::SegmentFiles;
use crate::mesh::calls::{EndOffsets, ListOffsets, LogSizes, Producers};
use crate::mesh::shard_mesh::ShardMesh;
use crate::partition::state::{Partition, PartitionRef, SegmentAt};
use crate::partition::table::Table;

/// Partitions looked at between two turns of the other tasks.
const PARTITIONS_A_TURN: usize = 256;

/// One read while batches of a time are looked for: an interval of the index, whose batches are walked.
const SEARCH_BYTES: u64 = INDEX_INTERVAL_BYTES;

/// What is asked of logs besides their records, on this shard or on any.
pub(crate) struct LogQueries {
    pub(crate) mesh: Rc<ShardMesh>,
    pub(crate) table: Rc<Table>,
    pub(crate) files: Rc<SegmentFiles>,
}

impl LogQueries {
    /// The result of each request, in order, whichever shard has it. Times are found by index and then by a
    /// walk of at most one index interval. Dropping the future leaves nothing behind.
    pub(crate) async fn list_offsets(&self, asks: Vec<OffsetAsk>) -> Vec<Result<FoundOffset, FetchError>> {
        let own = async |asks: Vec<OffsetAsk>| self.offsets(asks).await;
        self.mesh.gather::<ListOffsets, _, _>(&asks, |ask| ask.key, own).await
    }

    /// The result of each request, in order, whichever shard has it.
    /// Dropping the future leaves nothing behind.
    pub(crate) async fn end_offsets(&self, asks: Vec<EpochAsk>) -> Vec<Result<EpochEnd, FetchError>> {
        let own = async |asks: Vec<EpochAsk>| self.epochs(&asks);
        self.mesh.gather::<EndOffsets, _, _>(&asks, |ask| ask.key, own).await
    }

    /// Bytes of each log, written or not, in the order of `keys`; nothing of a partition that this node does
    /// not host. Dropping the future leaves nothing behind.
    pub(crate) async fn log_sizes(&self, keys: &[PartitionKey]) -> Vec<Option<u64>> {
        let own = async |keys: Vec<PartitionKey>| self.own_log_sizes(&keys).await;
        self.mesh.gather::<LogSizes, _, _>(keys, |key| *key, own).await
    }

    /// The producers that each log remembers, by their ids, in the order of `keys`; nothing of a partition
    /// that this node does not host. Dropping the future leaves nothing behind.
    pub(crate) async fn producers(&self, keys: &[PartitionKey]) -> Vec<Option<Vec<ProducerSnapshot>>> {
        let own = async |keys: Vec<PartitionKey>| self.own_producers(&keys).await;
        self.mesh.gather::<Producers, _, _>(keys, |key| *key, own).await
    }

    pub(crate) async fn own_log_sizes(&self, keys: &[PartitionKey]) -> Vec<Option<u64>> {
        self.look_at_each(keys, Partition::size_bytes).await
    }

    pub(crate) async fn own_producers(&self, keys: &[PartitionKey]) -> Vec<Option<Vec<ProducerSnapshot>>> {
        self.look_at_each(keys, |partition| partition.history.producers.snapshot()).await
    }

    async fn look_at_each<T>(&self, keys: &[PartitionKey], look: impl Fn(&Partition) -> T) -> Vec<Option<T>> {
        let mut seen = Vec::with_capacity(keys.len());
        for some in keys.chunks(PARTITIONS_A_TURN) {
            seen.extend(some.iter().map(|key| self.table.get(*key).map(|it| look(&it.borrow()))));
            millrace_rt::yield_now().await;
        }
        seen
    }
}

impl LogQueries {
    /// Of partitions of this shard.
    pub(crate) async fn offsets(&self, asks: Vec<OffsetAsk>) -> Vec<Result<FoundOffset, FetchError>> {
        let mut found = Vec::with_capacity(asks.len());
        for ask in asks {
            found.push(self.offset(ask).await);
        }
        found
    }

    async fn offset(&self, ask: OffsetAsk) -> Result<FoundOffset, FetchError> {
        let partition = self.table.get(ask.key).ok_or(FetchError::UnknownPartition)?;
        partition.borrow().check_epoch(ask.current_leader_epoch)?;
        match ask.query {
            // Without transactions the last stable offset is the high watermark,
            // so that isolation changes nothing.
            OffsetQuery::Latest => Ok(latest(&partition.borrow())),
            OffsetQuery::Earliest => Ok(earliest(&partition.borrow())),
            OffsetQuery::MaxTimestamp => self.max_timestamp(&partition).await,
            OffsetQuery::AtTime(timestamp) => self.at_time(&partition, timestamp).await,
        }
    }

    /// The first record of the largest timestamp, wherever the log begins now:
    /// Kafka does not look at that either.
    async fn max_timestamp(&self, partition: &PartitionRef) -> Result<FoundOffset, FetchError> {
        let largest = partition.borrow().segments.iter().map(|segment| segment.max_timestamp).max();
        self.first_at(partition, largest.unwrap_or(TimestampMs::NONE), Offset::ZERO).await
    }

    async fn at_time(
        &self,
        partition: &PartitionRef,
        timestamp: TimestampMs,
    ) -> Result<FoundOffset, FetchError> {
        let log_start = partition.borrow().ends.log_start_offset;
        self.first_at(partition, timestamp, log_start).await
    }

    /// The first visible record of time `timestamp` or later at offset `start` or later. Segments that are
    /// all earlier are passed by what the checkpoint knows of them;
    /// in another one the index leads to the intervals worth a walk.
    async fn first_at(
        &self,
        partition: &PartitionRef,
        timestamp: TimestampMs,
        start: Offset,
    ) -> Result<FoundOffset, FetchError> {
        let mut start = start;
        let mut segments: VecDeque<Offset> = visible_segments(partition, timestamp).into();
        while let Some(base) = segments.pop_front() {
            match self.first_in_segment(partition, base, timestamp, start).await {
                Ok(None) => {}
                Ok(Some(found)) => return Ok(visible(&partition.borrow(), found)),
                Err(FetchError::Compacted) => {
                    // It may be a part of an earlier one now; what lies before was looked through.
                    start = start.max(base);
                    segments = visible_segments(partition, timestamp).into();
                }
                // Retention was faster.
                Err(_) if partition.borrow_mut().segment_mut(base).is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(NOT_FOUND)
    }

    async fn first_in_segment(
        &self,
        partition: &PartitionRef,
        base: Offset,
        timestamp: TimestampMs,
        start: Offset,
    ) -> Result<Option<FoundOffset>, FetchError> {
        self.files.learn_index(partition, base).await?;
        let segment = partition.borrow().segment_at(base);
        let mut from = with_index(partition, base, |index| index.lookup(start)).unwrap_or_default();
        while let Some(Some(interval)) =
            with_index(partition, base, |index| index.interval_at_time(timestamp, from))
        {
            let mut walk = Walk { segment, at: interval.from.0, due: interval.first, end: interval.to.0 };
            while let Some(batch) = self.next_batch(partition, &mut walk).await? {
                let header = batch.place.header;
                if header.max_timestamp < timestamp || header.last_offset() < start {
                    continue;
                }
                if let Some(record) = batch.search(timestamp, start)? {
                    let FoundRecord { offset, timestamp } = record;
                    let leader_epoch = header.leader_epoch;
                    return Ok(Some(FoundOffset { offset, timestamp, leader_epoch }));
                }
            }
            from = interval.to;
            // Reading may have let go of it.
            self.files.learn_index(partition, base).await?;
            partition.borrow().check_segment(segment)?;
        }
        Ok(None)
    }

    /// The next batch of an interval, none behind its last visible one. It is checked as one that is fetched:
    /// also a batch that is passed by decides about the result.
    async fn next_batch(
        &self,
        partition: &PartitionRef,
        walk: &mut Walk,
    ) -> Result<Option<ReadBatch>, FetchError> {
        let Walk { segment, at, due, end } = *walk;
        let limit = visible_end(partition, segment.base).min(end);
        if at >= limit {
            return Ok(None);
        }
        let pieces = read_range(&self.files, partition, segment, at, limit.min(at + SEARCH_BYTES)).await?;
        let place = pieces.batch_at(at)?.filter(|place| place.end() <= limit).ok_or(FetchError::Corrupt)?;
        let pieces = match place.end() <= pieces.end() {
            true => pieces,
            false => read_range(&self.files, partition, segment, at, place.end()).await?,
        };
        pieces.check(&partition.borrow(), &place, due, &self.files.cache.summed_bytes)?;
        (walk.at, walk.due) = (place.end(), place.header.next_offset());
        Ok(Some(ReadBatch { place, pieces }))
    }

    /// Where each asked epoch ended.
    pub(crate) fn epochs(&self, asks: &[EpochAsk]) -> Vec<Result<EpochEnd, FetchError>> {
        asks.iter().map(|ask| self.epoch_end(ask)).collect()
    }

    fn epoch_end(&self, ask: &EpochAsk) -> Result<EpochEnd, FetchError> {
        let partition = self.table.get(ask.key).ok_or(FetchError::UnknownPartition)?;
        let partition = partition.borrow();
        partition.check_epoch(ask.current_leader_epoch)?;
        // The leader's own epoch counts from the moment it leads, also before its first append.
        let found = if ask.leader_epoch == partition.history.leader_epoch {
            Some((ask.leader_epoch, partition.ends.log_end_offset))
        } else {
            partition.history.epochs.end_offset_for(ask.leader_epoch, partition.ends.log_end_offset)
        };
        let (leader_epoch, end_offset) = found.unwrap_or((LeaderEpoch::NONE, Offset::NONE));
        Ok(EpochEnd { leader_epoch, end_offset })
    }
}

/// A walk over the batches of an interval, whose next one begins with offset `due` at byte `at`.
struct Walk {
    segment: SegmentAt,
    at: u64,
    due: Offset,
    end: u64,
}

/// A batch as it was written, and what was read around it.
struct ReadBatch {
    place: BatchPlace,
    pieces: Pieces,
}

impl ReadBatch {
    /// Looks for a record of that time or later, decompressed through a bounded window.
    fn search(&self, timestamp: TimestampMs, start: Offset) -> Result<Option<FoundRecord>, FetchError> {
        let bytes = self.pieces.cut(self.place.position, self.place.end()).concat();
        let batch = Batch::parse(&bytes).map_err(|_| FetchError::Corrupt)?;
        record_at_time(&batch, timestamp, start).map_err(|_| FetchError::Corrupt)
    }
}

const NOT_FOUND: FoundOffset =
    FoundOffset { offset: Offset::NONE, timestamp: TimestampMs::NONE, leader_epoch: LeaderEpoch::NONE };

fn latest(partition: &Partition) -> FoundOffset {
    FoundOffset {
        offset: partition.ends.high_watermark,
        timestamp: TimestampMs::NONE,
        leader_epoch: partition
            .history
            .epochs
            .latest()
            .map_or(partition.history.leader_epoch, |entry| entry.epoch),
    }
}

fn earliest(partition: &Partition) -> FoundOffset {
    FoundOffset {
        offset: partition.ends.log_start_offset,
        timestamp: TimestampMs::NONE,
        leader_epoch: partition
            .history
            .epochs
            .epoch_at(partition.ends.log_start_offset)
            .unwrap_or(partition.history.leader_epoch),
    }
}

fn visible(partition: &Partition, found: FoundOffset) -> FoundOffset {
    if found.offset < partition.ends.high_watermark { found } else { NOT_FOUND }
}

/// Base offsets of the segments that hold something visible and something of `timestamp` or later.
fn visible_segments(partition: &PartitionRef, timestamp: TimestampMs) -> Vec<Offset> {
    let partition = partition.borrow();
    let visible = partition.segments.iter().filter(|segment| segment.base <= partition.ends.visible.segment);
    visible.filter(|segment| segment.max_timestamp >= timestamp).map(|segment| segment.base).collect()
}

fn visible_end(partition: &PartitionRef, base: Offset) -> u64 {
    let partition = partition.borrow();
    if base == partition.ends.visible.segment {
        return partition.ends.visible.position;
    }
    let segment = partition.segments.iter().find(|segment| segment.base == base);
    segment.map_or(0, |segment| segment.length())
}

fn with_index<T>(partition: &PartitionRef, base: Offset, ask: impl FnOnce(&OffsetIndex) -> T) -> Option<T> {
    partition.borrow_mut().segment_mut(base).map(|segment| ask(&segment.index))
}
