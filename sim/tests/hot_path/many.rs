//! Fetches of thousands of partitions: one budget over all of them,
//! and no memory for those that have nothing new.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::{Offset, PartitionIndex, PartitionKey, TopicId};
use millrace_core::log::Codec;
use millrace_core::meta::NewTopic;
use millrace_shard::{FetchPartition, FetchQuery, FetchedPartition, Isolation, Shard, ValidateOnly};

use crate::bench::{Cost, append_to, batch, before_and_after_a_crash, on_a_shard};

const TOPIC: TopicId = TopicId([9; 16]);
const PARTITIONS: i32 = 5_000;
/// Every so many partitions one has records.
const FULL_EVERY: i32 = 5;
/// Lists of a fetch double so often until they hold all partitions, and a few of them are made.
const ALLOCATIONS_MAX: u64 = 64;

fn key(partition: i32) -> PartitionKey {
    PartitionKey::new(TOPIC, PartitionIndex(partition))
}

async fn create(shard: &Shard) {
    let topic = NewTopic { partitions: PARTITIONS, ..NewTopic::named("many", TOPIC) };
    assert!(shard.create_topics(vec![topic], ValidateOnly::No).await.iter().all(Result::is_ok));
}

/// A query for partitions in the order of `order`, from the first offset on.
fn query(order: impl Iterator<Item = i32>, max_bytes: usize) -> FetchQuery {
    let wanted = |partition| FetchPartition {
        key: key(partition),
        offset: Offset::ZERO,
        max_bytes: 1 << 20,
        current_leader_epoch: None,
    };
    FetchQuery {
        partitions: order.map(wanted).collect(),
        max_wait: Duration::ZERO,
        min_bytes: 1,
        max_bytes,
        isolation: Isolation::ReadUncommitted,
    }
}

/// Bytes that each partition brought.
fn sizes(fetched: &[FetchedPartition]) -> Vec<usize> {
    let of = |one: &FetchedPartition| one.result.as_ref().unwrap().records.iter().map(Bytes::len).sum();
    fetched.iter().map(of).collect()
}

#[test]
fn partitions_with_nothing_new_take_no_memory_of_their_own() {
    let (few, many) = on_a_shard(async |shard| {
        create(&shard).await;
        let mut least = Vec::new();
        for count in [50, PARTITIONS] {
            let mut costs = Vec::new();
            for _ in 0..5 {
                let asked = query(0..count, 1 << 20);
                let (fetched, cost) = Cost::of(shard.fetch(asked)).await;
                assert!(sizes(&fetched).iter().all(|bytes| *bytes == 0));
                costs.push(cost);
            }
            least.push(Cost::least(&costs));
        }
        (least[0], least[1])
    });
    println!("50 partitions: {few:?}; {PARTITIONS}: {many:?}");
    assert!(many.allocations <= ALLOCATIONS_MAX, "{many:?}");
    assert_eq!(many.copied_bytes, 0);
}

#[test]
fn one_budget_covers_thousands_of_partitions() {
    on_a_shard(async |shard| {
        create(&shard).await;
        let records = batch(Codec::None, 1, 1000);
        let one = records.len();
        for partition in (0..PARTITIONS).step_by(FULL_EVERY as usize) {
            append_to(&shard, key(partition), records.clone()).await;
        }
        let full = (PARTITIONS / FULL_EVERY) as usize;
        // Kafka's least answer, a budget for a few, one that ends within a batch, and a large one.
        for (max_bytes, expected) in [(1, 1), (10 * one, 10), (10 * one + one / 2, 10), (400 * one, 400)] {
            let (fetched, cost) = Cost::of(shard.fetch(query(0..PARTITIONS, max_bytes))).await;
            let sizes = sizes(&fetched);
            let served: Vec<usize> = (0..sizes.len()).filter(|place| sizes[*place] > 0).collect();
            let first: Vec<usize> = (0..expected).map(|number| number * FULL_EVERY as usize).collect();
            assert_eq!(served, first, "within {max_bytes} bytes the first partitions come whole");
            let bytes: usize = sizes.iter().sum();
            assert!(bytes <= max_bytes.max(one), "{bytes} bytes of {max_bytes}");
            println!("{max_bytes} bytes: {cost:?}");
            // Two lists of slices for each partition that brings something.
            let most = ALLOCATIONS_MAX + 4 * expected as u64;
            assert!(cost.allocations <= most, "{cost:?} for {expected} partitions");
            // Small pieces of large chunks are copied out of them, once,
            // where they would keep too much memory.
            assert!(cost.copied_bytes <= bytes as u64, "{cost:?} for {bytes} bytes");
        }
        // As a session does it: who was served goes to the end, so that everybody is served in turn.
        let mut order: Vec<i32> = (0..PARTITIONS).collect();
        let mut served = vec![0; PARTITIONS as usize];
        for _ in 0..full / 10 {
            let fetched = shard.fetch(query(order.iter().copied(), 10 * one)).await;
            let sizes = sizes(&fetched);
            let (with, without): (Vec<_>, Vec<_>) =
                order.iter().copied().zip(sizes).partition(|(_, bytes)| *bytes > 0);
            with.iter().for_each(|(partition, _)| served[*partition as usize] += 1);
            order = without.into_iter().chain(with).map(|(partition, _)| partition).collect();
        }
        let turns = |partition: i32| i32::from(partition % FULL_EVERY == 0);
        assert!((0..PARTITIONS).all(|partition| served[partition as usize] == turns(partition)));
    });
}

