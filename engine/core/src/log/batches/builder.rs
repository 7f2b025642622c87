//! An encoder of record batches, as a producer is one: for tests, the simulated world and the load generator.

use std::io;

use millrace_codec::varint::put_i64;

use super::batch::{self, Attributes, BatchHeader, LOG_OVERHEAD, RECORD_BATCH_OVERHEAD};
use super::compression::{self, Codec};
use super::records::put_nullable;
use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs, TimestampType};

/// One record to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRecord<'a> {
    pub timestamp: TimestampMs,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

impl<'a> BatchRecord<'a> {
    /// A record without key and headers.
    pub fn of_value(timestamp: TimestampMs, value: &'a [u8]) -> BatchRecord<'a> {
        BatchRecord { timestamp, key: None, value: Some(value), headers: &[] }
    }

    pub fn with_key(self, key: &'a [u8]) -> BatchRecord<'a> {
        BatchRecord { key: Some(key), ..self }
    }
}

/// Builds one batch of magic 2. Records get consecutive offset deltas; the first record's time is the base. A
/// builder may be used again after `clear`, which keeps its memory.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    header: BatchHeader,
    codec: Codec,
    records: Vec<u8>,
    scratch: Vec<u8>,
}

impl BatchBuilder {
    /// A batch as a plain producer sends it: base offset 0, no producer id, CreateTime.
    pub fn new(codec: Codec) -> BatchBuilder {
        let header = BatchHeader {
            base_offset: Offset::ZERO,
            length: 0,
            leader_epoch: LeaderEpoch::NONE,
            checksum: 0,
            attributes: Attributes::new(codec, TimestampType::CreateTime),
            last_offset_delta: -1,
            base_timestamp: TimestampMs::NONE,
            max_timestamp: TimestampMs::NONE,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            records_count: 0,
        };
        BatchBuilder { header, codec, records: Vec::new(), scratch: Vec::new() }
    }

    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    pub fn base_offset(mut self, offset: Offset) -> BatchBuilder {
        self.header.base_offset = offset;
        self
    }

    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> BatchBuilder {
        self.header.leader_epoch = epoch;
        self
    }

    pub fn transactional(mut self) -> BatchBuilder {
        self.header.attributes = self.header.attributes.transactional();
        self
    }

    pub fn control(mut self) -> BatchBuilder {
        self.header.attributes = self.header.attributes.control();
        self
    }

    /// The batch carries the time of its append, as in a log of that type.
    pub fn log_append_time(mut self, now: TimestampMs) -> BatchBuilder {
        self.header.attributes = self.header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self.header.max_timestamp = now;
        self
    }

    /// Changes the sequence of the first record, for the next batch of the same producer.
    pub fn set_base_sequence(&mut self, base_sequence: Sequence) {
        self.header.base_sequence = base_sequence;
    }

    /// A record with key and value, in the fluent form.
    pub fn record(mut self, record: BatchRecord<'_>) -> BatchBuilder {
        self.push(record);
        self
    }

    pub fn push(&mut self, record: BatchRecord<'_>) {
        if self.header.records_count == 0 {
            self.header.base_timestamp = record.timestamp;
        }
        if self.header.attributes.timestamp_type() == TimestampType::CreateTime {
            self.header.max_timestamp = self.header.max_timestamp.max(record.timestamp);
        }
        self.header.last_offset_delta += 1;
        self.header.records_count += 1;
        let delta = record.timestamp.0.wrapping_sub(self.header.base_timestamp.0);
        self.scratch.clear();
        encode_body(&mut self.scratch, &record, delta, self.header.last_offset_delta);
        put_i64(&mut self.records, self.scratch.len() as i64);
        self.records.extend_from_slice(&self.scratch);
    }

    pub fn len(&self) -> i32 {
        self.header.records_count
    }

    pub fn is_empty(&self) -> bool {
        self.header.records_count == 0
    }

    /// Bytes of the records so far, uncompressed.
    pub fn records_bytes(&self) -> usize {
        self.records.len()
    }

    /// Forgets the records, keeps producer and flags.
    pub fn clear(&mut self) {
        self.records.clear();
        self.header.records_count = 0;
        self.header.last_offset_delta = -1;
        if self.header.attributes.timestamp_type() == TimestampType::CreateTime {
            self.header.max_timestamp = TimestampMs::NONE;
        }
    }

    /// The batch's bytes.
    pub fn build(&self) -> Vec<u8> {
        let built = self.try_build();
        assert!(built.is_ok(), "compressing into memory does not fail");
        built.unwrap_or_default()
    }

    fn try_build(&self) -> io::Result<Vec<u8>> {
        if self.codec == Codec::None {
            return Ok(self.assemble(&self.records));
        }
        Ok(self.assemble(&compression::compress(self.codec, &self.records)?))
    }

    /// The batch around `body`, which holds the records as the codec would have them.
    /// For broken batches in tests.
    pub fn assemble(&self, body: &[u8]) -> Vec<u8> {
        let length = i32::try_from(RECORD_BATCH_OVERHEAD - LOG_OVERHEAD + body.len());
        assert!(length.is_ok(), "a batch has at most 2^31-1 bytes");
        let header = BatchHeader { length: length.unwrap_or_default(), ..self.header };
        let checksum = batch::checksum_of(&header.encode(), body);
        let mut out = Vec::with_capacity(header.size());
        out.extend_from_slice(&BatchHeader { checksum, ..header }.encode());
        out.extend_from_slice(body);
        out
    }
}

fn encode_body(out: &mut Vec<u8>, record: &BatchRecord<'_>, timestamp_delta: i64, offset_delta: i32) {
    // Record attributes: none are in use.
    out.push(0);
    put_i64(out, timestamp_delta);
    put_i64(out, i64::from(offset_delta));
    put_nullable(out, record.key);
    put_nullable(out, record.value);
    put_i64(out, record.headers.len() as i64);
    for (key, value) in record.headers {
        put_nullable(out, Some(key));
        put_nullable(out, *value);
    }
}
