//! A file system that has space and no inodes: records are refused before it refuses a file.

use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::{Offset, PartitionIndex, PartitionKey, TopicId};
use millrace_core::journal::{ADMISSION_INODES, SpaceNeed};
use millrace_core::log::Codec;
use millrace_core::meta::NewTopic;
use millrace_rt::world::DiskFault;
use millrace_shard::{AppendPartition, Shard, ValidateOnly};

use crate::bench::{Setting, append_to, around_a_fault, batch, before_and_after_a_crash, fetch, key};

const PARTITIONS: i32 = 200;
/// Files and directories that can be made beyond the reserve.
const SPARE_INODES: u64 = 50;
/// More than a paced write of a tail, so that each partition gets its directory and its segment.
const BATCH_BYTES: usize = 200_000;
/// A topic whose segments end with each append that comes so much later.
const ROLLED: TopicId = TopicId([9; 16]);
const SEGMENT_PAUSE: Duration = Duration::from_millis(2);

#[test]
fn records_are_refused_before_a_segment_finds_no_inode() {
    let setting = Setting { partitions: PARTITIONS, ..Setting::USUAL };
    let need =
        SpaceNeed { journal_bytes: 0, partitions: PARTITIONS as u64, files_due: 0, checkpoint_bytes: 0 };
    let fault = DiskFault::FewInodes(need.inodes() + ADMISSION_INODES + SPARE_INODES);
    let refusals = around_a_fault(
        setting,
        async |shard| assert!(appended(shard, 0).await),
        fault,
        async move |shard| {
            let mut taken = 1;
            while taken < PARTITIONS && appended(shard, taken).await {
                taken += 1;
                // The pace of its flusher, and of the looks at the disk.
                millrace_rt::sleep(Duration::from_millis(100)).await;
            }
            assert!((10..PARTITIONS).contains(&taken), "{taken} partitions took a record");
            let stats = shard.stats().await;
            assert_eq!(stats.space.short, 1, "{stats:?}");
            assert!(stats.space.reserve_inodes >= need.inodes() + ADMISSION_INODES, "{stats:?}");
            for partition in 0..taken {
                assert!(fetch(shard, partition, Offset(0)).await.1 > BATCH_BYTES, "{partition} is read");
            }
            // What goes makes room.
            assert!(shard.delete_topics(vec![crate::bench::TOPIC]).await.iter().all(Result::is_ok));
            millrace_rt::sleep(Duration::from_secs(5)).await;
            assert_eq!(shard.stats().await.space.short, 0);
        },
    );
    assert_eq!(refusals, 0, "the disk was never asked for a file that it could not make");
}

#[test]
fn a_topic_of_more_partitions_than_inodes_is_refused_and_records_are_taken() {
    let need = SpaceNeed { journal_bytes: 0, partitions: 1, files_due: 0, checkpoint_bytes: 0 };
    let fault = DiskFault::FewInodes(need.inodes() + ADMISSION_INODES + SPARE_INODES);
    let refusals = around_a_fault(
        Setting::USUAL,
        async |shard| assert!(appended(shard, 0).await),
        fault,
        async |shard| {
            // Each takes two, and three of the reserve: of several that follow one another the last finds too
            // few.
            for (name, partitions, is_made) in
                [("large", 11, false), ("first", 8, true), ("second", 9, false)]
            {
                let topic = NewTopic { partitions, ..NewTopic::named(name, TopicId([name.len() as u8; 16])) };
                let made = shard.create_topics(vec![topic], ValidateOnly::No).await;
                assert_eq!(made.iter().all(Result::is_ok), is_made, "{name}: {made:?}");
                assert!(appended(shard, 0).await, "after {name}");
            }
            assert_eq!(shard.stats().await.space.short, 0);
        },
    );
    assert_eq!(refusals, 0);
}

/// A disk that is slower than logs roll: what it will be asked for cannot be given to others.
#[test]
fn segments_without_a_file_yet_are_of_the_reserve() {
    const PARTITIONS: i32 = 20;
    around_a_fault(
        Setting::USUAL,
        async move |shard| create_rolled(shard, PARTITIONS).await,
        DiskFault::Slow(Duration::from_millis(50)),
        async |shard| {
            // It looks at the disk once a second.
            millrace_rt::sleep(Duration::from_secs(2)).await;
            let before = shard.stats().await.space.reserve_inodes;
            append_rolled(shard, PARTITIONS, 10).await;
            millrace_rt::sleep(Duration::from_secs(1)).await;
            let stats = shard.stats().await;
            assert!(stats.appends.rolls >= 100, "{} rolls", stats.appends.rolls);
            let most = stats.space.reserve_inodes;
            assert!(most >= before + 50, "{before} before, then {most}");
            millrace_rt::sleep(Duration::from_secs(40)).await;
            let after = shard.stats().await.space.reserve_inodes;
            // The files are there; their indexes wait for a checkpoint that calls them hard.
            assert!(before < after && after < most, "{before} before, {most} at most, {after} after");
        },
    );
}

/// The checkpoint of a start calls segments hard; their indexes are made when the journal is cleaned,
/// which may be much later.
#[test]
fn indexes_that_a_start_leaves_to_be_made_are_of_the_reserve() {
    const ROLLS: usize = 50;
    let reserve = before_and_after_a_crash(
        async |shard| {
            create_rolled(&shard, 1).await;
            append_rolled(&shard, 1, ROLLS).await;
            // No tail for the journal to carry: it goes to its file, and the partition needs no journal.
            append_to(
                &shard,
                PartitionKey::new(ROLLED, PartitionIndex(0)),
                batch(Codec::None, 1, BATCH_BYTES),
            )
            .await;
        },
        async |shard| {
            millrace_rt::sleep(Duration::from_secs(2)).await;
            shard.stats().await.space.reserve_inodes
        },
    );
    let need = SpaceNeed { journal_bytes: 0, partitions: 2, files_due: ROLLS as u64, checkpoint_bytes: 0 };
    assert_eq!(reserve, need.inodes() + ADMISSION_INODES);
}

async fn create_rolled(shard: &Shard, partitions: i32) {
    let topic = NewTopic {
        partitions,
        configs: [("segment.ms", "1"), ("message.timestamp.type", "LogAppendTime")]
            .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
            .into(),
        ..NewTopic::named("rolled", ROLLED)
    };
    let made = shard.create_topics(vec![topic], ValidateOnly::No).await;
    assert!(made.iter().all(Result::is_ok));
}

/// Appends a batch to each of its partitions, so many times.
async fn append_rolled(shard: &Shard, partitions: i32, rounds: usize) {
    let records: Bytes = batch(Codec::None, 1, 100);
    for _ in 0..rounds {
        let append = |partition| AppendPartition {
            key: PartitionKey::new(ROLLED, PartitionIndex(partition)),
            records: records.clone(),
            produce_version: 9,
        };
        let outcomes = shard.admit_append((0..partitions).map(append).collect()).await.await;
        assert!(outcomes.iter().all(Result::is_ok));
        millrace_rt::sleep(SEGMENT_PAUSE).await;
    }
}

/// Whether the partition took a record.
async fn appended(shard: &Shard, partition: i32) -> bool {
    let records: Bytes = batch(Codec::None, 1, BATCH_BYTES);
    let append = AppendPartition { key: key(partition), records, produce_version: 9 };
    shard.admit_append(vec![append]).await.await.iter().all(Result::is_ok)
}
