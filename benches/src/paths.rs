//! The paths whose instructions are counted: each does the same thing so many times,
//! after the same preparation.

use std::hint::black_box;

use bytes::Bytes;
use millrace_core::base::{Offset, Position, TimestampMs};
use millrace_core::log::{BatchHeader, OffsetIndex, Validation, validate};

use crate::ring::MemoryJournal;
use crate::samples::{batch_of, rules};
use crate::wire::{decode_fetch, decode_produce, encode_fetched, fetch_request, produce_request};
use crate::world::{append, fetch, on_a_shard};

/// Records of 1 KiB that fill a batch of just below 64 KiB.
const FULL: usize = 63;
/// Partitions of a request with many.
const MANY: i32 = 100;
/// Partitions of a consumer of very many.
const IDLE: i32 = 1000;
/// An index of 1 GiB has so many entries.
const BATCHES: i64 = 16 * 1024;

/// A path by its name.
pub struct Path {
    pub name: &'static str,
    pub run: fn(u32),
}

/// All of them, in the order of the baseline.
pub const PATHS: &[Path] = &[
    Path { name: "codec/produce-decode-1", run: |rounds| produce_decode(rounds, 1) },
    Path { name: "codec/produce-decode-100", run: |rounds| produce_decode(rounds, MANY) },
    Path { name: "codec/fetch-decode-100", run: fetch_decode },
    Path { name: "codec/fetch-encode-1", run: |rounds| fetch_encode(rounds, 1) },
    Path { name: "codec/fetch-encode-100", run: |rounds| fetch_encode(rounds, MANY) },
    Path { name: "append/validate-1KiB", run: |rounds| check(rounds, 1) },
    Path { name: "append/validate-64KiB", run: |rounds| check(rounds, FULL) },
    Path { name: "append/seal-1KiB", run: |rounds| seal(rounds, 1) },
    Path { name: "append/seal-100-partitions", run: |rounds| seal(rounds, MANY) },
    Path { name: "append/shard-1KiB", run: |rounds| append_request(rounds, 1, 1) },
    Path { name: "append/shard-64KiB", run: |rounds| append_request(rounds, 1, FULL) },
    Path { name: "append/shard-100-partitions", run: |rounds| append_request(rounds, MANY, 1) },
    Path { name: "fetch/index-by-offset", run: by_offset },
    Path { name: "fetch/index-by-time", run: by_time },
    Path { name: "fetch/shard-tail", run: |rounds| fetch_tail(rounds, 1) },
    Path { name: "fetch/shard-tail-100-partitions", run: |rounds| fetch_tail(rounds, MANY) },
    Path { name: "fetch/shard-idle-1000-partitions", run: fetch_nothing },
];

fn produce_decode(rounds: u32, partitions: i32) {
    let body = produce_request(partitions, &Bytes::from(batch_of(1)));
    for _ in 0..rounds {
        assert_eq!(decode_produce(black_box(&body)), partitions as usize, "every partition is read");
    }
}

fn fetch_decode(rounds: u32) {
    let body = fetch_request(MANY);
    for _ in 0..rounds {
        assert_eq!(decode_fetch(black_box(&body)), MANY as usize, "every partition is read");
    }
}

fn fetch_encode(rounds: u32, partitions: i32) {
    let records = Bytes::from(batch_of(FULL));
    for _ in 0..rounds {
        assert!(encode_fetched(partitions, black_box(&records)) > 0, "the answer fits its version");
    }
}

fn check(rounds: u32, records: usize) {
    let (batch, rules) = (batch_of(records), rules(Validation::Full));
    for _ in 0..rounds {
        assert!(validate(black_box(&batch), &rules).is_ok(), "the sample is what a producer sends");
    }
}

fn seal(rounds: u32, partitions: i32) {
    let payload = [Bytes::from(batch_of(1))];
    let mut journal = MemoryJournal::new();
    for _ in 0..rounds {
        black_box(journal.seal(partitions, &payload));
    }
}

fn append_request(rounds: u32, partitions: i32, records: usize) {
    on_a_shard(partitions, async move |shard| {
        let batch = Bytes::from(batch_of(records));
        for _ in 0..rounds {
            append(&shard, 0..partitions, &batch).await;
        }
    });
}

fn fetch_tail(rounds: u32, partitions: i32) {
    on_a_shard(partitions, async move |shard| {
        let batch = Bytes::from(batch_of(1));
        append(&shard, 0..partitions, &batch).await;
        for _ in 0..rounds {
            assert_eq!(fetch(&shard, 0..partitions).await, partitions as usize * batch.len(), "all of it");
        }
    });
}

/// What a poll of partitions costs in which nothing is new.
fn fetch_nothing(rounds: u32) {
    on_a_shard(IDLE, async move |shard| {
        for _ in 0..rounds {
            assert_eq!(fetch(&shard, 0..IDLE).await, 0, "nothing was appended");
        }
    });
}

/// The index of 1 GiB in batches of 64 KiB, a millisecond each.
fn index() -> OffsetIndex {
    let mut index = OffsetIndex::new(Offset::ZERO);
    if let Ok(header) = BatchHeader::parse(&batch_of(FULL)) {
        for number in 0..BATCHES {
            let base_offset = Offset(number * FULL as i64);
            index.note(&BatchHeader { base_offset, max_timestamp: TimestampMs(number), ..header });
        }
    }
    assert!(index.entries().len() > 1, "the sample is a batch");
    index
}

fn by_offset(rounds: u32) {
    let index = index();
    for round in 0..i64::from(rounds) {
        black_box(index.lookup(Offset(round * 7_919 % (BATCHES * FULL as i64))));
    }
}

/// Half of the index is passed on average.
fn by_time(rounds: u32) {
    let index = index();
    for round in 0..i64::from(rounds) {
        let time = TimestampMs(round * 7_919 % BATCHES);
        black_box(index.interval_at_time(time, Position::ZERO));
    }
}
