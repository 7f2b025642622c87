//! The record batch of magic 2: its 61-byte header, the fields a broker writes into it,
//! and walks over many batches.

use super::compression::Codec;
use super::fault::BatchFault;
use crate::base::limits::BATCH_HEADER_BYTES;
use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs, TimestampType};

/// Size of the header before the first record.
pub const RECORD_BATCH_OVERHEAD: usize = BATCH_HEADER_BYTES;
/// Bytes before the part that the length field counts.
pub const LOG_OVERHEAD: usize = 12;
/// The only format served.
pub const MAGIC: i8 = 2;
/// The checksum covers everything from the attributes on; what a broker assigns (base offset,
/// epoch) stands before.
pub const CHECKSUM_COVERS_FROM: usize = 21;

/// The smallest length field of any format that existed, and where the magic ends: with fewer bytes than that
/// Kafka's reader cannot tell what it has.
const LENGTH_MIN: i32 = 14;
const BYTES_UP_TO_MAGIC: usize = 17;

const BASE_OFFSET_AT: usize = 0;
const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CHECKSUM_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const RECORDS_COUNT_AT: usize = 57;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME_MASK: i16 = 0x08;
const TRANSACTIONAL_MASK: i16 = 0x10;
const CONTROL_MASK: i16 = 0x20;
const DELETE_HORIZON_MASK: i16 = 0x40;
/// All flags in use. Kafka clears the others whenever it writes the field.
const KNOWN_MASK: i16 = 0x7f;

const _: () = assert!(RECORDS_COUNT_AT + 4 == RECORD_BATCH_OVERHEAD);
const _: () = assert!(CHECKSUM_COVERS_FROM == ATTRIBUTES_AT && CHECKSUM_AT + 4 == ATTRIBUTES_AT);

/// The bytes of one header.
pub type HeaderBytes = [u8; RECORD_BATCH_OVERHEAD];

/// The flags of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    pub fn new(codec: Codec, timestamps: TimestampType) -> Attributes {
        Attributes(i16::from(codec.id())).with_timestamp_type(timestamps)
    }

    pub fn with_codec(self, codec: Codec) -> Attributes {
        Attributes(self.0 & !CODEC_MASK | i16::from(codec.id()))
    }

    pub fn with_timestamp_type(self, timestamps: TimestampType) -> Attributes {
        match timestamps {
            TimestampType::CreateTime => Attributes(self.0 & !LOG_APPEND_TIME_MASK),
            TimestampType::LogAppendTime => Attributes(self.0 | LOG_APPEND_TIME_MASK),
        }
    }

    pub fn transactional(self) -> Attributes {
        Attributes(self.0 | TRANSACTIONAL_MASK)
    }

    pub fn control(self) -> Attributes {
        Attributes(self.0 | CONTROL_MASK)
    }

    pub fn with_delete_horizon(self) -> Attributes {
        Attributes(self.0 | DELETE_HORIZON_MASK)
    }

    pub fn codec(self) -> Result<Codec, BatchFault> {
        let id = (self.0 & CODEC_MASK) as u8;
        Codec::from_id(id).ok_or(BatchFault::UnknownCodec(id))
    }

    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME_MASK == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL_MASK != 0
    }

    pub fn is_control(self) -> bool {
        self.0 & CONTROL_MASK != 0
    }

    /// The base timestamp holds the time at which tombstones may go (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON_MASK != 0
    }
}

