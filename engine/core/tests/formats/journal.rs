//! Frames of the journal and the heads of their entries; the sizes of a journal.

use std::fmt::Write as _;

use bytes::Bytes;
use millrace_core::base::{Offset, PartitionIndex, PartitionKey, Position, ShardIndex, TimestampMs, TopicId};
use millrace_core::journal::{BootNonce, CompactedSegment, Entry, Journal, JournalGeometry, Span};

use super::field::{Field, bytes_of, check, check_text, hold, little, table};

const SHARD: ShardIndex = ShardIndex(3);
const BOOT: BootNonce = BootNonce(0x1122_3344_5566_7788);
const TOPIC: [u8; 16] = *b"sixteen bytes id";
const PARTITION: i32 = 21;
const HEADER: usize = 64;
const COMMON_HEAD: usize = 32;

fn key() -> PartitionKey {
    PartitionKey::new(TopicId(TOPIC), PartitionIndex(PARTITION))
}

fn span() -> Span {
    Span {
        key: key(),
        segment: Offset(30),
        position: Position(4096),
        base_offset: Offset(40),
        next_offset: Offset(42),
    }
}

/// A batch of magic 2 without meaning but for its base offset, length, magic and checksum.
fn batch(base_offset: i64, body: &[u8]) -> Bytes {
    let mut batch = [&[0; 61], body].concat();
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    let length = u32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[16] = 2;
    let checksum = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
    Bytes::from(batch)
}

/// A journal in memory.
struct Bench {
    journal: Journal,
    ring: Vec<u8>,
}

impl Bench {
    fn new() -> Bench {
        let geometry = JournalGeometry::with_slots(4, 64 * 1024, 128 * 1024).unwrap();
        Bench { journal: Journal::new(SHARD, BOOT, geometry), ring: vec![0; geometry.ring_bytes()] }
    }

    /// The bytes of the frame that these entries make.
    fn seal(&mut self, entries: &[Entry<&[Bytes]>]) -> Vec<u8> {
        let ring = &mut self.ring;
        let frame = self
            .journal
            .seal(entries, &mut |at, bytes| ring[at..at + bytes.len()].copy_from_slice(bytes))
            .unwrap();
        ring[frame.ring_at..frame.ring_at + frame.len].to_vec()
    }

    fn write_all(&mut self) {
        while let Some(write) = self.journal.next_write() {
            self.journal.written(write.through);
        }
    }
}

#[test]
fn the_header_of_a_frame() {
    let mut bench = Bench::new();
    let payload = [batch(40, b"one"), batch(41, b"twenty")];
    let append = Entry::Append { span: span(), payload: &payload[..] };
    bench.seal(&[append]);
    bench.write_all();
    let second = bench.seal(&[append]);
    let frame = bench.seal(&[append, Entry::LogStart { key: key(), offset: Offset(5) }]);

    let heads = &frame[HEADER..HEADER + 64 + 40];
    let digest =
        payload.iter().fold(crc32c::crc32c(heads), |sum, batch| crc32c::crc32c_append(sum, &batch[..61]));
    let previous = u32::from_le_bytes(second[60..64].try_into().unwrap());
    let payload_bytes: usize = payload.iter().map(Bytes::len).sum();
    let mut fields = vec![
        Field::fixed("bytes", "magic", *b"MRJOURNL", "`MRJOURNL`"),
        little!(u16, "version", 1, "1"),
        little!(u16, "shard", SHARD.0, "number of the shard"),
        little!(u32, "entries", 2, "number of entries"),
        little!(u64, "boot nonce", BOOT.0, "random number of the run that wrote the frame"),
        little!(u64, "sequence", 3, "number of the frame in its run, from 1"),
        little!(
            u64,
            "flushed sequence",
            1,
            "every frame up to this one was on the device when this one was sealed; 0: none"
        ),
        little!(u32, "head bytes", heads.len() as u32, "length of all entry heads"),
        little!(u32, "payload bytes", payload_bytes as u32, "length of all payloads"),
        little!(u32, "frame bytes", frame.len() as u32, "length of the frame, a multiple of 4096"),
        little!(u32, "previous checksum", previous, "header checksum of the frame before; 0 in the first"),
        little!(
            u32,
            "content checksum",
            digest,
            "CRC-32C of the entry heads, then of the first 61 bytes of each batch of each append, in order"
        ),
    ];
    let covered = crc32c::crc32c(&bytes_of(&fields));
    fields.push(little!(u32, "header checksum", covered, "CRC-32C of bytes 0 to 59"));
    check("frame header", 0, &fields, &frame[..HEADER]);
}

