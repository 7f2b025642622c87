//! A journal frame: its layout byte by byte, and the checks a frame read back must pass.
//!
//! A frame begins and ends on a 4 KiB boundary of its slot file and of the ring. Little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0-7 | magic `MRJOURNL` |
//! | 8-9 | version, 1 |
//! | 10-11 | shard |
//! | 12-15 | number of entries |
//! | 16-23 | boot nonce |
//! | 24-31 | sequence, from 1 |
//! | 32-39 | flushed sequence: every frame up to it was on the device when this one was sealed; 0 for none |
//! | 40-43 | bytes of all entry heads |
//! | 44-47 | bytes of all payloads |
//! | 48-51 | length of the frame, a multiple of 4096 |
//! | 52-55 | header checksum of the frame before; 0 in the first |
//! | 56-59 | content checksum: CRC-32C of the entry heads, then of the first 61 bytes of each batch of each append, in order |
//! | 60-63 | header checksum: CRC-32C of bytes 0-59 |
//! | 64- | entry heads (see `entry`), payloads, padding of no meaning |
//!
//! The header checksum covers the content checksum and so stands for the whole frame in the chain. An
//! append's bytes behind a batch header rest on the batch's own CRC, those of carries and extents on a
//! CRC-32C in their heads: each payload byte is summed once.

use super::batches::{BatchFlaw, digest_headers, verify_batches};
use super::entry::{Entry, Head};
use crate::base::limits::BLOCK_BYTES;
use crate::base::{Corrupt, ShardIndex};
use bytes::Bytes;
use millrace_codec::Fields;
use std::fmt;

/// Header of every frame.
pub const FRAME_HEADER_BYTES: usize = 64;

pub(crate) const MAGIC: [u8; 8] = *b"MRJOURNL";
const VERSION: u16 = 1;
const HEADER_CHECKSUM_AT: usize = 60;

/// Number of a frame within its boot; 0 stands for "none yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FrameSequence(pub u64);

impl FrameSequence {
    pub const NONE: FrameSequence = FrameSequence(0);
    pub const FIRST: FrameSequence = FrameSequence(1);

    pub fn next(self) -> FrameSequence {
        FrameSequence(self.0.saturating_add(1))
    }
}

impl fmt::Display for FrameSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A random number that tells the journal of one start of the broker from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootNonce(pub u64);

impl fmt::Display for BootNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The fields of a frame's header but for its own checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    pub shard: ShardIndex,
    pub boot: BootNonce,
    pub sequence: FrameSequence,
    /// Every frame up to this one was on the device when this one was sealed.
    pub flushed: FrameSequence,
    pub entry_count: u32,
    pub heads_bytes: u32,
    pub payload_bytes: u32,
    /// Whole length, a multiple of 4 KiB.
    pub frame_bytes: u32,
    /// Header checksum of the frame before.
    pub previous_checksum: u32,
    pub content_checksum: u32,
}

impl FrameHeader {
    /// The header's bytes; the last four are its checksum.
    pub(crate) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = Vec::with_capacity(FRAME_HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.shard.0.to_le_bytes());
        out.extend_from_slice(&self.entry_count.to_le_bytes());
        out.extend_from_slice(&self.boot.0.to_le_bytes());
        out.extend_from_slice(&self.sequence.0.to_le_bytes());
        out.extend_from_slice(&self.flushed.0.to_le_bytes());
        out.extend_from_slice(&self.heads_bytes.to_le_bytes());
        out.extend_from_slice(&self.payload_bytes.to_le_bytes());
        out.extend_from_slice(&self.frame_bytes.to_le_bytes());
        out.extend_from_slice(&self.previous_checksum.to_le_bytes());
        out.extend_from_slice(&self.content_checksum.to_le_bytes());
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.first_chunk().copied().unwrap_or([0; FRAME_HEADER_BYTES])
    }

    /// Reads the header at the start of `bytes` and its checksum; says nothing of what follows.
    pub fn decode(bytes: &[u8]) -> Result<(FrameHeader, u32), FrameFault> {
        let header = bytes.first_chunk::<FRAME_HEADER_BYTES>().ok_or(FrameFault::NotAFrame)?;
        let mut fields = Fields::new(header);
        if fields.array() != Some(MAGIC) {
            return Err(FrameFault::NotAFrame);
        }
        let (covered, _) = header.split_at(HEADER_CHECKSUM_AT);
        let checksum = crc32c::crc32c(covered);
        if header.last_chunk() != Some(&checksum.to_le_bytes()) {
            return Err(FrameFault::HeaderChecksum);
        }
        if fields.u16() != Some(VERSION) {
            return Err(FrameFault::Version);
        }
        let header = FrameHeader::decode_fields(&mut fields).ok_or(FrameFault::NotAFrame)?;
        Ok((header, checksum))
    }

    fn decode_fields(fields: &mut Fields<'_>) -> Option<FrameHeader> {
        let shard = ShardIndex(fields.u16()?);
        let entry_count = fields.u32()?;
        Some(FrameHeader {
            shard,
            entry_count,
            boot: BootNonce(fields.u64()?),
            sequence: FrameSequence(fields.u64()?),
            flushed: FrameSequence(fields.u64()?),
            heads_bytes: fields.u32()?,
            payload_bytes: fields.u32()?,
            frame_bytes: fields.u32()?,
            previous_checksum: fields.u32()?,
            content_checksum: fields.u32()?,
        })
    }

    /// Bytes of header, heads and payloads.
    fn content_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.heads_bytes as usize + self.payload_bytes as usize
    }
}

