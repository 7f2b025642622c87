//! Bytes nobody meant: no decoder panics on them, and what decodes is consistent.

use millrace_core::base::{Offset, TimestampMs};
use millrace_core::log::batch::{Batch, BatchWalk};
use millrace_core::log::compression::{compress, decompress};
use millrace_core::log::records::{Record, Records};
use millrace_core::log::search;
use millrace_core::log::validate::Compacted;
use millrace_core::log::{
    BatchBuilder, BatchRecord, Codec, OffsetIndex, SegmentName, TimestampType, Validation, ValidationRules,
    validate,
};

use crate::support::Choices;

const ROUNDS: u64 = 3000;

fn rules(validation: Validation) -> ValidationRules {
    ValidationRules {
        now: TimestampMs(1000),
        validation,
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 30,
        compacted: Compacted::No,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        produce_version: 9,
    }
}

fn batch(choices: &mut Choices, codec: Codec, offset: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec).base_offset(Offset(offset));
    for _ in 0..1 + choices.below(5) {
        let timestamp = TimestampMs(choices.below(100) as i64);
        let length = choices.below(50) as usize;
        builder.push(BatchRecord::of_value(timestamp, &choices.bytes(length)));
    }
    builder.build()
}

/// Everything that reads a batch, on bytes of any kind.
fn read_all(bytes: &[u8]) {
    for validation in [Validation::Full, Validation::Header] {
        let _ = validate(bytes, &rules(validation));
    }
    let mut walk = BatchWalk::new(bytes);
    while let Some(Ok(batch)) = walk.next() {
        let _ = batch.verify_checksum();
        let _ = search::record_at_time(&batch, TimestampMs(50), Offset(2));
    }
    assert!(walk.position() <= bytes.len());
    let _ = search::batch_containing(bytes, Offset(3));
    let _ = search::batch_at_time(bytes, TimestampMs(50), Offset(0));
}

#[test]
fn damaged_batches_never_panic() {
    let mut choices = Choices::new(11);
    for _ in 0..ROUNDS {
        let codec = choices.pick(&Codec::ALL);
        let mut bytes = batch(&mut choices, codec, 0);
        for _ in 0..choices.below(4) {
            choices.damage(&mut bytes);
        }
        read_all(&bytes);
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut choices = Choices::new(12);
    for _ in 0..ROUNDS {
        let length = choices.below(200) as usize;
        let mut bytes = choices.bytes(length);
        // Half of them get past the first checks.
        if let Some(magic) = bytes.get_mut(8..17).filter(|_| choices.one_in(2)) {
            magic.copy_from_slice(&[0, 0, 0, 60, 0, 0, 0, 0, 2]);
        }
        read_all(&bytes);
        let _ = Record::take(&mut &bytes[..]);
        let _ = Records::new(&bytes, i32::MAX).count();
        let _ = OffsetIndex::decode(&bytes);
        let _ = SegmentName::parse(&String::from_utf8_lossy(&bytes));
        for codec in Codec::ALL {
            let _ = decompress(codec, &bytes, 1 << 20);
        }
    }
}

#[test]
fn damaged_streams_never_panic() {
    let mut choices = Choices::new(13);
    for _ in 0..ROUNDS {
        let length = choices.below(3000) as usize;
        let repeated = choices.bytes(1 + length / 50).repeat(20);
        let codec = choices.pick(&Codec::ALL);
        let mut stream = compress(codec, &repeated).unwrap();
        choices.damage(&mut stream);
        let _ = decompress(codec, &stream, 1 << 20);
    }
}

#[test]
fn what_is_sent_is_found_again() {
    let mut choices = Choices::new(14);
    for _ in 0..300 {
        let mut log = Vec::new();
        let mut next = 0;
        let mut records: Vec<(i64, i64)> = Vec::new();
        for _ in 0..1 + choices.below(6) {
            let codec = choices.pick(&Codec::ALL);
            let bytes = batch(&mut choices, codec, next);
            let parsed = Batch::parse(&bytes).unwrap();
            let plain = decompress(codec, parsed.body(), 1 << 20).unwrap();
            let base = parsed.header.base_timestamp.0;
            for record in Records::new(&plain, parsed.header.records_count) {
                let record = record.unwrap();
                records.push((next + i64::from(record.offset_delta), base + record.timestamp_delta));
            }
            next = parsed.header.next_offset().0;
            log.extend_from_slice(&bytes);
        }
        for offset in 0..next {
            let found = search::batch_containing(&log, Offset(offset)).unwrap().unwrap();
            assert!(found.header.base_offset.0 <= offset && offset <= found.header.last_offset().0);
        }
        assert_eq!(search::batch_containing(&log, Offset(next)), Ok(None));
        let (time, from) = (choices.below(110) as i64, choices.below(next as u64) as i64);
        let expected = records.iter().find(|(offset, at)| *at >= time && *offset >= from).copied();
        assert_eq!(first_at_time(&log, time, from), expected);
    }
}

/// The first record of time `time` or later at or after `from`, as a shard looks for it.
fn first_at_time(log: &[u8], time: i64, from: i64) -> Option<(i64, i64)> {
    let (time, mut from) = (TimestampMs(time), Offset(from));
    while let Some(batch) = search::batch_at_time(log, time, from).unwrap() {
        if let Some(found) = search::record_at_time(&batch, time, from).unwrap() {
            return Some((found.offset.0, found.timestamp.0));
        }
        from = batch.header.next_offset();
    }
    None
}

#[test]
fn a_bomb_is_walked_in_a_small_window() {
    // One record of 64 MiB zeros: 2 KiB of zstd. The walk holds 16 KiB of it at a time.
    let value = vec![0u8; 64 << 20];
    let bytes = BatchBuilder::new(Codec::Zstd).record(BatchRecord::of_value(TimestampMs(1), &value)).build();
    assert!(bytes.len() < 16 << 10);
    let valid = validate(&bytes, &rules(Validation::Full)).unwrap();
    assert_eq!(valid.size(), bytes.len());
}
