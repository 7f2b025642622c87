//! A shard's checkpoint: what its journal need not be replayed for, in one of two files written in turn.
//!
//! Little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0-7 | magic `MRCHECKP` |
//! | 8-9 | version, 3 |
//! | 10-11 | shard |
//! | 12-15 | zero |
//! | 16-23 | boot nonce of the journal |
//! | 24-31 | number of the checkpoint: the higher of two valid ones counts |
//! | 32-39 | replay from this frame |
//! | 40-47 | the state is that after this frame; 0 for none |
//! | 48-55 | bytes of content |
//! | 56-59 | CRC-32C of the content |
//! | 60-63 | CRC-32C of bytes 0-59 |
//! | 64- | content: the partitions, rkyv (32-bit little-endian pointers), then zeros |
//! | last 64 | bytes 0-63 again; with them the length is a multiple of 4 KiB |
//!
//! A file that held a longer checkpoint keeps its length, so the copy is looked for at the end of each 4 KiB.

use super::frames::frame::{BootNonce, FrameSequence};
use crate::base::limits::BLOCK_BYTES;
use crate::base::{Corrupt, Offset, PartitionIndex, PartitionKey, ShardIndex, TopicId};
use crate::log::producers::ProducerSnapshot;
use millrace_codec::Fields;
use rkyv::rancor::Failure;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeSet;

const MAGIC: [u8; 8] = *b"MRCHECKP";
const VERSION: u16 = 3;
const HEADER_BYTES: usize = 64;
const HEADER_CHECKSUM_AT: usize = 60;

/// State of every partition of a shard right after frame `through`.
///
/// The shard takes it when everything admitted is sealed (`through` = `Journal::sealed`) and writes it only
/// once that frame is hard: otherwise a crash would leave producer windows that remember batches nobody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardCheckpoint {
    pub shard: ShardIndex,
    pub boot: BootNonce,
    /// Counts the checkpoints of this journal.
    pub number: u64,
    /// The oldest frame that holds bytes which are not durable in a segment;
    /// the frame after `through` if there is none.
    pub replay_from: FrameSequence,
    /// The last frame whose entries the state reflects. `NONE` in the checkpoint a journal begins with.
    pub through: FrameSequence,
    pub partitions: Vec<PartitionCheckpoint>,
}

/// One partition: its log's shape, and what is derived from its batches.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct PartitionCheckpoint {
    pub topic: [u8; 16],
    pub partition: i32,
    pub log_start_offset: i64,
    /// Base offsets of the segment files, ascending, up to the one that holds the first byte which is not
    /// durable. Later ones are left out: their roll entries are not older than that byte, so replay finds
    /// them. Hence a tail that reaches over a roll must not be carried before its part in the earlier segment
    /// is flushed.
    pub segments: Vec<i64>,
    /// Bytes of the last of `segments` that are durable in its file; all before it are durable whole. A
    /// multiple of 4 KiB unless the segment was closed.
    pub position: u64,
    /// What is known of every segment, also of those that `segments` leaves out: so that neither a lookup by
    /// time nor retention must read a segment to learn whether it matters.
    pub facts: Vec<SegmentFacts>,
    pub log_end_offset: i64,
    pub high_watermark: i64,
    /// Leader epochs and their start offsets.
    pub epochs: Vec<(i32, i64)>,
    pub producers: Vec<ProducerCheckpoint>,
}

/// What the headers of a journal's checkpoints say of its frames, whether their content is good or not: a
/// checkpoint is only written once this is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckpointBounds {
    /// What frames before this one hold is durable elsewhere.
    pub replay_from: FrameSequence,
    /// Every frame up to this one was on the device.
    pub through: FrameSequence,
}

impl CheckpointBounds {
    /// Of both files of the journal.
    pub fn of(files: [Option<&[u8]>; 2], shard: ShardIndex, boot: BootNonce) -> CheckpointBounds {
        let headers = files.into_iter().flatten().flat_map(headers).flatten();
        let own = headers.map(|header| header.checkpoint);
        own.filter(|own| own.shard == shard && own.boot == boot).fold(
            CheckpointBounds::default(),
            |bounds, own| CheckpointBounds {
                replay_from: bounds.replay_from.max(own.replay_from),
                through: bounds.through.max(own.through),
            },
        )
    }
}

