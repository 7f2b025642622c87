//! Why a batch is refused: one variant for each reason Kafka tells apart, with Kafka's wording.

use std::fmt;

use millrace_codec::varint::VarintError;
use thiserror::Error;

use crate::base::{ProducerId, Sequence, TimestampMs};

/// A batch that is refused or that cannot be read. Each variant names the Kafka error it maps to; the mapping
/// itself stands in one file of the server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchFault {
    /// The bytes end before the batch does. Sent by a client it counts as no batch at all (INVALID_RECORD);
    /// at the end of a file it is a torn write.
    #[error("Record batch is incomplete ({have} of {need} bytes)")]
    Incomplete { have: usize, need: usize },
    /// CORRUPT_MESSAGE: the length field is below the smallest batch.
    #[error("Record size {length} is less than the minimum record overhead ({minimum})")]
    LengthTooSmall { length: i32, minimum: i32 },
    /// CORRUPT_MESSAGE: a magic that never existed.
    #[error("Invalid magic found in record: {0}")]
    UnknownMagic(i8),
    /// CORRUPT_MESSAGE.
    #[error("Record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Checksum { stored: u32, computed: u32 },
    /// INVALID_RECORD: a format older than 2.
    #[error("Produce requests are only allowed to contain record batches with magic version 2, not {0}")]
    OldMagic(i8),
    /// INVALID_RECORD.
    #[error("Produce requests must have at least one record batch per partition")]
    NoBatch,
    /// INVALID_RECORD.
    #[error("Produce requests are only allowed to contain exactly one record batch per partition")]
    SeveralBatches,
    /// INVALID_RECORD.
    #[error("The baseOffset of the record batch should be 0, but it is {0}")]
    BaseOffset(i64),
    /// MESSAGE_TOO_LARGE.
    #[error(
        "The record batch size is {size} bytes which exceeds the maximum configured value ({max}) for max.message.bytes"
    )]
    MessageTooLarge { size: usize, max: usize },
    /// RECORD_LIST_TOO_LARGE: no segment could hold it.
    #[error("Append size in bytes of {size} exceeds configured segment size {max}")]
    LargerThanSegment { size: usize, max: u64 },
    /// UNSUPPORTED_COMPRESSION_TYPE: zstd before produce version 7.
    #[error("Produce requests with version {0} are not allowed to use ZStandard compression")]
    ZstdTooEarly(i16),
    /// A codec number that never existed. Kafka has no error of its own for it (UNKNOWN_SERVER_ERROR).
    #[error("Unknown compression type id: {0}")]
    UnknownCodec(u8),
    /// INVALID_RECORD.
    #[error("Batch has an invalid offset range: [0, {last_offset_delta}]")]
    OffsetRange { last_offset_delta: i32 },
    /// INVALID_RECORD.
    #[error("Invalid reported count for record batch: {0}")]
    RecordsCount(i32),
    /// INVALID_RECORD.
    #[error("Inconsistent batch offset range [0, {last_offset_delta}] and count of records {count}")]
    CountMismatch { last_offset_delta: i32, count: i32 },
    /// INVALID_RECORD.
    #[error("Clients are not allowed to write control records")]
    ControlFromClient,
    /// INVALID_RECORD.
    #[error("Invalid sequence number {sequence} in record batch with producerId {producer}")]
    NegativeSequence { producer: ProducerId, sequence: Sequence },
    /// The compressed stream does not decode. Kafka has no error of its own for it (UNKNOWN_SERVER_ERROR).
    #[error("Failed to decompress record stream")]
    Undecodable,
    /// INVALID_RECORD: the records decompress to more than any client could read back.
    #[error("Records decompress to more than {max} bytes")]
    Bomb { max: u64 },
    /// INVALID_RECORD: a record whose parts do not add up.
    #[error("{}", .0)]
    Record(RecordFault),
    /// INVALID_RECORD: keyless records for a compacted topic.
    #[error("One or more records have been rejected due to {} record errors in total", .0.total)]
    InvalidRecords(RecordErrors),
    /// INVALID_TIMESTAMP.
    #[error("One or more records have been rejected due to invalid timestamp")]
    InvalidTimestamps(RecordErrors),
}

