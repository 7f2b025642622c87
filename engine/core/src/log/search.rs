//! Finding an offset or a time in the bytes of a log.

use crate::base::{Offset, TimestampMs};
use crate::log::batches::batch::{Batch, BatchWalk};
use crate::log::batches::fault::BatchFault;
use crate::log::batches::validate::record_timestamp;
use crate::log::batches::walk::{Next, Shape, walk};

/// A record found by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundRecord {
    pub offset: Offset,
    pub timestamp: TimestampMs,
}

/// The first batch whose last offset is at or after `offset`. `Ok(None)` if all whole batches of `bytes` end
/// before it (an incomplete last batch counts as absent).
pub fn batch_containing(bytes: &[u8], offset: Offset) -> Result<Option<Batch<'_>>, BatchFault> {
    first_batch(bytes, |batch| batch.header.last_offset() >= offset)
}

/// The first batch that may hold a record of time `timestamp` or later, at offset `from` or later.
pub fn batch_at_time(
    bytes: &[u8],
    timestamp: TimestampMs,
    from: Offset,
) -> Result<Option<Batch<'_>>, BatchFault> {
    first_batch(bytes, |batch| batch.header.max_timestamp >= timestamp && batch.header.last_offset() >= from)
}

/// The first record of a batch with time `timestamp` or later and offset `from` or later. Decompresses
/// through a bounded window. Kafka: `FileRecords.searchForTimestamp`.
pub fn record_at_time(
    batch: &Batch<'_>,
    timestamp: TimestampMs,
    from: Offset,
) -> Result<Option<FoundRecord>, BatchFault> {
    first_record(batch, |record| record.timestamp >= timestamp && record.offset >= from)
}

fn first_batch<'a>(
    bytes: &'a [u8],
    mut wanted: impl FnMut(&Batch<'a>) -> bool,
) -> Result<Option<Batch<'a>>, BatchFault> {
    for item in BatchWalk::new(bytes) {
        match item {
            Ok(batch) if wanted(&batch) => return Ok(Some(batch)),
            Ok(_) => {}
            Err(BatchFault::Incomplete { .. }) => return Ok(None),
            Err(fault) => return Err(fault),
        }
    }
    Ok(None)
}

/// Walks to the first wanted record.
fn first_record(
    batch: &Batch<'_>,
    wanted: impl Fn(&FoundRecord) -> bool,
) -> Result<Option<FoundRecord>, BatchFault> {
    let mut found = None;
    walk(batch, |shape: Shape| {
        let offset = batch.header.base_offset.plus(i64::from(shape.offset_delta));
        let record =
            FoundRecord { offset, timestamp: record_timestamp(&batch.header, shape.timestamp_delta) };
        if wanted(&record) {
            found = Some(record);
            return Ok(Next::Stop);
        }
        Ok(Next::Continue)
    })?;
    Ok(found)
}
