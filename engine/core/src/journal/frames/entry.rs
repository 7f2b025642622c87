//! The entries of a journal frame and the layout of their heads.
//!
//! Little-endian. Heads stand one after another behind the frame header, payloads one after another behind
//! the heads, in the same order, at any alignment. Every head begins with the same 32 bytes:
//!
//! | bytes | field |
//! |---|---|
//! | 0 | kind: 1 append, 2 carry, 3 roll, 4 log start, 5 truncate, 6 drop, 7 extent, 8 compact |
//! | 1-3 | zero |
//! | 4-7 | bytes of payload |
//! | 8-23 | topic id |
//! | 24-27 | partition |
//! | 28-31 | CRC-32C of a carry's or an extent's payload; else zero |
//!
//! and goes on with the fields of its kind, each of 8 bytes unless it says otherwise:
//!
//! | kind | from byte 32 | head bytes |
//! |---|---|---|
//! | append, carry | segment, position, base offset, next offset | 64 |
//! | extent | the same, then length in the segment file, bytes of batch headers in the payload (4), zero (4) | 80 |
//! | roll | segment, final length of the segment before it | 48 |
//! | log start | offset | 40 |
//! | truncate | to offset, segment, position | 56 |
//! | drop | nothing | 32 |
//! | compact | segment, offset behind it, length of its new file, largest timestamp, number of that file | 72 |
//!
//! An append's payload is whole v2 batches. A carry's is every byte of its partition from `position` to the
//! end of the partition's tail in that segment; it may begin inside a batch. An extent's payload is the
//! header of each of its batches, from which a replay learns what it would learn from an append, and then the
//! bytes behind the last whole block that is in the segment file.

use crate::base::limits::BATCH_HEADER_BYTES;
use crate::base::{Corrupt, Offset, PartitionIndex, PartitionKey, Position, TimestampMs, TopicId};
use bytes::Bytes;
use millrace_codec::Fields;

/// Head of an append or carry entry.
pub const APPEND_HEAD_BYTES: usize = 64;

/// Head of an extent entry.
pub const EXTENT_HEAD_BYTES: usize = 80;

const COMMON_HEAD_BYTES: usize = 32;

mod kind {
    pub(in crate::journal) const APPEND: u8 = 1;
    pub(in crate::journal) const CARRY: u8 = 2;
    pub(in crate::journal) const ROLL: u8 = 3;
    pub(in crate::journal) const LOG_START: u8 = 4;
    pub(in crate::journal) const TRUNCATE: u8 = 5;
    pub(in crate::journal) const DROP: u8 = 6;
    pub(in crate::journal) const EXTENT: u8 = 7;
    pub(in crate::journal) const COMPACT: u8 = 8;
}

/// Where an entry's bytes belong: from `position` of the segment file whose base offset is `segment`; they
/// hold records from `base_offset` up to, not including, `next_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub key: PartitionKey,
    pub segment: Offset,
    pub position: Position,
    pub base_offset: Offset,
    pub next_offset: Offset,
}

/// One change of one partition, with its payload as `P`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<P> {
    /// Whole batches appended to the log.
    Append { span: Span, payload: P },
    /// The tail again, from `span.position` to its end in the segment;
    /// `base_offset` is that of the batch which holds the first byte.
    Carry { span: Span, payload: P },
    /// Batches appended to the log most of whose bytes were written to the segment file before, and only
    /// there: `length` bytes from `span.position` on are durable in it, those of older batches that stood in
    /// memory among them. Of the payload the first `header_bytes` are the new batches' headers; the rest, if
    /// any, follows what is in the file.
    Extent { span: Span, length: u64, header_bytes: u32, payload: P },
    /// The next segment begins at `segment`; the one before it ends at `previous_length`.
    Roll { key: PartitionKey, segment: Offset, previous_length: Position },
    /// Records below `offset` are gone.
    LogStart { key: PartitionKey, offset: Offset },
    /// The log ends at offset `to`, which is byte `position` of `segment`; later segments are gone.
    Truncate { key: PartitionKey, to: Offset, segment: Offset, position: Position },
    /// The partition is gone.
    Drop { key: PartitionKey },
    /// Segments became one.
    Compact { key: PartitionKey, new: CompactedSegment },
}

/// A segment in the place of those from its base offset up to `end`: compaction wrote its batches to a file
/// of their own, which is durable under a name that has this number until it gets the segment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactedSegment {
    pub segment: Offset,
    /// Where the next segment begins.
    pub end: Offset,
    pub length: Position,
    /// Of all its records, `NONE` if none has a time.
    pub max_timestamp: TimestampMs,
    /// No other file of the partition that this run makes has it.
    pub number: u64,
}

impl CompactedSegment {
    /// Whether it stands in the place of the segment that began with `base`.
    pub fn replaces(&self, base: Offset) -> bool {
        (self.segment..self.end).contains(&base)
    }
}

/// What an entry that is to be sealed carries.
pub trait Payload {
    /// The payload is what they make together.
    fn pieces(&self) -> impl Iterator<Item = &[u8]>;
}

