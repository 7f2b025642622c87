//! A shard's checkpoint: its header, and the partitions in the layout that rkyv gives them.

use std::fmt::Write as _;
use std::mem::offset_of;

use millrace_core::base::ShardIndex;
use millrace_core::journal::{
    BootNonce, FrameSequence, PartitionCheckpoint, ProducerBatchCheckpoint, ProducerCheckpoint, SegmentFacts,
    ShardCheckpoint,
};
use rkyv::Archived;
use rkyv::rancor::Failure;
use rkyv::util::AlignedVec;

use super::field::{Field, bytes_of, check, check_text, little};

const HEADER: usize = 64;

fn sample() -> ShardCheckpoint {
    let batch = ProducerBatchCheckpoint {
        first_sequence: 51,
        last_sequence: 52,
        first_offset: 53,
        last_offset: 54,
        timestamp: 55,
    };
    let producer = ProducerCheckpoint { id: 41, epoch: 42, last_timestamp: 43, batches: vec![batch] };
    let partition = PartitionCheckpoint {
        topic: *b"sixteen bytes id",
        partition: 11,
        log_start_offset: 2,
        segments: vec![0, 9, 90],
        position: 4096,
        facts: vec![SegmentFacts { base: 31, length: 32, max_timestamp: 33, indexed: 34 }],
        log_end_offset: 112,
        high_watermark: 111,
        epochs: vec![(21, 22), (23, 24)],
        producers: vec![producer],
    };
    ShardCheckpoint {
        shard: ShardIndex(4),
        boot: BootNonce(0x1122_3344_5566_7788),
        number: 5,
        replay_from: FrameSequence(6),
        through: FrameSequence(8),
        partitions: vec![partition],
    }
}

fn content(file: &[u8]) -> AlignedVec<16> {
    let length = u64::from_le_bytes(file[48..56].try_into().unwrap()) as usize;
    let mut content = AlignedVec::with_capacity(length);
    content.extend_from_slice(&file[HEADER..HEADER + length]);
    content
}

#[test]
fn the_header() {
    let file = sample().encode();
    let content = content(&file);
    let mut fields = vec![
        Field::fixed("bytes", "magic", *b"MRCHECKP", "`MRCHECKP`"),
        little!(u16, "version", 3, "3"),
        little!(u16, "shard", 4, "number of the shard"),
        little!(u32, "zero", 0, "0"),
        little!(u64, "boot nonce", 0x1122_3344_5566_7788, "of the journal that it belongs to"),
        little!(u64, "number", 5, "of the checkpoint; the higher one of two valid files counts"),
        little!(u64, "replay from", 6, "the first frame that a start has to replay"),
        little!(u64, "through", 8, "the content is the state behind this frame; 0: before the first"),
        little!(u64, "content bytes", content.len() as u64, "length of the content"),
        little!(u32, "content checksum", crc32c::crc32c(&content), "CRC-32C of the content"),
    ];
    let checksum = crc32c::crc32c(&bytes_of(&fields));
    fields.push(little!(u32, "header checksum", checksum, "CRC-32C of bytes 0 to 59"));
    check("checkpoint header", 0, &fields, &file[..HEADER]);
    assert_eq!(file[file.len() - HEADER..], file[..HEADER], "the header stands at the end again");
}

/// One field of an archived struct.
struct Archive {
    name: &'static str,
    at: usize,
    kind: &'static str,
    meaning: &'static str,
    found: Found,
}

/// What stands in it in the sample: bytes, or a list with the place and the number of its elements.
enum Found {
    Bytes(Vec<u8>),
    List { elements_at: usize, count: usize },
}

macro_rules! number {
    ($of:ty, $field:tt, $kind:ident, $value:expr, $meaning:literal) => {{
        let value: $kind = $value;
        Archive {
            name: stringify!($field),
            at: offset_of!($of, $field),
            kind: stringify!($kind),
            meaning: $meaning,
            found: Found::Bytes(value.to_le_bytes().to_vec()),
        }
    }};
}

macro_rules! list {
    ($of:ty, $field:tt, $kind:literal, $elements_at:expr, $count:expr, $meaning:literal) => {
        Archive {
            name: stringify!($field),
            at: offset_of!($of, $field),
            kind: $kind,
            meaning: $meaning,
            found: Found::List { elements_at: $elements_at, count: $count },
        }
    };
}

/// Where `place` is in `content`.
fn place_of<T>(content: &[u8], place: &T) -> usize {
    std::ptr::from_ref(place).addr() - content.as_ptr().addr()
}

