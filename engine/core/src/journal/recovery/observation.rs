//! What a replay sees happen to a log: from it a start learns epoch lineage, producer windows and timestamps.

use crate::base::Offset;
use crate::base::limits::BATCH_HEADER_BYTES;
use crate::log::batch::BatchWalk;
use crate::log::{BatchFault, BatchHeader};
use bytes::Bytes;

/// What happened to a partition's log behind the checkpoint's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// Whole batches, as appended.
    Append { base_offset: Offset, next_offset: Offset, batches: Bytes },
    /// The headers of whole batches whose bytes are in the segment file.
    Extent { base_offset: Offset, next_offset: Offset, headers: Bytes },
    /// The log was cut back to this offset.
    Truncate { to: Offset },
}

impl Observation {
    /// The header of each batch that it tells of, in order.
    pub fn headers(&self, mut tell: impl FnMut(&BatchHeader)) -> Result<(), BatchFault> {
        match self {
            Observation::Append { batches, .. } => {
                BatchWalk::new(batches).try_for_each(|batch| batch.map(|batch| tell(&batch.header)))
            }
            Observation::Extent { headers, .. } => headers
                .chunks(BATCH_HEADER_BYTES)
                .try_for_each(|header| BatchHeader::parse(header).map(|header| tell(&header))),
            Observation::Truncate { .. } => Ok(()),
        }
    }

    /// What of it lies behind `end`, for who knows the rest already.
    pub fn behind(self, end: Offset) -> Option<Observation> {
        match self {
            Observation::Append { next_offset, .. } if next_offset <= end => None,
            Observation::Extent { base_offset, next_offset, headers } => {
                let is_known = |header: &[u8]| {
                    BatchHeader::parse(header).is_ok_and(|header| header.next_offset() <= end)
                };
                let known = headers.chunks(BATCH_HEADER_BYTES).take_while(|header| is_known(header)).count();
                let headers = headers.slice((known * BATCH_HEADER_BYTES).min(headers.len())..);
                (!headers.is_empty()).then_some(Observation::Extent {
                    base_offset: base_offset.max(end),
                    next_offset,
                    headers,
                })
            }
            seen => Some(seen),
        }
    }
}