impl Payload for &[Bytes] {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().map(AsRef::as_ref)
    }
}

impl Payload for Vec<Bytes> {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().map(AsRef::as_ref)
    }
}

impl<P> Entry<P> {
    pub fn key(&self) -> PartitionKey {
        match self {
            Entry::Append { span, .. } | Entry::Carry { span, .. } | Entry::Extent { span, .. } => span.key,
            Entry::Roll { key, .. }
            | Entry::LogStart { key, .. }
            | Entry::Truncate { key, .. }
            | Entry::Drop { key }
            | Entry::Compact { key, .. } => *key,
        }
    }

    /// Bytes of the entry's head in a frame.
    pub fn head_bytes(&self) -> usize {
        COMMON_HEAD_BYTES
            + match self {
                Entry::Append { .. } | Entry::Carry { .. } => 32,
                Entry::Extent { .. } => 48,
                Entry::Roll { .. } => 16,
                Entry::LogStart { .. } => 8,
                Entry::Truncate { .. } => 24,
                Entry::Drop { .. } => 0,
                Entry::Compact { .. } => 40,
            }
    }

    pub(crate) fn payload(&self) -> Option<&P> {
        match self {
            Entry::Append { payload, .. } | Entry::Carry { payload, .. } | Entry::Extent { payload, .. } => {
                Some(payload)
            }
            _ => None,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Entry::Append { .. } => kind::APPEND,
            Entry::Carry { .. } => kind::CARRY,
            Entry::Roll { .. } => kind::ROLL,
            Entry::LogStart { .. } => kind::LOG_START,
            Entry::Truncate { .. } => kind::TRUNCATE,
            Entry::Drop { .. } => kind::DROP,
            Entry::Extent { .. } => kind::EXTENT,
            Entry::Compact { .. } => kind::COMPACT,
        }
    }
}

impl<P: Payload> Entry<P> {
    pub fn payload_bytes(&self) -> usize {
        self.payload().map_or(0, |payload| payload.pieces().map(<[u8]>::len).sum())
    }

    /// What the entry takes of a frame: compare the sum with `Journal::room`.
    pub fn sealed_bytes(&self) -> usize {
        self.head_bytes() + self.payload_bytes()
    }

    /// Appends the entry's head to `out`.
    pub(crate) fn encode_head(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        let payload_bytes = self.payload_bytes();
        assert!(u32::try_from(payload_bytes).is_ok(), "an entry is far below 4 GiB");
        let checksum = match self {
            Entry::Carry { payload, .. } | Entry::Extent { payload, .. } => checksum_of(payload),
            _ => 0,
        };
        let key = self.key();
        out.extend_from_slice(&[self.kind(), 0, 0, 0]);
        out.extend_from_slice(&(payload_bytes as u32).to_le_bytes());
        out.extend_from_slice(&key.topic.0);
        out.extend_from_slice(&key.partition.0.to_le_bytes());
        out.extend_from_slice(&checksum.to_le_bytes());
        match self {
            Entry::Append { span, .. } | Entry::Carry { span, .. } => encode_span(span, out),
            Entry::Extent { span, length, header_bytes, .. } => {
                assert!(
                    *header_bytes as usize <= payload_bytes,
                    "an extent's batch headers are part of its payload"
                );
                encode_span(span, out);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(&header_bytes.to_le_bytes());
                out.extend_from_slice(&[0; 4]);
            }
            Entry::Roll { segment, previous_length, .. } => {
                out.extend_from_slice(&segment.0.to_le_bytes());
                out.extend_from_slice(&previous_length.0.to_le_bytes());
            }
            Entry::LogStart { offset, .. } => out.extend_from_slice(&offset.0.to_le_bytes()),
            Entry::Truncate { to, segment, position, .. } => {
                out.extend_from_slice(&to.0.to_le_bytes());
                out.extend_from_slice(&segment.0.to_le_bytes());
                out.extend_from_slice(&position.0.to_le_bytes());
            }
            Entry::Drop { .. } => {}
            Entry::Compact { new, .. } => encode_compacted(new, out),
        }
        assert_eq!(out.len() - begin, self.head_bytes(), "a head has the length of its kind");
    }
}

/// An entry's head as read: the entry with its payload's length, and the CRC-32C its payload must have
/// (appends rest on their batches' own).
pub(crate) struct Head {
    pub(crate) entry: Entry<usize>,
    pub(crate) payload_checksum: Option<u32>,
}

