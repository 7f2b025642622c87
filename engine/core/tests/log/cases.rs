//! Makes the cases that Kafka judges: batches whose records, headers and framing were changed on purpose.

use millrace_core::base::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::batch::{Attributes, BatchHeader, RECORD_BATCH_OVERHEAD, checksum_of};
use millrace_core::log::compression::{compress, compress_bare_snappy};
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};

use crate::support::{Choices, to_hex};

const NOW: i64 = 1_700_000_000_000;

/// A case a line, as `KafkaJudge.java` reads them. To have Kafka judge new ones, print them:
/// `MILLRACE_CASES=200 cargo test -p millrace-core --test log the_same_seed -- --nocapture`
#[test]
fn the_same_seed_makes_the_same_cases() {
    let count = std::env::var("MILLRACE_CASES").map_or(0, |text| text.parse().unwrap());
    let seed = std::env::var("MILLRACE_SEED").map_or(1, |text| text.parse().unwrap());
    let (mut choices, mut again) = (Choices::new(seed), Choices::new(seed));
    for number in 0..count.max(50) {
        let text = case(&mut choices);
        assert_eq!(text, case(&mut again));
        if number < count {
            println!("case-{number} {text}");
        }
    }
}

fn case(choices: &mut Choices) -> String {
    let version = choices.pick(&[3, 6, 7, 9, 13]);
    let version = if choices.one_in(4) { version } else { 9 };
    let limit = if choices.one_in(12) { 90 } else { 1_048_588 };
    let cleanup = if choices.one_in(4) { "compacted" } else { "plain" };
    let stamp = if choices.one_in(4) { "append" } else { "create" };
    let batch = to_hex(&batch(choices));
    format!("{version} {limit} {cleanup} {stamp} {NOW} 86400000 3600000 {batch}")
}

fn batch(choices: &mut Choices) -> Vec<u8> {
    let codec = choices.pick(&Codec::ALL);
    let mut builder = BatchBuilder::new(codec);
    if choices.one_in(4) {
        let sequence = choices.pick(&[-1, 0, 5, i32::MAX]);
        builder = builder.producer(ProducerId(9), ProducerEpoch(1), Sequence(sequence));
    }
    for _ in 0..1 + choices.below(4) {
        push_record(choices, &mut builder);
    }
    let mut plain = BatchBuilder::assemble(&builder, &[]);
    let mut records = uncompressed(&builder);
    if choices.one_in(2) {
        choices.damage(&mut records);
    }
    let body = compressed(choices, codec, &records);
    let mut header = BatchHeader::parse(&plain).unwrap();
    header.length = 49 + body.len() as i32;
    if choices.one_in(2) {
        change_header(choices, &mut header);
    }
    header.checksum = checksum_of(&header.encode(), &body);
    plain = header.encode().to_vec();
    plain.extend_from_slice(&body);
    if choices.one_in(4) {
        change_framing(choices, &mut plain);
    }
    plain
}

fn push_record(choices: &mut Choices, builder: &mut BatchBuilder) {
    let ages = [0, 1, -1, 86_400_000, 86_400_001, -3_600_000, -3_600_001];
    let age = if choices.one_in(6) { choices.pick(&ages) } else { choices.below(1000) as i64 };
    let timestamp = if choices.one_in(20) { TimestampMs::NONE } else { TimestampMs(NOW - age) };
    let (key, value) = (choices.bytes(3), vec![b'v'; choices.below(40) as usize]);
    let headers: &[(&[u8], Option<&[u8]>)] = &[(b"h", None), (b"", Some(b"x"))];
    builder.push(BatchRecord {
        timestamp,
        key: (!choices.one_in(8)).then_some(&key),
        value: (!choices.one_in(8)).then_some(&value),
        headers: if choices.one_in(4) { headers } else { &[] },
    });
}

fn uncompressed(builder: &BatchBuilder) -> Vec<u8> {
    let whole = builder.build();
    let header = BatchHeader::parse(&whole).unwrap();
    let codec = header.attributes.codec().unwrap();
    millrace_core::log::compression::decompress(codec, &whole[RECORD_BATCH_OVERHEAD..], 1 << 20).unwrap()
}

fn compressed(choices: &mut Choices, codec: Codec, records: &[u8]) -> Vec<u8> {
    let mut body = match codec {
        Codec::Snappy if choices.one_in(2) => compress_bare_snappy(records).unwrap(),
        codec => compress(codec, records).unwrap(),
    };
    if codec != Codec::None && choices.one_in(8) {
        choices.damage(&mut body);
    }
    body
}

fn change_header(choices: &mut Choices, header: &mut BatchHeader) {
    match choices.below(10) {
        0 => header.base_offset = Offset(1),
        1 => header.last_offset_delta += choices.pick(&[-9, -1, 1]),
        2 => header.records_count += choices.pick(&[-9, -1, 1]),
        3 => {
            let by = choices.pick(&[-9, -1, 1]);
            header.records_count += by;
            header.last_offset_delta += by;
        }
        4 => header.attributes = Attributes(header.attributes.0 ^ (1 << choices.below(8))),
        5 => header.max_timestamp = TimestampMs(header.max_timestamp.0 + choices.pick(&[-1, 1, 1 << 40])),
        6 => header.base_timestamp = TimestampMs(choices.pick(&[-1, 0, i64::MIN, i64::MAX])),
        7 => header.attributes = Attributes(header.attributes.0 & !7 | choices.below(8) as i16),
        8 => header.producer_id = ProducerId(choices.pick(&[-2, 0, i64::MAX])),
        _ => header.base_sequence = Sequence(choices.pick(&[-2, -1, 0])),
    }
}

fn change_framing(choices: &mut Choices, bytes: &mut Vec<u8>) {
    match choices.below(5) {
        0 => bytes.extend_from_within(..),
        1 => bytes.extend_from_within(..choices.below(bytes.len() as u64) as usize),
        2 => bytes.truncate(choices.below(bytes.len() as u64) as usize),
        3 => bytes[16] = choices.pick(&[0, 1, 3, 255]),
        _ => choices.damage(bytes),
    }
}
