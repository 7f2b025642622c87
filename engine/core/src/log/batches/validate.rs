//! Whether a client's batch may be appended: Kafka's checks in Kafka's order (`ProduceRequest`, `UnifiedLog`,
//! `LogValidator` of 4.3).

use super::batch::{self, Batch, BatchHeader, HeaderBytes, RECORD_BATCH_OVERHEAD};
use super::compression::{Codec, DECOMPRESSED_BYTES_MAX};
use super::fault::{BatchFault, RecordError, RecordErrorReason, RecordErrors, RecordFault};
use super::walk::{Next, Shape, walk_within};
use crate::base::{LeaderEpoch, Offset, TimestampMs, TimestampType};

/// How far the producer is trusted (`millrace.produce.validation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// Records are decompressed and walked, as Kafka does.
    Full,
    /// Only header and checksum are read.
    Header,
}

/// The settings of the topic and of the request that a batch is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationRules {
    pub now: TimestampMs,
    pub validation: Validation,
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `cleanup.policy` contains compact: records need keys.
    pub compacted: Compacted,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`.
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    /// Version of the produce request.
    pub produce_version: i16,
}

/// Whether the log is compacted by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compacted {
    Yes,
    No,
}

/// Zstandard is allowed from this produce version on.
const ZSTD_PRODUCE_VERSION: i16 = 7;

/// A batch that may be appended, and what the append must write into its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidBatch {
    /// As the client sent it.
    pub header: BatchHeader,
    /// Largest timestamp after the append: of the records, or the time of the append.
    pub max_timestamp: TimestampMs,
    /// Offset delta of the first record with that timestamp.
    pub max_timestamp_delta: i32,
    /// The topic's.
    pub timestamp_type: TimestampType,
}

impl ValidBatch {
    /// Bytes of the batch: the slice given to `validate` may hold a torn rest, which Kafka drops too.
    pub fn size(&self) -> usize {
        self.header.size()
    }

    /// The time to answer: of the append under LogAppendTime, otherwise `NONE`.
    pub fn log_append_time(&self) -> TimestampMs {
        match self.timestamp_type {
            TimestampType::LogAppendTime => self.max_timestamp,
            TimestampType::CreateTime => TimestampMs::NONE,
        }
    }

    /// The header to append: offsets and epoch assigned, timestamps and checksum rewritten if they differ.
    /// The rest of the batch, `bytes[RECORD_BATCH_OVERHEAD..size]`, is appended as it is.
    pub fn header_to_append(&self, bytes: &[u8], base_offset: Offset, epoch: LeaderEpoch) -> HeaderBytes {
        let mut header = self.header.encode();
        batch::set_base_offset(&mut header, base_offset);
        batch::set_leader_epoch(&mut header, epoch);
        let sent = self.header;
        if sent.attributes.timestamp_type() != self.timestamp_type || sent.max_timestamp != self.max_timestamp
        {
            let body = bytes.get(RECORD_BATCH_OVERHEAD..self.size());
            assert!(body.is_some(), "the header is written for the batch that was validated");
            batch::set_timestamps(
                &mut header,
                body.unwrap_or_default(),
                self.timestamp_type,
                self.max_timestamp,
            );
        }
        header
    }
}

/// Checks what one client sent for one partition. Reads each byte once for the checksum and, under `Full`,
/// once more for the records; allocates only for compressed batches and for the list of refused records.
pub fn validate(bytes: &[u8], rules: &ValidationRules) -> Result<ValidBatch, BatchFault> {
    validate_within(bytes, rules, DECOMPRESSED_BYTES_MAX)
}

/// As `validate`, but a batch that inflates to more than `inflated_max` bytes is a bomb, of that maximum.
pub fn validate_within(
    bytes: &[u8],
    rules: &ValidationRules,
    inflated_max: u64,
) -> Result<ValidBatch, BatchFault> {
    let batch = only_batch(bytes, rules)?;
    if batch.header.base_offset != Offset::ZERO {
        return Err(BatchFault::BaseOffset(batch.header.base_offset.0));
    }
    let (size, max) = (batch.bytes.len(), rules.max_message_bytes);
    if size > max {
        return Err(BatchFault::MessageTooLarge { size, max });
    }
    batch.verify_checksum()?;
    batch.header.attributes.codec()?;
    check_header(&batch.header)?;
    let valid = match rules.validation {
        Validation::Full => check_records(&batch, rules, inflated_max)?,
        Validation::Header => trust_records(&batch.header, rules)?,
    };
    if size as u64 > rules.segment_bytes {
        return Err(BatchFault::LargerThanSegment { size, max: rules.segment_bytes });
    }
    Ok(valid)
}

/// The one batch of a produce request for a partition. An incomplete batch counts as none, and one after the
/// first is dropped (`ByteBufferLogInputStream`).
fn only_batch<'a>(bytes: &'a [u8], rules: &ValidationRules) -> Result<Batch<'a>, BatchFault> {
    let batch = match Batch::parse(bytes) {
        Err(BatchFault::Incomplete { .. }) => return Err(BatchFault::NoBatch),
        other => other?,
    };
    let version = rules.produce_version;
    if version < ZSTD_PRODUCE_VERSION && batch.header.attributes.codec()? == Codec::Zstd {
        return Err(BatchFault::ZstdTooEarly(version));
    }
    let rest = bytes.get(batch.bytes.len()..).unwrap_or_default();
    if let Some((length, _)) = batch::length_and_magic(rest)?
        && rest.len() - batch::LOG_OVERHEAD >= length as usize
    {
        return Err(BatchFault::SeveralBatches);
    }
    Ok(batch)
}

/// `LogValidator.validateBatch`.
fn check_header(header: &BatchHeader) -> Result<(), BatchFault> {
    let (last_offset_delta, count) = (header.last_offset_delta, header.records_count);
    if last_offset_delta < 0 {
        return Err(BatchFault::OffsetRange { last_offset_delta });
    }
    if count <= 0 {
        return Err(BatchFault::RecordsCount(count));
    }
    if i64::from(last_offset_delta) + 1 != i64::from(count) {
        return Err(BatchFault::CountMismatch { last_offset_delta, count });
    }
    if header.attributes.is_control() {
        return Err(BatchFault::ControlFromClient);
    }
    if header.has_producer() && header.base_sequence.0 < 0 {
        return Err(BatchFault::NegativeSequence {
            producer: header.producer_id,
            sequence: header.base_sequence,
        });
    }
    Ok(())
}

/// The checks that need each record.
fn check_records(
    batch: &Batch<'_>,
    rules: &ValidationRules,
    inflated_max: u64,
) -> Result<ValidBatch, BatchFault> {
    let header = &batch.header;
    let mut errors = RecordErrors::default();
    let mut misfit = None;
    let mut max = (TimestampMs::NONE, 0);
    walk_within(batch, inflated_max, |shape| {
        let timestamp = record_timestamp(header, shape.timestamp_delta);
        misfit = misfit.or_else(|| misfit_of(&shape));
        if let Some(reason) = record_fault(header, rules, &shape, timestamp) {
            errors.push(RecordError { batch_index: shape.index, reason });
        }
        if timestamp > max.0 {
            max = (timestamp, shape.index);
        }
        Ok(Next::Continue)
    })?;
    if !errors.is_empty() {
        let fault =
            if errors.any_timestamp() { BatchFault::InvalidTimestamps } else { BatchFault::InvalidRecords };
        return Err(fault(errors));
    }
    match misfit {
        Some(fault) => Err(fault.into()),
        None => Ok(accepted(header, rules, max)),
    }
}

/// A record that contradicts its place or its size. Kafka checks the sizes of uncompressed records only; it
/// lets offset deltas that do not follow one another pass in an uncompressed batch and fails with an internal
/// error on a compressed one. Here all are refused, since readers would not find such records,
/// or would fail on them.
fn misfit_of(shape: &Shape) -> Option<RecordFault> {
    if !shape.fills_size {
        return Some(RecordFault::Size);
    }
    let (index, delta) = (shape.index, shape.offset_delta);
    (delta != index).then_some(RecordFault::OffsetDelta { index, delta })
}

/// What is left when the records are not read: the header's largest timestamp must be within bounds.
fn trust_records(header: &BatchHeader, rules: &ValidationRules) -> Result<ValidBatch, BatchFault> {
    let shape = Shape { index: 0, timestamp_delta: 0, offset_delta: 0, has_key: true, fills_size: true };
    if let Some(reason) = record_fault(header, rules, &shape, header.max_timestamp) {
        let listed = vec![RecordError { batch_index: 0, reason }];
        return Err(BatchFault::InvalidTimestamps(RecordErrors { total: 1, listed }));
    }
    Ok(accepted(header, rules, (header.max_timestamp, header.last_offset_delta)))
}

fn accepted(header: &BatchHeader, rules: &ValidationRules, max: (TimestampMs, i32)) -> ValidBatch {
    let (max_timestamp, max_timestamp_delta) = match rules.timestamp_type {
        TimestampType::CreateTime => max,
        TimestampType::LogAppendTime => (rules.now, 0),
    };
    ValidBatch { header: *header, max_timestamp, max_timestamp_delta, timestamp_type: rules.timestamp_type }
}

/// `LogValidator.validateRecord`: key, then timestamp.
fn record_fault(
    header: &BatchHeader,
    rules: &ValidationRules,
    shape: &Shape,
    timestamp: TimestampMs,
) -> Option<RecordErrorReason> {
    if rules.compacted == Compacted::Yes && !shape.has_key {
        return Some(RecordErrorReason::NoKey);
    }
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != TimestampMs::NONE {
        let age = rules.now.0.wrapping_sub(timestamp.0);
        if age > rules.timestamp_before_max_ms || age.wrapping_neg() > rules.timestamp_after_max_ms {
            let earliest = TimestampMs(rules.now.0.wrapping_sub(rules.timestamp_before_max_ms));
            let latest = TimestampMs(rules.now.0.wrapping_add(rules.timestamp_after_max_ms));
            return Some(RecordErrorReason::TimestampRange {
                offset_delta: shape.offset_delta,
                timestamp,
                earliest,
                latest,
            });
        }
    } else if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Some(RecordErrorReason::LogAppendTime);
    }
    None
}

/// The time of a record: its own, or the batch's under LogAppendTime. Sums wrap, as in Java.
pub(in crate::log) fn record_timestamp(header: &BatchHeader, delta: i64) -> TimestampMs {
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => TimestampMs(header.base_timestamp.0.wrapping_add(delta)),
        TimestampType::LogAppendTime => header.max_timestamp,
    }
}