/// All fields of a batch header. `parse` and `encode` are each other's inverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// Bytes after this field; see `size` for the whole batch.
    pub length: i32,
    pub leader_epoch: LeaderEpoch,
    pub checksum: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: TimestampMs,
    pub max_timestamp: TimestampMs,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: Sequence,
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads a header and checks its length field and magic, as far as Kafka's `ByteBufferLogInputStream`
    /// does. The records need not be there.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchFault> {
        if let Some((length, magic)) = length_and_magic(bytes)? {
            if magic < MAGIC {
                return Err(BatchFault::OldMagic(magic));
            }
            if (length as usize) < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD {
                let minimum = (RECORD_BATCH_OVERHEAD - LOG_OVERHEAD) as i32;
                return Err(BatchFault::LengthTooSmall { length, minimum });
            }
        }
        let Some(header) = bytes.first_chunk::<RECORD_BATCH_OVERHEAD>() else {
            return Err(BatchFault::Incomplete { have: bytes.len(), need: RECORD_BATCH_OVERHEAD });
        };
        Ok(BatchHeader::from_array(header))
    }

    fn from_array(header: &HeaderBytes) -> BatchHeader {
        BatchHeader {
            base_offset: Offset(i64::from_be_bytes(part(header, BASE_OFFSET_AT))),
            length: i32::from_be_bytes(part(header, LENGTH_AT)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(part(header, LEADER_EPOCH_AT))),
            checksum: u32::from_be_bytes(part(header, CHECKSUM_AT)),
            attributes: Attributes(i16::from_be_bytes(part(header, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(part(header, LAST_OFFSET_DELTA_AT)),
            base_timestamp: TimestampMs(i64::from_be_bytes(part(header, BASE_TIMESTAMP_AT))),
            max_timestamp: TimestampMs(i64::from_be_bytes(part(header, MAX_TIMESTAMP_AT))),
            producer_id: ProducerId(i64::from_be_bytes(part(header, PRODUCER_ID_AT))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(part(header, PRODUCER_EPOCH_AT))),
            base_sequence: Sequence(i32::from_be_bytes(part(header, BASE_SEQUENCE_AT))),
            records_count: i32::from_be_bytes(part(header, RECORDS_COUNT_AT)),
        }
    }

    /// The header's bytes, with the checksum it holds.
    pub fn encode(&self) -> HeaderBytes {
        let mut bytes = [0; RECORD_BATCH_OVERHEAD];
        put(&mut bytes, BASE_OFFSET_AT, self.base_offset.0.to_be_bytes());
        put(&mut bytes, LENGTH_AT, self.length.to_be_bytes());
        put(&mut bytes, LEADER_EPOCH_AT, self.leader_epoch.0.to_be_bytes());
        put(&mut bytes, MAGIC_AT, MAGIC.to_be_bytes());
        put(&mut bytes, CHECKSUM_AT, self.checksum.to_be_bytes());
        put(&mut bytes, ATTRIBUTES_AT, self.attributes.0.to_be_bytes());
        put(&mut bytes, LAST_OFFSET_DELTA_AT, self.last_offset_delta.to_be_bytes());
        put(&mut bytes, BASE_TIMESTAMP_AT, self.base_timestamp.0.to_be_bytes());
        put(&mut bytes, MAX_TIMESTAMP_AT, self.max_timestamp.0.to_be_bytes());
        put(&mut bytes, PRODUCER_ID_AT, self.producer_id.0.to_be_bytes());
        put(&mut bytes, PRODUCER_EPOCH_AT, self.producer_epoch.0.to_be_bytes());
        put(&mut bytes, BASE_SEQUENCE_AT, self.base_sequence.0.to_be_bytes());
        put(&mut bytes, RECORDS_COUNT_AT, self.records_count.to_be_bytes());
        bytes
    }

    /// Bytes of the whole batch, header included. At least `RECORD_BATCH_OVERHEAD` for a parsed header.
    pub fn size(&self) -> usize {
        LOG_OVERHEAD + usize::try_from(self.length).unwrap_or(0)
    }

    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset after this batch.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// The batch comes from an idempotent producer.
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 >= 0
    }

    /// Sequence of the last record; `NONE` if the batch carries none.
    pub fn last_sequence(&self) -> Sequence {
        if self.base_sequence == Sequence::NONE {
            return Sequence::NONE;
        }
        self.base_sequence.plus(self.last_offset_delta)
    }
}

/// Writes the offset of the first record. Outside of the checksum.
pub fn set_base_offset(header: &mut HeaderBytes, offset: Offset) {
    put(header, BASE_OFFSET_AT, offset.0.to_be_bytes());
}

/// Writes the epoch of the leader that appends. Outside of the checksum.
pub fn set_leader_epoch(header: &mut HeaderBytes, epoch: LeaderEpoch) {
    put(header, LEADER_EPOCH_AT, epoch.0.to_be_bytes());
}

/// Writes timestamp type and largest timestamp. Both are inside the checksum, so it is computed again over
/// the header and the `body` (all bytes of the batch after the header).
pub fn set_timestamps(header: &mut HeaderBytes, body: &[u8], timestamps: TimestampType, max: TimestampMs) {
    let known = Attributes(i16::from_be_bytes(part(header, ATTRIBUTES_AT)) & KNOWN_MASK);
    let attributes = known.with_timestamp_type(timestamps);
    put(header, ATTRIBUTES_AT, attributes.0.to_be_bytes());
    put(header, MAX_TIMESTAMP_AT, max.0.to_be_bytes());
    let checksum = checksum_of(header, body);
    put(header, CHECKSUM_AT, checksum.to_be_bytes());
}

/// Gives the batch the time `now` of its append: `set_timestamps` with LogAppendTime.
pub fn set_log_append_time(header: &mut HeaderBytes, body: &[u8], now: TimestampMs) {
    set_timestamps(header, body, TimestampType::LogAppendTime, now);
}

/// The checksum a batch of this header and body must carry.
pub fn checksum_of(header: &HeaderBytes, body: &[u8]) -> u32 {
    let covered = header.get(CHECKSUM_COVERS_FROM..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(covered), body)
}

/// One whole batch among many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    pub header: BatchHeader,
    /// Header and records, exactly `header.size()` bytes.
    pub bytes: &'a [u8],
    /// Where it starts in what was walked.
    pub at: usize,
}

