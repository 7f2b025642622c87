//! Segments: the header of a record batch and a record, in Kafka's own layout.

use std::fmt::Write as _;

use millrace_core::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::{Attributes, BatchBuilder, BatchHeader, BatchRecord, Codec, TimestampType};

use super::field::{Field, big, check, check_text};

#[test]
fn the_header_of_a_batch() {
    let header = BatchHeader {
        base_offset: Offset(1),
        length: 70,
        leader_epoch: LeaderEpoch(3),
        checksum: 4,
        attributes: Attributes(5),
        last_offset_delta: 6,
        base_timestamp: TimestampMs(7),
        max_timestamp: TimestampMs(8),
        producer_id: ProducerId(9),
        producer_epoch: ProducerEpoch(10),
        base_sequence: Sequence(11),
        records_count: 12,
    };
    let fields = [
        big!(i64, "base offset", 1, "offset of the first record; the broker writes it"),
        big!(i32, "length", 70, "bytes of the batch behind this field"),
        big!(i32, "leader epoch", 3, "of the leader that appended the batch; the broker writes it"),
        big!(i8, "magic", 2, "2"),
        big!(u32, "checksum", 4, "CRC-32C of everything from the attributes on"),
        big!(i16, "attributes", 5, "flags, see below"),
        big!(i32, "last offset delta", 6, "offset of the last record less the base offset"),
        big!(
            i64,
            "base timestamp",
            7,
            "of the first record; with a delete horizon, the time from which tombstones may go"
        ),
        big!(i64, "largest timestamp", 8, "of all records"),
        big!(i64, "producer id", 9, "of an idempotent producer; -1: none"),
        big!(i16, "producer epoch", 10, "of that producer; -1: none"),
        big!(i32, "base sequence", 11, "sequence of the first record; -1: none"),
        big!(i32, "records", 12, "number of records"),
    ];
    check("batch header", 0, &fields, &header.encode());
}

#[test]
fn the_attributes_of_a_batch() {
    let codecs: Vec<_> = Codec::ALL.iter().map(|codec| format!("{} {}", codec.id(), codec.name())).collect();
    let none = Attributes::default();
    for codec in Codec::ALL {
        assert_eq!(none.with_codec(codec), Attributes(i16::from(codec.id())));
    }
    let mut text = String::from("| bits | meaning |\n|---|---|\n");
    let _ = writeln!(text, "| 0 to 2 | codec of the records: {} |", codecs.join(", "));
    let flags = [
        (none.with_timestamp_type(TimestampType::LogAppendTime), "timestamps are those of the append"),
        (none.transactional(), "the batch belongs to a transaction"),
        (none.control(), "a control batch"),
        (none.with_delete_horizon(), "the base timestamp is a delete horizon (KIP-534)"),
    ];
    for (flag, meaning) in flags {
        assert_eq!(flag.0.count_ones(), 1, "{meaning}");
        let _ = writeln!(text, "| {} | {meaning} |", flag.0.trailing_zeros());
    }
    check_text("batch attributes", &text);
}

#[test]
fn a_record() {
    let second = BatchRecord {
        timestamp: TimestampMs(1007),
        key: Some(b"key"),
        value: Some(b"value"),
        headers: &[(b"name", Some(b"header"))],
    };
    let first = BatchRecord::of_value(TimestampMs(1000), b"");
    let alone = BatchBuilder::new(Codec::None).record(first).build();
    let both = BatchBuilder::new(Codec::None).record(first).record(second).build();
    // A varint of a small number n is one byte, 2n.
    let varint = |name, value: u8, meaning| Field::open("varint", name, [2 * value], meaning);
    let fields = [
        varint("length", 26, "bytes of the record behind this field"),
        big!(i8, "attributes", 0, "0"),
        varint("timestamp delta", 7, "timestamp less the base timestamp"),
        varint("offset delta", 1, "offset less the base offset"),
        varint("key length", 3, "-1: no key"),
        Field::open("bytes", "key", *b"key", "as the producer sent it"),
        varint("value length", 5, "-1: no value, a tombstone"),
        Field::open("bytes", "value", *b"value", "as the producer sent it"),
        varint("headers", 1, "number of headers; the next four fields repeat"),
        varint("name length", 4, "of the header's name"),
        Field::open("bytes", "name", *b"name", "UTF-8"),
        varint("header length", 6, "-1: no value"),
        Field::open("bytes", "header", *b"header", "the header's value"),
    ];
    check("record", 0, &fields, &both[alone.len()..]);
}
