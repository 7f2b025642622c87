//! Partitions whose last block left memory: appends to many of them wait for all these blocks at once.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::journal::JOURNAL_BYTES_MIN;
use millrace_core::log::Codec;
use millrace_shard::{AppendPartition, Shard};

use crate::bench::{Setting, batch, key, on_such_a_shard};

/// A block for each partition's partial end is twice what tails may take: most are in files only.
const RESTING: i32 = 4_000;
/// Of one request to partitions that rest.
const WOKEN: i32 = 64;
const MANY_TIMES: usize = 4;
/// One at a time, to compare with.
const ALONE: i32 = 16;
/// One after another their blocks took 36 times as long as one.
const TIMES_MAX: u32 = 10;

/// Appends to all of these in one request; how long that took.
async fn append_to_all(shard: &Shard, partitions: Range<i32>, records: &Bytes) -> Duration {
    let append =
        |partition| AppendPartition { key: key(partition), records: records.clone(), produce_version: 9 };
    let begun = millrace_rt::now();
    let outcomes = shard.admit_append(partitions.map(append).collect()).await.await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    millrace_rt::now() - begun
}

#[test]
fn last_blocks_of_queued_appends_are_read_back_at_once() {
    let setting = Setting {
        partitions: RESTING,
        memory_bytes: 16 << 20,
        journal_bytes: JOURNAL_BYTES_MIN,
        ..Setting::USUAL
    };
    let (one, many) = on_such_a_shard(setting, async |shard| {
        let records = batch(Codec::None, 1, 300);
        for _ in 0..3 {
            for first in (0..RESTING).step_by(WOKEN as usize) {
                append_to_all(&shard, first..RESTING.min(first + WOKEN), &records).await;
            }
        }
        let mut alone = Duration::ZERO;
        for partition in 0..ALONE {
            alone += append_to_all(&shard, partition..partition + 1, &records).await;
        }
        let mut many = Duration::MAX;
        for first in (ALONE..).step_by(WOKEN as usize).take(MANY_TIMES) {
            // Some of them wait for a slot of the journal besides.
            many = many.min(append_to_all(&shard, first..first + WOKEN, &records).await);
        }
        (alone / ALONE.unsigned_abs(), many)
    });
    println!("an append to a partition at rest {one:?}, to {WOKEN} of them {many:?}");
    assert!(many < TIMES_MAX * one, "{many:?}, one {one:?}");
}