/// Why bytes are not a whole, valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    #[error("no frame begins here")]
    NotAFrame,
    #[error("the frame's header does not match its checksum")]
    HeaderChecksum,
    #[error("the frame was written by another version of the journal")]
    Version,
    #[error("the frame's lengths contradict each other or its place")]
    Lengths,
    #[error("the frame's entries do not match its content checksum")]
    ContentChecksum,
    #[error("a record batch in the frame does not match its CRC")]
    BatchChecksum,
    #[error("the payload of a carry or extent does not match its checksum")]
    PayloadChecksum,
    #[error("{0}")]
    Entry(#[from] Corrupt),
}

impl From<BatchFlaw> for FrameFault {
    fn from(flaw: BatchFlaw) -> FrameFault {
        match flaw {
            // The content checksum covers the lengths: if they do not add up, it would not match either.
            BatchFlaw::Shape => FrameFault::ContentChecksum,
            BatchFlaw::Checksum => FrameFault::BatchChecksum,
        }
    }
}

/// A frame read back whole: every byte that means something was checked.
#[derive(Debug, Clone)]
pub struct Frame {
    pub header: FrameHeader,
    /// The header's own checksum, which the next frame repeats.
    pub checksum: u32,
    pub entries: Vec<Entry<Bytes>>,
}

impl Frame {
    /// Reads the frame at the start of `bytes`, which may go on behind it. Payloads are slices of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Frame, FrameFault> {
        let (header, checksum) = FrameHeader::decode(bytes)?;
        let length = header.frame_bytes as usize;
        let aligned = length.is_multiple_of(BLOCK_BYTES) && length >= header.content_bytes();
        if !aligned || length > bytes.len() {
            return Err(FrameFault::Lengths);
        }
        let mut content = CRC_START;
        let entries = decode_entries(&header, bytes, &mut content)?;
        if content != header.content_checksum {
            return Err(FrameFault::ContentChecksum);
        }
        // Only now are the heads' own words to be trusted: that a payload is bad,
        // not the place it is looked for.
        for (entry, checksum) in &entries {
            verify_payload(entry, *checksum)?;
        }
        Ok(Frame { header, checksum, entries: entries.into_iter().map(|(entry, _)| entry).collect() })
    }
}

const CRC_START: u32 = 0;

type EntryAndChecksum = (Entry<Bytes>, Option<u32>);

fn decode_entries(
    header: &FrameHeader,
    bytes: &Bytes,
    content: &mut u32,
) -> Result<Vec<EntryAndChecksum>, FrameFault> {
    let heads_end = FRAME_HEADER_BYTES + header.heads_bytes as usize;
    let heads = bytes.get(FRAME_HEADER_BYTES..heads_end).ok_or(FrameFault::Lengths)?;
    *content = crc32c::crc32c_append(*content, heads);
    let mut fields = Fields::new(heads);
    let mut entries = Vec::new();
    let mut at = heads_end;
    while fields.remaining() > 0 {
        let head_at = (heads_end - fields.remaining()) as u64;
        let head = Head::decode(&mut fields, head_at)?;
        let length = head.entry.payload().copied().unwrap_or(0);
        let end = at.checked_add(length).filter(|end| *end <= header.content_bytes());
        let payload = bytes.slice(at..end.ok_or(FrameFault::Lengths)?);
        at += length;
        if let Entry::Append { .. } = head.entry {
            *content = digest_headers(&payload, *content)?;
        }
        entries.push((head.entry.with_payload(payload), head.payload_checksum));
    }
    if entries.len() != header.entry_count as usize || at != header.content_bytes() {
        return Err(FrameFault::Lengths);
    }
    Ok(entries)
}

fn verify_payload(entry: &Entry<Bytes>, checksum: Option<u32>) -> Result<(), FrameFault> {
    match (entry, checksum) {
        (Entry::Append { payload, .. }, _) => Ok(verify_batches(payload)?),
        (Entry::Carry { payload, .. } | Entry::Extent { payload, .. }, Some(checksum))
            if crc32c::crc32c(payload) != checksum =>
        {
            Err(FrameFault::PayloadChecksum)
        }
        _ => Ok(()),
    }
}
