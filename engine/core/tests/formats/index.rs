//! The sparse index of a segment.

use millrace_core::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::{Attributes, BatchHeader, OffsetIndex};

use super::field::{Field, bytes_of, check, little};

const BASE: i64 = 0x0102_0304_0506;
/// Longer than an interval, so that each batch has an entry.
const LENGTH: i32 = 70_000;
const HEAD: usize = 36;
const ENTRY: usize = 16;

fn batch(relative: i64, last_offset_delta: i32, max_timestamp: i64) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(BASE + relative),
        length: LENGTH - 12,
        leader_epoch: LeaderEpoch(0),
        checksum: 0,
        attributes: Attributes::default(),
        last_offset_delta,
        base_timestamp: TimestampMs(max_timestamp),
        max_timestamp: TimestampMs(max_timestamp),
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
        base_sequence: Sequence::NONE,
        records_count: last_offset_delta + 1,
    }
}

#[test]
fn the_index_of_a_segment() {
    let mut index = OffsetIndex::new(Offset(BASE));
    index.note(&batch(0, 6, 1111));
    index.note(&batch(7, 9, 2222));
    let encoded = index.encode();
    let covered = 2 * LENGTH as u64;
    let head = [
        Field::fixed("bytes", "magic", *b"MRINDEX3", "`MRINDEX3`: name and version of the format"),
        little!(u32, "entries", 2, "number of entries"),
        little!(i64, "base offset", BASE, "of the segment"),
        little!(u64, "covered", covered, "bytes of the segment that the index describes, from its start"),
        little!(
            i64,
            "next offset",
            BASE + 17,
            "offset due behind these bytes; -1: not known, behind a damaged batch"
        ),
    ];
    let entry = [
        little!(u32, "relative offset", 7, "base offset of a batch less that of the segment"),
        little!(u32, "position", LENGTH as u32, "byte of the segment at which that batch begins"),
        little!(
            i64,
            "largest timestamp",
            2222,
            "of the batches from there to the next entry; -1: none has a time; the largest i64: one of them is damaged"
        ),
    ];
    check("index head", 0, &head, &encoded[..HEAD]);
    check("index entry", 0, &entry, &encoded[HEAD + ENTRY..HEAD + 2 * ENTRY]);
    let first = [0u32.to_le_bytes(), 0u32.to_le_bytes()].concat();
    assert_eq!(encoded[HEAD..HEAD + 8], first, "the first entry is for the first byte");
    let body = [bytes_of(&head), encoded[HEAD..HEAD + ENTRY].to_vec(), bytes_of(&entry)].concat();
    let end = [little!(u32, "checksum", crc32c::crc32c(&body), "CRC-32C of all that stands before it")];
    check("index end", HEAD + 2 * ENTRY, &end, &encoded[HEAD + 2 * ENTRY..]);
}