/// What is known of one segment besides its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct SegmentFacts {
    pub base: i64,
    /// Bytes of its batches, in its file or not. A file of a segment that is durable whole has them all: one
    /// that is shorter, or missing, lost some.
    pub length: u64,
    /// Largest timestamp of its records, -1 if none has a time.
    pub max_timestamp: i64,
    /// Bytes that its index file tells of.
    pub indexed: u64,
}

/// What is remembered of one idempotent producer.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct ProducerCheckpoint {
    pub id: i64,
    pub epoch: i16,
    pub last_timestamp: i64,
    /// Oldest first.
    pub batches: Vec<ProducerBatchCheckpoint>,
}

/// One of a producer's last batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct ProducerBatchCheckpoint {
    pub first_sequence: i32,
    pub last_sequence: i32,
    pub first_offset: i64,
    pub last_offset: i64,
    pub timestamp: i64,
}

impl From<&ProducerSnapshot> for ProducerCheckpoint {
    fn from(producer: &ProducerSnapshot) -> ProducerCheckpoint {
        let batches = producer.batches.iter().map(|batch| ProducerBatchCheckpoint {
            first_sequence: batch.first_sequence().0,
            last_sequence: batch.last_sequence.0,
            first_offset: batch.base_offset().0,
            last_offset: batch.last_offset.0,
            timestamp: batch.timestamp.0,
        });
        ProducerCheckpoint {
            id: producer.id.0,
            epoch: producer.epoch.0,
            last_timestamp: producer.last_append.0,
            batches: batches.collect(),
        }
    }
}

impl PartitionCheckpoint {
    pub fn key(&self) -> PartitionKey {
        PartitionKey::new(TopicId(self.topic), PartitionIndex(self.partition))
    }

    /// The last segment's base offset.
    pub fn last_segment(&self) -> Option<Offset> {
        self.segments.last().copied().map(Offset)
    }

    fn flaw(&self) -> Option<&'static str> {
        let ascending = self.segments.is_sorted_by(|one, next| one < next);
        if !ascending {
            return Some("segments are not ascending");
        }
        if self.segments.is_empty() && self.position != 0 {
            return Some("bytes without a segment");
        }
        if self.log_start_offset < 0 || self.log_start_offset > self.log_end_offset {
            return Some("the log starts behind its end");
        }
        if self.high_watermark > self.log_end_offset {
            return Some("the high watermark is past the log's end");
        }
        None
    }
}

impl ShardCheckpoint {
    /// The file's bytes, a multiple of 4 KiB.
    pub fn encode(&self) -> Vec<u8> {
        let flaw = self.flaw();
        assert_eq!(flaw, None, "a checkpoint describes logs that can exist");
        let content = match rkyv::to_bytes::<Failure>(&self.partitions) {
            Ok(content) => content,
            Err(failure) => unreachable!("vectors of numbers serialize into memory: {failure:?}"),
        };
        let whole = file_bytes(content.len());
        let mut out = Vec::with_capacity(whole);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.shard.0.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.boot.0.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.replay_from.0.to_le_bytes());
        out.extend_from_slice(&self.through.0.to_le_bytes());
        out.extend_from_slice(&(content.len() as u64).to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&content).to_le_bytes());
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        assert_eq!(out.len(), HEADER_BYTES, "the header is as documented");
        out.extend_from_slice(&content);
        out.resize(whole - HEADER_BYTES, 0);
        out.extend_from_within(..HEADER_BYTES);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<ShardCheckpoint, Corrupt> {
        let mut fault = None;
        for header in headers(bytes) {
            match header.and_then(|header| header.with_content(bytes)) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(found) => fault = fault.or(Some(found)),
            }
        }
        Err(fault.unwrap_or(corrupt(0, "no checkpoint header")))
    }

    fn flaw(&self) -> Option<&'static str> {
        if self.replay_from == FrameSequence::NONE || self.replay_from > self.through.next() {
            return Some("replay begins at no frame");
        }
        // A shard writes them in order, which is seen at a glance.
        let ascending = self.partitions.is_sorted_by(|one, next| one.key() < next.key());
        let mut keys = BTreeSet::new();
        self.partitions.iter().find_map(|partition| {
            let twice = !ascending && !keys.insert(partition.key());
            if twice { Some("a partition stands in it twice") } else { partition.flaw() }
        })
    }
}