impl BatchFault {
    /// The message that Kafka puts beside the error code: only faults of single records have one.
    /// `partition` is "topic-0".
    pub fn answered_message(&self, partition: &dyn fmt::Display) -> Option<String> {
        match self {
            BatchFault::InvalidTimestamps(_) => Some(self.to_string()),
            BatchFault::InvalidRecords(errors) => {
                let first = errors.first_three(partition);
                Some(format!("{self}, and only showing the first three errors at most: [{first}]"))
            }
            _ => None,
        }
    }

    /// The records to name in the answer.
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            BatchFault::InvalidRecords(errors) | BatchFault::InvalidTimestamps(errors) => &errors.listed,
            _ => &[],
        }
    }
}

/// How the bytes of one record contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordFault {
    #[error("Found invalid record structure")]
    Varint,
    #[error("Incorrect declared batch size, premature EOF reached")]
    Ends,
    #[error("Invalid record size: the fields of the record do not fill its declared size exactly")]
    Size,
    #[error("Found invalid number of record headers {0}")]
    HeadersCount(i32),
    #[error("Invalid negative header key size {0}")]
    HeaderKey(i32),
    #[error("Incorrect declared batch size, records still remaining in file")]
    Remaining,
    #[error("Record {index} has offset delta {delta}, deltas must follow one another from 0")]
    OffsetDelta { index: i32, delta: i32 },
}

impl From<VarintError> for RecordFault {
    fn from(error: VarintError) -> RecordFault {
        match error {
            VarintError::Ends => RecordFault::Ends,
            VarintError::TooLong => RecordFault::Varint,
        }
    }
}

impl From<RecordFault> for BatchFault {
    fn from(fault: RecordFault) -> BatchFault {
        BatchFault::Record(fault)
    }
}

/// Answers name at most this many records: a compressed batch of a few kilobytes may hold millions of faulty
/// ones, and each costs some hundred bytes of answer.
pub const RECORD_ERRORS_MAX: usize = 1000;

/// The records of a batch that are refused one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordErrors {
    /// How many were refused; more than `listed` holds if there are over `RECORD_ERRORS_MAX`.
    pub total: usize,
    pub listed: Vec<RecordError>,
}

impl RecordErrors {
    pub(in crate::log) fn push(&mut self, error: RecordError) {
        self.total += 1;
        if self.listed.len() < RECORD_ERRORS_MAX {
            self.listed.push(error);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    pub(in crate::log) fn any_timestamp(&self) -> bool {
        self.listed.iter().any(|error| !matches!(error.reason, RecordErrorReason::NoKey))
    }

    fn first_three(&self, partition: &dyn fmt::Display) -> String {
        let text = |error: &RecordError| {
            format!("RecordError(batchIndex={}, message='{}')", error.batch_index, error.message(partition))
        };
        self.listed.iter().take(3).map(text).collect::<Vec<_>>().join(", ")
    }
}

/// One refused record: its index in the batch and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError {
    pub batch_index: i32,
    pub reason: RecordErrorReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordErrorReason {
    /// A compacted topic needs keys.
    NoKey,
    /// Outside of message.timestamp.before.max.ms and message.timestamp.after.max.ms.
    TimestampRange { offset_delta: i32, timestamp: TimestampMs, earliest: TimestampMs, latest: TimestampMs },
    /// Only the broker may choose LogAppendTime.
    LogAppendTime,
}

impl RecordError {
    /// Kafka's message for this record; `partition` is "topic-0".
    pub fn message(&self, partition: &dyn fmt::Display) -> String {
        match self.reason {
            RecordErrorReason::NoKey => {
                format!("Compacted topic cannot accept message without key in topic partition {partition}")
            }
            RecordErrorReason::TimestampRange { offset_delta, timestamp, earliest, latest } => format!(
                "Timestamp {timestamp} of message with offset {offset_delta} is out of range. The timestamp should be \
                 within [{earliest}, {latest}]"
            ),
            RecordErrorReason::LogAppendTime => "Invalid timestamp type in message. Producer should not set \
                 timestamp type to LogAppendTime."
                .to_owned(),
        }
    }
}