impl<'a> Batch<'a> {
    /// Reads the batch at the start of `bytes`, which may hold more.
    pub fn parse(bytes: &'a [u8]) -> Result<Batch<'a>, BatchFault> {
        let header = BatchHeader::parse(bytes)?;
        let need = header.size();
        let whole = bytes.get(..need).ok_or(BatchFault::Incomplete { have: bytes.len(), need })?;
        Ok(Batch { header, bytes: whole, at: 0 })
    }

    /// The bytes after the header, compressed if a codec is set.
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(RECORD_BATCH_OVERHEAD..).unwrap_or_default()
    }

    pub fn verify_checksum(&self) -> Result<(), BatchFault> {
        let covered = self.bytes.get(CHECKSUM_COVERS_FROM..).unwrap_or_default();
        let (stored, computed) = (self.header.checksum, crc32c::crc32c(covered));
        if stored == computed { Ok(()) } else { Err(BatchFault::Checksum { stored, computed }) }
    }
}

/// Walks batches that stand one after another, as in a segment or a fetch answer. It checks lengths and
/// magic, not checksums. A fault is the last item; `position` then tells where it begins.
#[derive(Debug, Clone)]
pub struct BatchWalk<'a> {
    bytes: &'a [u8],
    at: usize,
    failed: bool,
}

impl<'a> BatchWalk<'a> {
    pub fn new(bytes: &'a [u8]) -> BatchWalk<'a> {
        BatchWalk { bytes, at: 0, failed: false }
    }

    /// Bytes of whole batches so far.
    pub fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for BatchWalk<'a> {
    type Item = Result<Batch<'a>, BatchFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if self.failed || rest.is_empty() {
            return None;
        }
        let result = Batch::parse(rest).map(|batch| Batch { at: self.at, ..batch });
        match &result {
            Ok(batch) => self.at += batch.bytes.len(),
            Err(_) => self.failed = true,
        }
        Some(result)
    }
}

/// Reads length field and magic of the batch at the start of `bytes`;
/// `None` if too few bytes are there to tell.
pub(in crate::log) fn length_and_magic(bytes: &[u8]) -> Result<Option<(i32, i8)>, BatchFault> {
    let Some(length) = bytes.get(LENGTH_AT..).and_then(|rest| rest.first_chunk()) else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(*length);
    if length < LENGTH_MIN {
        return Err(BatchFault::LengthTooSmall { length, minimum: LENGTH_MIN });
    }
    let Some(&magic) = bytes.get(MAGIC_AT) else {
        return Ok(None);
    };
    let magic = magic as i8;
    if !(0..=MAGIC).contains(&magic) {
        return Err(BatchFault::UnknownMagic(magic));
    }
    Ok(Some((length, magic)))
}

const _: () = assert!(MAGIC_AT + 1 == BYTES_UP_TO_MAGIC);

#[expect(clippy::indexing_slicing, reason = "every caller passes a constant place inside the header")]
fn part<const N: usize>(header: &HeaderBytes, at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&header[at..at + N]);
    out
}

#[expect(clippy::indexing_slicing, reason = "every caller passes a constant place inside the header")]
fn put<const N: usize>(header: &mut HeaderBytes, at: usize, field: [u8; N]) {
    header[at..at + N].copy_from_slice(&field);
}