/// Holds the fields to the bytes of `archived`; between them stand zeros.
fn archived_table<T>(part: &str, content: &[u8], archived: &T, mut fields: Vec<Archive>) -> String {
    let (at, size) = (place_of(content, archived), size_of::<T>());
    fields.sort_by_key(|field| field.at);
    let mut text = format!(
        "{part}, {size} bytes:\n\n| offset | size | type | field | meaning |\n|---|---|---|---|---|\n"
    );
    let mut end = 0;
    let pad = |text: &mut String, from: usize, to: usize| {
        if from < to {
            assert!(content[at + from..at + to].iter().all(|byte| *byte == 0), "{part}: padding is zero");
            let _ = writeln!(text, "| {from} | {} | bytes | zero | padding |", to - from);
        }
    };
    for Archive { name, at: offset, kind, meaning, found } in fields {
        pad(&mut text, end, offset);
        let bytes = &content[at + offset..];
        let size = match &found {
            Found::Bytes(expected) => {
                assert_eq!(bytes[..expected.len()], expected[..], "{part}: {name}");
                expected.len()
            }
            Found::List { elements_at, count } => {
                let relative = i32::from_le_bytes(bytes[..4].try_into().unwrap());
                let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
                let place = (at + offset).checked_add_signed(relative as isize);
                assert_eq!((place, length as usize), (Some(*elements_at), *count), "{part}: {name}");
                8
            }
        };
        let _ = writeln!(text, "| {offset} | {size} | {kind} | {} | {meaning} |", name.replace('_', " "));
        end = offset + size;
    }
    pad(&mut text, end, size);
    text.push('\n');
    text
}

type Partition = Archived<PartitionCheckpoint>;
type Facts = Archived<SegmentFacts>;
type Epoch = Archived<(i32, i64)>;
type Producer = Archived<ProducerCheckpoint>;
type Batch = Archived<ProducerBatchCheckpoint>;

#[test]
fn the_content() {
    let content = content(&sample().encode());
    let root = rkyv::access::<Archived<Vec<PartitionCheckpoint>>, Failure>(&content).unwrap();
    assert_eq!(place_of(&content, root), content.len() - 8, "the list of partitions ends the content");
    let partition = &root[0];
    let tables = [
        partition_table(&content, partition),
        facts_table(&content, &partition.facts[0]),
        epoch_table(&content, &partition.epochs[0]),
        producer_table(&content, &partition.producers[0]),
        batch_table(&content, &partition.producers[0].batches[0]),
    ];
    check_text("checkpoint content", &tables.concat());
}

fn partition_table(content: &[u8], partition: &Partition) -> String {
    let topic = Archive {
        name: "topic",
        at: offset_of!(Partition, topic),
        kind: "bytes",
        meaning: "id of the topic",
        found: Found::Bytes(b"sixteen bytes id".to_vec()),
    };
    let segments = place_of(content, &partition.segments[0]);
    let epochs = place_of(content, &partition.epochs[0]);
    let facts = place_of(content, &partition.facts[0]);
    let producers = place_of(content, &partition.producers[0]);
    let fields = vec![
        topic,
        number!(Partition, partition, i32, 11, "index of the partition"),
        number!(Partition, log_start_offset, i64, 2, "the first offset that can be read"),
        list!(
            Partition,
            segments,
            "list of i64",
            segments,
            3,
            "base offsets of the segments, up to the one with the first byte that is not durable"
        ),
        number!(Partition, position, u64, 4096, "bytes of the last of these that are durable in its file"),
        list!(Partition, facts, "list of facts", facts, 1, "one for each segment"),
        number!(Partition, log_end_offset, i64, 112, "the next offset to be written"),
        number!(Partition, high_watermark, i64, 111, "readers see what lies below it"),
        list!(Partition, epochs, "list of epochs", epochs, 2, "leader epochs of the log"),
        list!(Partition, producers, "list of producers", producers, 1, "idempotent producers"),
    ];
    archived_table("A partition", content, partition, fields)
}

fn facts_table(content: &[u8], facts: &Facts) -> String {
    let fields = vec![
        number!(Facts, base, i64, 31, "base offset of the segment"),
        number!(Facts, length, u64, 32, "bytes of its batches, in its file or not yet"),
        number!(Facts, max_timestamp, i64, 33, "largest timestamp of its records; -1: none has a time"),
        number!(Facts, indexed, u64, 34, "bytes that its index file describes"),
    ];
    archived_table("Facts of a segment", content, facts, fields)
}

fn epoch_table(content: &[u8], epoch: &Epoch) -> String {
    let fields = vec![
        Archive { name: "leader_epoch", ..number!(Epoch, 0, i32, 21, "a leader epoch") },
        Archive { name: "start_offset", ..number!(Epoch, 1, i64, 22, "the first offset of that epoch") },
    ];
    archived_table("An epoch", content, epoch, fields)
}

fn producer_table(content: &[u8], producer: &Producer) -> String {
    let batches = place_of(content, &producer.batches[0]);
    let fields = vec![
        number!(Producer, id, i64, 41, "producer id"),
        number!(Producer, epoch, i16, 42, "producer epoch"),
        number!(Producer, last_timestamp, i64, 43, "time of its last append, for expiry"),
        list!(Producer, batches, "list of batches", batches, 1, "its last batches, oldest first"),
    ];
    archived_table("A producer", content, producer, fields)
}

fn batch_table(content: &[u8], batch: &Batch) -> String {
    let fields = vec![
        number!(Batch, first_sequence, i32, 51, "sequence of its first record"),
        number!(Batch, last_sequence, i32, 52, "sequence of its last record"),
        number!(Batch, first_offset, i64, 53, "offset of its first record"),
        number!(Batch, last_offset, i64, 54, "offset of its last record"),
        number!(Batch, timestamp, i64, 55, "largest timestamp of the batch"),
    ];
    archived_table("A batch of a producer", content, batch, fields)
}
