//! How many producers a shard remembers: no more than its memory allows,
//! and none that may send again is forgotten.

use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::{ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_shard::{AppendError, AppendPartition, Shard};

use crate::bench::{Setting, key, on_such_a_shard};

/// A 32nd of the bench's 64 MiB, at 256 B a producer.
const PRODUCERS_MAX: i64 = 8192;
const HONEST: ProducerId = ProducerId(1);
/// The first of those that come once and never again.
const STRANGERS: i64 = 1_000_000;
/// Longer than a producer has to be idle, and than the shard needs to see it.
const IDLE: Duration = Duration::from_secs(160);

fn batch_of(producer: ProducerId, sequence: i32) -> AppendPartition {
    let builder = BatchBuilder::new(Codec::None).producer(producer, ProducerEpoch(0), Sequence(sequence));
    let now = TimestampMs(millrace_rt::wall_now_ms());
    let records: Bytes = builder.record(BatchRecord::of_value(now, b"value")).build().into();
    AppendPartition { key: key(0), records, produce_version: 9 }
}

async fn append(shard: &Shard, producer: ProducerId, sequence: i32) -> Result<(), AppendError> {
    shard.admit_append(vec![batch_of(producer, sequence)]).await.await.remove(0).map(drop)
}

/// Appends of so many strangers at once; answers how many were refused.
async fn strangers(shard: &Shard, from: i64, count: i64) -> usize {
    let appends = (from..from + count).map(|number| batch_of(ProducerId(STRANGERS + number), 0)).collect();
    let outcomes = shard.admit_append(appends).await.await;
    let refused = |outcome: &&Result<_, AppendError>| match outcome {
        Ok(_) => false,
        Err(AppendError::TooManyProducers) => true,
        Err(other) => panic!("{other}"),
    };
    outcomes.iter().filter(refused).count()
}

#[test]
fn more_producers_than_memory_allows_wait_until_others_are_idle() {
    on_such_a_shard(Setting { lasts_at_most: 2 * IDLE, ..Setting::USUAL }, async |shard| {
        assert!(append(&shard, HONEST, 0).await.is_ok());
        let mut refused = 0;
        for round in 0..20 {
            refused += strangers(&shard, round * 500, 500).await;
        }
        let stats = shard.stats().await;
        let over = 10_000 + 1 - PRODUCERS_MAX;
        // Who came while it was looked may be counted twice.
        assert!((over as usize..over as usize + 1024).contains(&refused), "{refused} refused");
        assert_eq!((stats.appends.producers_refused, stats.appends.producers_forgotten), (refused as u64, 0));
        // Who is known goes on all the while, and is not forgotten.
        assert!(append(&shard, HONEST, 1).await.is_ok());
        millrace_rt::sleep(IDLE).await;
        assert!(append(&shard, HONEST, 2).await.is_ok());
        // The first of these has the shard look, if nobody did before.
        strangers(&shard, 20_000, 1).await;
        millrace_rt::sleep(Duration::from_secs(2)).await;
        assert_eq!(strangers(&shard, 30_000, 900).await, 0);
        let forgotten = shard.stats().await.appends.producers_forgotten;
        assert!(forgotten >= 1000, "{forgotten}");
        assert!(
            matches!(append(&shard, HONEST, 9).await, Err(AppendError::Producer(_))),
            "its place is known"
        );
        assert!(append(&shard, HONEST, 3).await.is_ok());
    });
}
