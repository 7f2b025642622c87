//! Records out of the batches that a broker sends.

use std::ops::ControlFlow;

use millrace_client::{Fetched, Place};
use millrace_core::log::compression::{DECOMPRESSED_BYTES_MAX, decompress};
use millrace_core::log::records::Records;
use millrace_core::log::{Batch, BatchFault, BatchWalk, TimestampType};

use super::writing::Placed;

/// Hands each record from an offset on to `take`, until that breaks: it has not taken the record then.
/// Answers where to go on, which is behind the last whole batch, or at the record that was not taken.
pub(super) fn walk(
    place: &Place,
    fetched: &Fetched,
    from: i64,
    mut take: impl FnMut(&Placed<'_>) -> ControlFlow<()>,
) -> Result<i64, BatchFault> {
    let mut next = from;
    for batch in BatchWalk::new(&fetched.batches) {
        let batch = match batch {
            Ok(batch) => batch,
            // The broker cuts the answer where it is large enough.
            Err(BatchFault::Incomplete { .. }) => break,
            Err(fault) => return Err(fault),
        };
        if let ControlFlow::Break(offset) = walk_batch(place, &batch, next, &mut take)? {
            return Ok(offset);
        }
        next = next.max(batch.header.next_offset().0);
    }
    Ok(next)
}

fn walk_batch(
    place: &Place,
    batch: &Batch<'_>,
    from: i64,
    take: &mut impl FnMut(&Placed<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<i64>, BatchFault> {
    let header = &batch.header;
    batch.verify_checksum()?;
    if header.attributes.is_control() {
        return Ok(ControlFlow::Continue(()));
    }
    let bytes_max = usize::try_from(DECOMPRESSED_BYTES_MAX).unwrap_or(usize::MAX);
    let body = decompress(header.attributes.codec()?, batch.body(), bytes_max)?;
    for record in Records::new(&body, header.records_count) {
        let record = record.map_err(|_| BatchFault::Undecodable)?;
        let offset = header.base_offset.0 + i64::from(record.offset_delta);
        if offset < from {
            continue;
        }
        let timestamp_ms = match header.attributes.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.0.saturating_add(record.timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp.0,
        };
        let placed = Placed { topic: &place.topic, partition: place.partition, offset, timestamp_ms, record };
        if take(&placed).is_break() {
            return Ok(ControlFlow::Break(offset));
        }
    }
    Ok(ControlFlow::Continue(()))
}
