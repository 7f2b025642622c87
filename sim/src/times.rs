//! Lookups by time through the engine's service surface, against a look at every record.

use millrace_core::base::{Offset, PartitionKey, TimestampMs};
use millrace_core::log::records::Records;
use millrace_core::log::{Batch, Codec};
use millrace_shard::{FetchError, FoundOffset, Isolation, OffsetAsk, OffsetQuery, Shard};

use crate::promises::Stored;
use crate::workload::BASE_TIMESTAMP_MS;

/// Milliseconds behind the workload's first time that are asked for; its last is before the last of them.
const ASKED_MS: [i64; 8] = [-1, 0, 3, 11, 24, 39, 44, 1_000];

/// What a partition answered: the offset and the time of the record, if one was found.
pub(crate) type Answered = Vec<(OffsetQuery, Option<(Offset, TimestampMs)>)>;

/// Asks a partition for several times, and for its largest.
pub(crate) async fn ask_times(shard: &Shard, key: PartitionKey) -> Result<Answered, String> {
    let times = ASKED_MS.map(|after| OffsetQuery::AtTime(TimestampMs(BASE_TIMESTAMP_MS + after)));
    let queries: Vec<OffsetQuery> = times.into_iter().chain([OffsetQuery::MaxTimestamp]).collect();
    let found = ask_offsets(shard, key, queries).await.map(|(query, answer)| match answer {
        Ok(found) if found.offset == Offset::NONE => Ok((query, None)),
        Ok(found) => Ok((query, Some((found.offset, found.timestamp)))),
        Err(error) => Err(format!("{query:?} is refused: {error}")),
    });
    found.collect()
}

/// Each query of a partition beside its answer.
pub(crate) async fn ask_offsets(
    shard: &Shard,
    key: PartitionKey,
    queries: Vec<OffsetQuery>,
) -> impl Iterator<Item = (OffsetQuery, Result<FoundOffset, FetchError>)> {
    let isolation = Isolation::ReadUncommitted;
    let ask = |&query: &OffsetQuery| OffsetAsk { key, query, isolation, current_leader_epoch: None };
    let answers = shard.list_offsets(queries.iter().map(ask).collect()).await;
    queries.into_iter().zip(answers)
}

/// Compares with the records of the whole log from `start` on.
pub(crate) fn judge_times<'a>(
    answered: &Answered,
    log: impl IntoIterator<Item = &'a Stored>,
    start: Offset,
) -> Result<(), String> {
    let mut records = Vec::new();
    for stored in log {
        records.extend(records_of(stored)?.into_iter().filter(|(offset, _)| *offset >= start));
    }
    let largest = records.iter().map(|(_, time)| *time).max();
    for (query, found) in answered {
        let wanted = match query {
            OffsetQuery::AtTime(time) => Some(*time),
            // It may lie below the start.
            OffsetQuery::MaxTimestamp if start > Offset::ZERO => continue,
            OffsetQuery::MaxTimestamp => largest,
            _ => continue,
        };
        let first = wanted.and_then(|wanted| records.iter().find(|(_, time)| *time >= wanted)).copied();
        if *found != first {
            return Err(format!("{query:?} from {start} is answered with {found:?}, and {first:?} is right"));
        }
    }
    Ok(())
}

fn records_of(stored: &Stored) -> Result<Vec<(Offset, TimestampMs)>, String> {
    let fault = |what: &dyn std::fmt::Display| format!("no batch at {}: {what}", stored.base_offset);
    let batch = Batch::parse(&stored.bytes).map_err(|error| fault(&error))?;
    let header = batch.header;
    if header.attributes.codec().map_err(|error| fault(&error))? != Codec::None {
        return Err(fault(&"it is compressed"));
    }
    let records = Records::new(batch.body(), header.records_count).map(|record| {
        let record = record.map_err(|error| fault(&error))?;
        let offset = header.base_offset.plus(i64::from(record.offset_delta));
        Ok((offset, TimestampMs(header.base_timestamp.0 + record.timestamp_delta)))
    });
    records.collect()
}
