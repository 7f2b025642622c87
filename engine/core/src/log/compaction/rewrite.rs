//! What becomes of one batch: which of its records survive, and the batch around those (Kafka:
//! `Cleaner.cleanInto`, `MemoryRecords.filterTo`).

use std::collections::BTreeMap;

use millrace_codec::varint::put_i64;

use super::key_map::KeyMap;
use crate::base::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs, TimestampType};
use crate::log::batches::batch::{
    Attributes, Batch, BatchHeader, LOG_OVERHEAD, RECORD_BATCH_OVERHEAD, checksum_of,
};
use crate::log::batches::compression::{Codec, compress, decompress};
use crate::log::batches::fault::BatchFault;
use crate::log::batches::recompress::RECORDS_BYTES_MAX;
use crate::log::batches::records::{Record, Records};
use crate::log::batches::validate::record_timestamp;

/// By what a compaction decides. The last offsets of producers may be older than the log: more is kept then.
#[derive(Debug, Clone, Copy)]
pub struct Survival<'a> {
    pub keys: &'a KeyMap,
    /// The last data offset of each producer that the log still knows.
    pub producers: &'a BTreeMap<ProducerId, Offset>,
    pub now: TimestampMs,
    /// `delete.retention.ms`: for how long a tombstone stays that a compaction has met.
    pub delete_retention_ms: i64,
}

/// What becomes of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It stays as it is.
    Kept,
    /// These bytes take its place: the same offsets, epoch and producer, fewer records,
    /// or a time at which its tombstones may go.
    Rewritten { bytes: Vec<u8>, dropped: u64 },
    /// Nothing of it stays.
    Dropped { dropped: u64 },
}

/// Records that survive, on their way into a new batch.
struct Survivors<'a> {
    records: Vec<Record<'a>>,
    has_tombstone: bool,
    dropped: u64,
}

impl Survival<'_> {
    /// Decides about a whole batch whose checksum was found right.
    ///
    /// A control batch stays: it ends a transaction, and there are none to be ended yet.
    pub fn of(&self, batch: &Batch<'_>) -> Result<Outcome, BatchFault> {
        let header = &batch.header;
        if header.attributes.is_control() || self.is_behind_keys(header.base_offset) {
            return Ok(Outcome::Kept);
        }
        let codec = header.attributes.codec()?;
        let records = decompress(codec, batch.body(), RECORDS_BYTES_MAX)?;
        let survivors = self.survivors(header, &records)?;
        if survivors.records.is_empty() {
            return Ok(self.emptied(header, survivors.dropped));
        }
        let gets_horizon = survivors.has_tombstone && !header.attributes.has_delete_horizon();
        if survivors.dropped == 0 && !gets_horizon {
            return Ok(Outcome::Kept);
        }
        let dropped = survivors.dropped;
        let horizon = gets_horizon.then(|| TimestampMs(self.now.0.saturating_add(self.delete_retention_ms)));
        rewritten(header, codec, &survivors.records, horizon)
            .map(|bytes| Outcome::Rewritten { bytes, dropped })
    }

    fn survivors<'r>(&self, header: &BatchHeader, records: &'r [u8]) -> Result<Survivors<'r>, BatchFault> {
        let mut survivors = Survivors { records: Vec::new(), has_tombstone: false, dropped: 0 };
        for record in Records::new(records, header.records_count) {
            let record = record?;
            if self.survives(header, &record) {
                survivors.has_tombstone |= record.value.is_none();
                survivors.records.push(record);
            } else {
                survivors.dropped += 1;
            }
        }
        Ok(survivors)
    }

    /// The last record of its key does, unless it is a tombstone whose time is over; and whatever lies behind
    /// what the keys were learnt from.
    fn survives(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        let offset = header.base_offset.plus(i64::from(record.offset_delta));
        if self.is_behind_keys(offset) {
            return true;
        }
        let Some(key) = record.key else { return false };
        let is_last = self.keys.offset_of(key).is_none_or(|last| offset >= last);
        is_last && (record.value.is_some() || !self.is_horizon_past(header))
    }

    fn is_behind_keys(&self, offset: Offset) -> bool {
        self.keys.latest().is_none_or(|latest| offset > latest)
    }

    fn is_horizon_past(&self, header: &BatchHeader) -> bool {
        header.attributes.has_delete_horizon() && self.now >= header.base_timestamp
    }

    /// The last batch of a producer stays without records, so that its sequence is known as long as it is.
    fn emptied(&self, header: &BatchHeader, dropped: u64) -> Outcome {
        let last = self.producers.get(&header.producer_id);
        let is_last = header.has_producer() && last.is_some_and(|last| *last == header.last_offset());
        match is_last {
            true if header.records_count == 0 => Outcome::Kept,
            true => Outcome::Rewritten { bytes: without_records(header).to_vec(), dropped },
            false => Outcome::Dropped { dropped },
        }
    }
}