/// The head of an entry sealed alone.
fn head_of(entry: Entry<&[Bytes]>) -> Vec<u8> {
    let frame = Bench::new().seal(&[entry]);
    frame[HEADER..HEADER + entry.head_bytes()].to_vec()
}

fn common(kind: u8, payload: &[u8], checksum: u32) -> Vec<Field> {
    vec![
        little!(u8, "kind", kind, "which entry it is"),
        Field::fixed("bytes", "zero", [0; 3], "0"),
        little!(u32, "payload bytes", payload.len() as u32, "length of the entry's payload"),
        Field::fixed("bytes", "topic id", TOPIC, "id of the topic"),
        little!(i32, "partition", PARTITION, "index of the partition"),
        little!(
            u32,
            "payload checksum",
            checksum,
            "CRC-32C of the payload of a carry or an extent; 0 in other entries"
        ),
    ]
}

fn span_fields() -> Vec<Field> {
    vec![
        little!(i64, "segment", 30, "base offset of the segment"),
        little!(u64, "position", 4096, "byte of the segment at which the entry's bytes begin"),
        little!(i64, "base offset", 40, "offset of the first record"),
        little!(i64, "next offset", 42, "offset behind the last record"),
    ]
}

#[test]
fn the_heads_of_entries() {
    let (payload, carried) = (batch(40, b"one"), Bytes::from_static(b"mid-batch bytes"));
    let pieces = [payload.clone()];
    let head = head_of(Entry::Append { span: span(), payload: &pieces[..] });
    let fields = common(1, &payload, 0);
    let [before, .., last] = &fields[..] else { panic!("a head has fields") };
    assert_eq!((before.bytes(), last.bytes()), (&[1][..], &[0; 4][..]));
    assert_eq!(head[..COMMON_HEAD], bytes_of(&fields));

    let pieces = [carried.clone()];
    let head = head_of(Entry::Carry { span: span(), payload: &pieces[..] });
    check("entry head", 0, &common(2, &carried, crc32c::crc32c(&carried)), &head[..COMMON_HEAD]);

    let extended = [payload.slice(..61), Bytes::from_static(b"tail!")];
    let bytes = extended.concat();
    let extent = Entry::Extent { span: span(), length: 262_144, header_bytes: 61, payload: &extended[..] };
    assert_eq!(head_of(extent)[..COMMON_HEAD], bytes_of(&common(7, &bytes, crc32c::crc32c(&bytes))));
}

/// An entry and the fields behind its common head.
struct Kind<'a> {
    title: &'static str,
    entry: Entry<&'a [Bytes]>,
    fields: Vec<Field>,
}

fn with_payload<'a>(appended: &'a [Bytes], extended: &'a [Bytes]) -> Vec<Kind<'a>> {
    let extent_fields = vec![
        little!(u64, "length", 262_144, "bytes that are durable in the segment file, from `position` on"),
        little!(u32, "header bytes", 61, "bytes of batch headers at the start of the payload"),
        little!(u32, "zero", 0, "0"),
    ];
    vec![
        Kind {
            title: "Kind 1, append",
            entry: Entry::Append { span: span(), payload: appended },
            fields: span_fields(),
        },
        Kind {
            title: "Kind 2, carry",
            entry: Entry::Carry { span: span(), payload: appended },
            fields: span_fields(),
        },
        Kind {
            title: "Kind 7, extent",
            entry: Entry::Extent { span: span(), length: 262_144, header_bytes: 61, payload: extended },
            fields: span_fields().into_iter().chain(extent_fields).collect(),
        },
    ]
}

