//! Asks a damaged node for offsets by time, and what a walk over the undamaged log answers.

use millrace_core::base::{LeaderEpoch, Offset, PartitionKey, TimestampMs};
use millrace_core::log::search::record_at_time;
use millrace_core::log::{Batch, BatchHeader};
use millrace_shard::{FetchError, FoundOffset, OffsetQuery, Shard};

use crate::promises::Stored;
use crate::times::ask_offsets;

const NOT_FOUND: FoundOffset =
    FoundOffset { offset: Offset::NONE, timestamp: TimestampMs::NONE, leader_epoch: LeaderEpoch::NONE };

/// The node's answer to a query beside that of the log as it was.
pub(super) struct Asked {
    pub(super) query: OffsetQuery,
    pub(super) due: FoundOffset,
    pub(super) found: Result<FoundOffset, FetchError>,
}

/// Asks for times around a batch, for some of the whole log, and for the largest.
pub(super) async fn ask(
    shard: &Shard,
    key: PartitionKey,
    log: &[Stored],
    around: Option<Offset>,
) -> Vec<Asked> {
    let headers: Vec<BatchHeader> =
        log.iter().filter_map(|stored| BatchHeader::parse(&stored.bytes).ok()).collect();
    let hit = around.and_then(|offset| headers.iter().position(|header| header.base_offset == offset));
    let near = hit.into_iter().flat_map(|place| [place.saturating_sub(1), place, place + 1]);
    let spread = [0, headers.len() / 2, headers.len().saturating_sub(1)];
    let chosen = near.chain(spread).filter_map(|place| headers.get(place));
    let times = chosen.flat_map(|header| [header.max_timestamp, TimestampMs(header.max_timestamp.0 + 1)]);
    let queries: Vec<OffsetQuery> =
        times.map(OffsetQuery::AtTime).chain([OffsetQuery::MaxTimestamp]).collect();
    let largest = headers.iter().map(|header| header.max_timestamp).max().unwrap_or(TimestampMs::NONE);
    let asked = ask_offsets(shard, key, queries).await.map(|(query, found)| {
        let time = if let OffsetQuery::AtTime(time) = query { time } else { largest };
        Asked { query, due: first_at(log, time), found }
    });
    asked.collect()
}

/// The first record of that time or later.
fn first_at(log: &[Stored], time: TimestampMs) -> FoundOffset {
    let batches = log.iter().filter_map(|stored| Batch::parse(&stored.bytes).ok());
    let mut later = batches.filter(|batch| batch.header.max_timestamp >= time);
    let found = later.find_map(|batch| {
        let record = record_at_time(&batch, time, Offset::ZERO).ok().flatten()?;
        let leader_epoch = batch.header.leader_epoch;
        Some(FoundOffset { offset: record.offset, timestamp: record.timestamp, leader_epoch })
    });
    found.unwrap_or(NOT_FOUND)
}