/// The batch of these records, which are some of those it had;
/// `horizon` is the time from which its tombstones may go.
fn rewritten(
    header: &BatchHeader,
    codec: Codec,
    records: &[Record<'_>],
    horizon: Option<TimestampMs>,
) -> Result<Vec<u8>, BatchFault> {
    let keeps_horizon = header.attributes.has_delete_horizon();
    let first = records.first().map_or(0, |first| first.timestamp_delta);
    let base_timestamp = match horizon {
        Some(horizon) => horizon,
        None if keeps_horizon => header.base_timestamp,
        None => TimestampMs(header.base_timestamp.0.wrapping_add(first)),
    };
    let shift = header.base_timestamp.0.wrapping_sub(base_timestamp.0);
    let mut plain = Vec::new();
    let mut scratch = Vec::new();
    for record in records {
        scratch.clear();
        record.encode_body(record.timestamp_delta.wrapping_add(shift), &mut scratch);
        put_i64(&mut plain, scratch.len() as i64);
        plain.extend_from_slice(&scratch);
    }
    let body = compress(codec, &plain).map_err(|_| BatchFault::Undecodable)?;
    let times = records.iter().map(|record| record_timestamp(header, record.timestamp_delta));
    let attributes = match horizon {
        Some(_) => header.attributes.with_delete_horizon(),
        None => header.attributes,
    };
    let length = i32::try_from(RECORD_BATCH_OVERHEAD - LOG_OVERHEAD + body.len());
    let mut rewritten = BatchHeader {
        length: length.map_err(|_| BatchFault::Undecodable)?,
        attributes,
        base_timestamp,
        max_timestamp: times.max().unwrap_or(header.max_timestamp),
        records_count: i32::try_from(records.len()).map_err(|_| BatchFault::Undecodable)?,
        ..*header
    };
    rewritten.checksum = checksum_of(&rewritten.encode(), &body);
    let mut bytes = Vec::with_capacity(rewritten.size());
    bytes.extend_from_slice(&rewritten.encode());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// The batch without a record: its offsets, producer and sequence stay.
fn without_records(header: &BatchHeader) -> [u8; RECORD_BATCH_OVERHEAD] {
    let plain = Attributes::new(Codec::None, header.attributes.timestamp_type());
    let attributes = if header.attributes.is_transactional() { plain.transactional() } else { plain };
    sealed(BatchHeader { attributes, base_timestamp: TimestampMs::NONE, records_count: 0, ..*header })
}

/// A batch of no producer without a record: what stands in the place of offsets `[from, to)`.
pub(super) fn filler(
    from: Offset,
    to: Offset,
    like: &BatchHeader,
) -> (BatchHeader, [u8; RECORD_BATCH_OVERHEAD]) {
    let delta = to.0 - from.0 - 1;
    assert!((0..=i64::from(i32::MAX)).contains(&delta), "what is filled lies in one segment");
    let header = BatchHeader {
        base_offset: from,
        last_offset_delta: delta as i32,
        attributes: Attributes::new(Codec::None, TimestampType::CreateTime),
        base_timestamp: TimestampMs::NONE,
        max_timestamp: TimestampMs::NONE,
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
        base_sequence: Sequence::NONE,
        records_count: 0,
        ..*like
    };
    let bytes = sealed(header);
    let parsed = BatchHeader::parse(&bytes);
    assert!(parsed.is_ok(), "what was just encoded is a header");
    (parsed.unwrap_or(header), bytes)
}

/// Whether a batch is one that `filler` made.
pub(super) fn is_filler(header: &BatchHeader) -> bool {
    header.records_count == 0 && !header.has_producer() && !header.attributes.is_control()
}

/// The bytes of a header without records.
fn sealed(header: BatchHeader) -> [u8; RECORD_BATCH_OVERHEAD] {
    let mut header = BatchHeader { length: (RECORD_BATCH_OVERHEAD - LOG_OVERHEAD) as i32, ..header };
    header.checksum = checksum_of(&header.encode(), &[]);
    header.encode()
}