fn without_payload() -> Vec<Kind<'static>> {
    let new = CompactedSegment {
        segment: Offset(3),
        end: Offset(30),
        length: Position(777),
        max_timestamp: TimestampMs(88),
        number: 9,
    };
    vec![
        Kind {
            title: "Kind 3, roll",
            entry: Entry::Roll { key: key(), segment: Offset(42), previous_length: Position(4224) },
            fields: vec![
                little!(i64, "segment", 42, "base offset of the segment that begins"),
                little!(u64, "previous length", 4224, "final length of the segment before it"),
            ],
        },
        Kind {
            title: "Kind 4, log start",
            entry: Entry::LogStart { key: key(), offset: Offset(5) },
            fields: vec![little!(i64, "offset", 5, "records below it are gone")],
        },
        Kind {
            title: "Kind 5, truncate",
            entry: Entry::Truncate { key: key(), to: Offset(6), segment: Offset(1), position: Position(77) },
            fields: vec![
                little!(i64, "to", 6, "offset at which the log ends from now on"),
                little!(i64, "segment", 1, "base offset of the last segment that stays"),
                little!(u64, "position", 77, "length of that segment"),
            ],
        },
        Kind { title: "Kind 6, drop", entry: Entry::Drop { key: key() }, fields: Vec::new() },
        Kind {
            title: "Kind 8, compact",
            entry: Entry::Compact { key: key(), new },
            fields: vec![
                little!(i64, "segment", 3, "base offset of the new segment"),
                little!(i64, "end", 30, "base offset of the segment behind those that it replaces"),
                little!(u64, "length", 777, "length of the new segment's file"),
                little!(i64, "largest timestamp", 88, "of all its records; -1: none has a time"),
                little!(u64, "number", 9, "number in the file's name until it takes its place"),
            ],
        },
    ]
}

#[test]
fn what_follows_the_common_head() {
    let appended = [batch(40, b"one")];
    let extended = [batch(40, b"one").slice(..61), Bytes::from_static(b"tail!")];
    let mut kinds: Vec<Kind<'_>> =
        with_payload(&appended, &extended).into_iter().chain(without_payload()).collect();
    kinds.sort_by_key(|kind| kind.title);
    let mut text = String::new();
    for (number, Kind { title, entry, fields }) in (1..).zip(kinds) {
        let head = head_of(entry);
        assert!(head[0] == number && title.starts_with(&format!("Kind {number}, ")), "{title}");
        hold(title, &fields, &head[COMMON_HEAD..]);
        match fields.is_empty() {
            true => writeln!(text, "{title}, {} bytes of head: nothing follows.\n", head.len()).unwrap(),
            false => {
                writeln!(text, "{title}, {} bytes of head:\n\n{}", head.len(), table(COMMON_HEAD, &fields))
                    .unwrap();
            }
        }
    }
    check_text("entry kinds", &text);
}

#[test]
fn the_sizes_of_a_journal() {
    const MIB: u64 = 1024 * 1024;
    let mut text = String::from("| `millrace.journal.bytes` | slots | bytes of a slot |\n|---|---|---|\n");
    for (mebibytes, note) in [(4, ", the least"), (16, ""), (64, ", the default"), (1024, "")] {
        let geometry = JournalGeometry::new(mebibytes * MIB, 16 * MIB).unwrap();
        let (slots, bytes) = (geometry.slot_count(), geometry.slot_bytes());
        let _ = writeln!(text, "| {mebibytes} MiB{note} | {slots} | {bytes} |");
    }
    check_text("journal sizes", &text);
}