/// What the two checkpoint files of a journal hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints {
    /// The valid one of the highest number. If it is missing or older than the journal needs, `recover_chain`
    /// finds frames missing and says so.
    pub newest: Option<ShardCheckpoint>,
    /// What is wrong with each file that exists. One torn file is what a crash leaves.
    pub faults: [Option<Corrupt>; 2],
}

impl Checkpoints {
    /// Reads both files; None for one that does not exist.
    pub fn choose(files: [Option<&[u8]>; 2]) -> Checkpoints {
        let decoded = files.map(|file| file.map(ShardCheckpoint::decode));
        let faults =
            decoded.each_ref().map(|file| file.as_ref().and_then(|result| result.as_ref().err().copied()));
        let newest = decoded.into_iter().flatten().flatten().max_by_key(|checkpoint| checkpoint.number);
        Checkpoints { newest, faults }
    }

    /// Which of the two files the next checkpoint is written to: not the one that holds the newest.
    pub fn file_of(number: u64) -> usize {
        (number % 2) as usize
    }
}

/// A header, and what it says of the content.
struct Header {
    /// Without the partitions.
    checkpoint: ShardCheckpoint,
    content_bytes: u64,
    content_checksum: u32,
}

impl Header {
    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Header, Corrupt> {
        let (covered, _) = bytes.split_at(HEADER_CHECKSUM_AT);
        if bytes.last_chunk() != Some(&crc32c::crc32c(covered).to_le_bytes()) {
            return Err(corrupt(60, "the header does not match its checksum"));
        }
        let mut fields = Fields::new(bytes);
        if fields.array() != Some(MAGIC) || fields.u16() != Some(VERSION) {
            return Err(corrupt(0, "not a checkpoint of this version"));
        }
        Header::decode_fields(&mut fields).ok_or(corrupt(0, "no checkpoint header"))
    }

    fn decode_fields(fields: &mut Fields<'_>) -> Option<Header> {
        let shard = ShardIndex(fields.u16()?);
        fields.u32()?;
        let checkpoint = ShardCheckpoint {
            shard,
            boot: BootNonce(fields.u64()?),
            number: fields.u64()?,
            replay_from: FrameSequence(fields.u64()?),
            through: FrameSequence(fields.u64()?),
            partitions: Vec::new(),
        };
        Some(Header { checkpoint, content_bytes: fields.u64()?, content_checksum: fields.u32()? })
    }

    /// The checkpoint, if the file's content is this header's.
    fn with_content(self, file: &[u8]) -> Result<ShardCheckpoint, Corrupt> {
        let content = usize::try_from(self.content_bytes)
            .ok()
            .and_then(|length| HEADER_BYTES.checked_add(length))
            .and_then(|end| file.get(HEADER_BYTES..end))
            .ok_or(corrupt(48, "the content is cut short"))?;
        if crc32c::crc32c(content) != self.content_checksum {
            return Err(corrupt(64, "the content does not match its checksum"));
        }
        let mut aligned = AlignedVec::<16>::with_capacity(content.len());
        aligned.extend_from_slice(content);
        let partitions = rkyv::from_bytes::<Vec<PartitionCheckpoint>, Failure>(&aligned)
            .map_err(|_| corrupt(64, "the content is no list of partitions"))?;
        let checkpoint = ShardCheckpoint { partitions, ..self.checkpoint };
        match checkpoint.flaw() {
            Some(flaw) => Err(corrupt(64, flaw)),
            None => Ok(checkpoint),
        }
    }
}

/// What stands wherever a file may have a header.
fn headers(file: &[u8]) -> impl Iterator<Item = Result<Header, Corrupt>> {
    let copies = (BLOCK_BYTES..=file.len()).step_by(BLOCK_BYTES).map(|end| end - HEADER_BYTES);
    let places = std::iter::once(0).chain(copies);
    places.filter_map(|at| file.get(at..)?.first_chunk()).map(Header::decode)
}

/// Length of the file for so many bytes of content.
fn file_bytes(content: usize) -> usize {
    (HEADER_BYTES + content + HEADER_BYTES).next_multiple_of(BLOCK_BYTES)
}

fn corrupt(at: u64, reason: &'static str) -> Corrupt {
    Corrupt::new("shard checkpoint", at, reason)
}