impl Head {
    /// Reads one head; `at` is where it stands, for the error.
    pub(crate) fn decode(fields: &mut Fields<'_>, at: u64) -> Result<Head, Corrupt> {
        let corrupt = |reason| Corrupt::new("journal entry", at, reason);
        let short = || corrupt("the head is cut short");
        let kind = fields.u8().ok_or_else(short)?;
        if fields.array::<3>().ok_or_else(short)? != [0; 3] {
            return Err(corrupt("reserved bytes are not zero"));
        }
        let payload = fields.u32().ok_or_else(short)? as usize;
        let topic = TopicId(fields.array().ok_or_else(short)?);
        let key = PartitionKey::new(topic, PartitionIndex(fields.i32().ok_or_else(short)?));
        let checksum = fields.u32().ok_or_else(short)?;
        let head = decode_fields(fields, kind, key, payload, checksum).ok_or_else(short)?;
        let Some(head) = head else { return Err(corrupt("unknown kind of entry")) };
        if head.entry.payload().is_none() && payload != 0 {
            return Err(corrupt("an entry without payload claims one"));
        }
        let has_checksum = matches!(head.entry, Entry::Carry { .. } | Entry::Extent { .. });
        if !has_checksum && checksum != 0 {
            return Err(corrupt("an entry without a checksum claims one"));
        }
        match head.entry {
            Entry::Extent { header_bytes, .. } if !are_headers(header_bytes as usize, payload) => {
                Err(corrupt("an extent's batch headers are no whole headers inside its payload"))
            }
            _ => Ok(head),
        }
    }
}

/// None: cut short; Some(None): a kind that this version does not know.
fn decode_fields(
    fields: &mut Fields<'_>,
    kind: u8,
    key: PartitionKey,
    payload: usize,
    checksum: u32,
) -> Option<Option<Head>> {
    let mut payload_checksum = None;
    let entry = match kind {
        kind::APPEND => Entry::Append { span: decode_span(fields, key)?, payload },
        kind::CARRY => {
            payload_checksum = Some(checksum);
            Entry::Carry { span: decode_span(fields, key)?, payload }
        }
        kind::EXTENT => {
            let span = decode_span(fields, key)?;
            let (length, header_bytes) = (fields.u64()?, fields.u32()?);
            payload_checksum = Some(checksum);
            if fields.u32()? != 0 {
                return Some(None);
            }
            Entry::Extent { span, length, header_bytes, payload }
        }
        kind::ROLL => {
            Entry::Roll { key, segment: Offset(fields.i64()?), previous_length: Position(fields.u64()?) }
        }
        kind::LOG_START => Entry::LogStart { key, offset: Offset(fields.i64()?) },
        kind::TRUNCATE => {
            let (to, segment) = (Offset(fields.i64()?), Offset(fields.i64()?));
            Entry::Truncate { key, to, segment, position: Position(fields.u64()?) }
        }
        kind::DROP => Entry::Drop { key },
        kind::COMPACT => Entry::Compact { key, new: decode_compacted(fields)? },
        _ => return Some(None),
    };
    Some(Some(Head { entry, payload_checksum }))
}

impl Entry<usize> {
    /// The same entry with its payload instead of the payload's length.
    pub(crate) fn with_payload(self, bytes: Bytes) -> Entry<Bytes> {
        match self {
            Entry::Append { span, .. } => Entry::Append { span, payload: bytes },
            Entry::Carry { span, .. } => Entry::Carry { span, payload: bytes },
            Entry::Extent { span, length, header_bytes, .. } => {
                Entry::Extent { span, length, header_bytes, payload: bytes }
            }
            Entry::Roll { key, segment, previous_length } => Entry::Roll { key, segment, previous_length },
            Entry::LogStart { key, offset } => Entry::LogStart { key, offset },
            Entry::Truncate { key, to, segment, position } => Entry::Truncate { key, to, segment, position },
            Entry::Drop { key } => Entry::Drop { key },
            Entry::Compact { key, new } => Entry::Compact { key, new },
        }
    }
}

fn are_headers(header_bytes: usize, payload: usize) -> bool {
    header_bytes <= payload && header_bytes.is_multiple_of(BATCH_HEADER_BYTES)
}

fn checksum_of(payload: &impl Payload) -> u32 {
    payload.pieces().fold(0, crc32c::crc32c_append)
}

fn encode_span(span: &Span, out: &mut Vec<u8>) {
    out.extend_from_slice(&span.segment.0.to_le_bytes());
    out.extend_from_slice(&span.position.0.to_le_bytes());
    out.extend_from_slice(&span.base_offset.0.to_le_bytes());
    out.extend_from_slice(&span.next_offset.0.to_le_bytes());
}

fn decode_span(fields: &mut Fields<'_>, key: PartitionKey) -> Option<Span> {
    Some(Span {
        key,
        segment: Offset(fields.i64()?),
        position: Position(fields.u64()?),
        base_offset: Offset(fields.i64()?),
        next_offset: Offset(fields.i64()?),
    })
}

fn encode_compacted(new: &CompactedSegment, out: &mut Vec<u8>) {
    out.extend_from_slice(&new.segment.0.to_le_bytes());
    out.extend_from_slice(&new.end.0.to_le_bytes());
    out.extend_from_slice(&new.length.0.to_le_bytes());
    out.extend_from_slice(&new.max_timestamp.0.to_le_bytes());
    out.extend_from_slice(&new.number.to_le_bytes());
}

fn decode_compacted(fields: &mut Fields<'_>) -> Option<CompactedSegment> {
    Some(CompactedSegment {
        segment: Offset(fields.i64()?),
        end: Offset(fields.i64()?),
        length: Position(fields.u64()?),
        max_timestamp: TimestampMs(fields.i64()?),
        number: fields.u64()?,
    })
}
