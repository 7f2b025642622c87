//! Batches as Kafka's own producer encodes them (`batches.txt`, made by `KafkaJudge.java golden`).

use millrace_core::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::batch::Batch;
use millrace_core::log::compression::decompress;
use millrace_core::log::records::Records;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};

use crate::support::{from_hex, to_hex};

fn golden(name: &str) -> Vec<u8> {
    let lines = include_str!("batches.txt").lines();
    let line = lines.map(|line| line.split_once(' ').unwrap()).find(|(found, _)| *found == name);
    from_hex(line.unwrap_or_else(|| panic!("no batch {name}")).1)
}

static HEADERS: [(&[u8], Option<&[u8]>); 3] = [(b"a", Some(b"1")), (b"a", None), (b"\xc3\xa9", Some(b""))];

fn three<'a>(long: &'a [u8]) -> [BatchRecord<'a>; 3] {
    let at = TimestampMs;
    let tombstone =
        BatchRecord { timestamp: at(1699999999000), key: Some(b"tombstone"), value: None, headers: &HEADERS };
    [
        BatchRecord::of_value(at(1700000000000), b"value").with_key(b"key"),
        BatchRecord::of_value(at(1700000000100), long),
        tombstone,
    ]
}

fn with_three(builder: BatchBuilder) -> BatchBuilder {
    three(&[b'v'; 200]).into_iter().fold(builder, BatchBuilder::record)
}

#[test]
fn the_builder_writes_what_kafka_writes() {
    let plain = || BatchBuilder::new(Codec::None);
    let one = || plain().record(BatchRecord::of_value(TimestampMs(1), b""));
    let producer = |sequence| plain().producer(ProducerId(4000), ProducerEpoch(3), Sequence(sequence));
    let cases = [
        ("three-none", with_three(plain())),
        ("one", one()),
        ("idempotent", with_three(producer(2147483646)).base_offset(Offset(5)).leader_epoch(LeaderEpoch(9))),
        (
            "transactional",
            one()
                .producer(ProducerId(4000), ProducerEpoch(0), Sequence(0))
                .leader_epoch(LeaderEpoch(9))
                .transactional(),
        ),
    ];
    for (name, builder) in cases {
        assert_eq!(to_hex(&builder.build()), to_hex(&golden(name)), "{name}");
    }
}

#[test]
fn every_codec_of_kafka_is_read() {
    let plain = with_three(BatchBuilder::new(Codec::None)).build();
    for (codec, name) in Codec::ALL.into_iter().zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let bytes = golden(&format!("three-{name}"));
        let batch = Batch::parse(&bytes).unwrap();
        assert_eq!(batch.verify_checksum(), Ok(()));
        assert_eq!(batch.header.attributes.codec(), Ok(codec));
        let records = decompress(codec, batch.body(), 1 << 20).unwrap();
        assert_eq!(records, plain[61..], "{name}");
        let read: Vec<_> = Records::new(&records, batch.header.records_count).map(Result::unwrap).collect();
        for (record, expected) in read.iter().zip(three(&[b'v'; 200])) {
            assert_eq!((record.key, record.value), (expected.key, expected.value));
            assert_eq!(record.headers.collect::<Vec<_>>(), expected.headers);
        }
        assert_eq!(read.len(), 3);
    }
}

#[test]
fn headers_decode_and_encode() {
    for line in include_str!("batches.txt").lines() {
        let (name, hex) = line.split_once(' ').unwrap();
        let bytes = from_hex(hex);
        let batch = Batch::parse(&bytes).unwrap();
        assert_eq!(batch.verify_checksum(), Ok(()), "{name}");
        assert_eq!(batch.bytes.len(), bytes.len(), "{name}");
        assert_eq!(batch.header.encode(), bytes[..61], "{name}");
    }
    let bytes = golden("idempotent");
    let header = Batch::parse(&bytes).unwrap().header;
    assert_eq!((header.last_offset(), header.last_sequence()), (Offset(7), Sequence(0)));
    let bytes = golden("abort-marker");
    let attributes = Batch::parse(&bytes).unwrap().header.attributes;
    assert!(attributes.is_control() && attributes.is_transactional());
}