/// Longer than anybody waits in a test that goes well.
const LONG: Duration = Duration::from_secs(600);

fn waiting(partitions: Range<i32>) -> FetchQuery {
    FetchQuery { max_wait: LONG, ..query(partitions, 1 << 20) }
}

/// Some readers of all partitions are told of new records; the next one hears soon what is there,
/// and waits once there is a place again.
#[test]
fn readers_beyond_the_memory_for_those_who_wait_are_answered_soon() {
    on_a_shard(async |shard| {
        create(&shard).await;
        let refused = async || shard.stats().await.fetches.delayed_refused;
        let begin = |count| {
            let shard = shard.clone();
            millrace_rt::spawn(async move { shard.fetch(waiting(0..count)).await })
        };
        let first = begin(PARTITIONS);
        millrace_rt::sleep(Duration::from_secs(1)).await;
        assert_eq!(refused().await, 0);
        let begun = millrace_rt::now();
        let fetched = shard.fetch(waiting(0..PARTITIONS)).await;
        let waited = millrace_rt::now() - begun;
        assert!(sizes(&fetched).iter().all(|bytes| *bytes == 0));
        assert_eq!(refused().await, 1);
        assert!(waited >= Duration::from_millis(50) && waited < Duration::from_secs(1), "{waited:?}");
        // A few partitions have a place yet.
        let few = begin(50);
        millrace_rt::sleep(Duration::from_secs(1)).await;
        append_to(&shard, key(7), batch(Codec::None, 1, 100)).await;
        assert!(sizes(&first.await)[7] > 0 && sizes(&few.await)[7] > 0);
        assert_eq!(refused().await, 1);
        // What they took is given back.
        for _ in 0..20 {
            let begun = millrace_rt::now();
            let fetched = shard.fetch(waiting(8..PARTITIONS));
            let gone = millrace_rt::timeout(Duration::from_secs(1), fetched).await;
            assert!(gone.is_none(), "{:?}", millrace_rt::now() - begun);
        }
        assert_eq!(refused().await, 1);
    });
}

/// Partitions that a start finds in files only.
const COLD: i32 = 600;
/// What a fetch gathers for from the device, and what it takes besides.
const ANSWERED_WITHIN: Duration = Duration::from_millis(40);

#[test]
fn a_fetch_of_many_cold_partitions_answers_with_what_has_come() {
    before_and_after_a_crash(
        async |shard| {
            create(&shard).await;
            for partition in 0..COLD {
                append_to(&shard, key(partition), batch(Codec::None, 1, 1000)).await;
            }
            shard.close().await;
        },
        async |shard| {
            // As a session does it: who was served goes to the end.
            let mut order: Vec<i32> = (0..PARTITIONS).collect();
            let (mut served, mut fetches) = (0, 0);
            while served < COLD as usize {
                let begun = millrace_rt::now();
                let fetched = shard.fetch(query(order.iter().copied(), 50 << 20)).await;
                let took = millrace_rt::now() - begun;
                let sizes = sizes(&fetched);
                let (with, without): (Vec<_>, Vec<_>) =
                    order.iter().copied().zip(sizes).partition(|(_, bytes)| *bytes > 0);
                assert!(!with.is_empty() && took <= ANSWERED_WITHIN, "{} came in {took:?}", with.len());
                served += with.len();
                fetches += 1;
                order = without.into_iter().map(|(partition, _)| partition).collect();
            }
            let stats = shard.stats().await;
            println!("{fetches} fetches, {} of {} reads of the device", stats.segments.reads, COLD);
            // The last one has nothing to leave.
            assert_eq!(stats.fetches.cut_short, fetches - 1);
            assert!((2..=20).contains(&fetches), "{fetches} fetches");
        },
    );
}
