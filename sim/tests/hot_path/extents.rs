//! Appends of much data to one partition: written once, named by the journal, whole behind crashes.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::{
    Offset, PartitionIndex, PartitionKey, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId,
};
use millrace_core::log::{BatchBuilder, BatchHeader, BatchRecord, Codec, ProducerFault};
use millrace_core::meta::NewTopic;
use millrace_rt::fs;
use millrace_shard::{AppendError, AppendPartition, Appended, DeleteRecordsAsk, Shard, ValidateOnly};

use crate::bench::{
    Cost, Setting, append, append_to, batch, before_and_after_a_crash, fetch, fetch_key, fetch_records, key,
    on_a_shard, on_such_a_shard,
};

const RECORDS: usize = 600;
const RECORD_BYTES: usize = 1024;
const ROLLED: TopicId = TopicId([8; 16]);

/// Counts extents, their bytes, and the journal's bytes so far.
async fn written(shard: &Shard) -> (u64, u64, u64) {
    let stats = shard.stats().await;
    (stats.segments.extents, stats.segments.extent_bytes, stats.journal.written_bytes)
}

#[test]
fn a_large_append_is_copied_and_written_once() {
    on_a_shard(async |shard| {
        append(&shard, 0, batch(Codec::None, 1, 3000)).await;
        let (_, _, journal_before) = written(&shard).await;
        let records = batch(Codec::None, RECORDS, RECORD_BYTES);
        let bytes = records.len() as u64;
        let ((), cost) = Cost::of(append(&shard, 0, records)).await;
        let (extents, extent_bytes, journal) = written(&shard).await;
        assert_eq!(extents, 1);
        assert!(extent_bytes.abs_diff(bytes) < 8192, "{extent_bytes} of {bytes}");
        assert!(journal - journal_before <= 8192, "the journal took {}", journal - journal_before);
        // Of the last block what is not whole goes to the ring, too.
        assert!(cost.copied_bytes <= bytes + 8192, "{} of {bytes} bytes were copied", cost.copied_bytes);
        assert!(cost.allocations < RECORDS as u64 / 2, "{} allocations", cost.allocations);
        let (_, read) = fetch(&shard, 0, Offset(1)).await;
        assert_eq!(read as u64, bytes);
    });
}

#[test]
fn small_and_large_appends_of_a_log_come_back_behind_a_crash() {
    const ROUNDS: usize = 5;
    before_and_after_a_crash(
        async |shard| {
            for round in 0..ROUNDS {
                append(&shard, 0, batch(Codec::None, RECORDS, RECORD_BYTES)).await;
                // Sometimes the last block is whole, sometimes the next extent begins in the middle of one.
                append(&shard, 0, batch(Codec::None, 1, 100 + 997 * round)).await;
            }
            assert_eq!(written(&shard).await.0, ROUNDS as u64);
        },
        async |shard| {
            let mut offset = 0;
            for round in 0..ROUNDS {
                for (records, bytes) in [(RECORDS, RECORD_BYTES), (1, 100 + 997 * round)] {
                    let sent = batch(Codec::None, records, bytes);
                    let stored = one_batch(&shard, offset).await;
                    // Behind the base offset and the epoch, which the broker sets.
                    assert_eq!(stored.slice(16..), sent.slice(16..), "the batch at {offset}");
                    offset += records as i64;
                }
            }
            // And the log goes on.
            append(&shard, 0, batch(Codec::None, RECORDS, RECORD_BYTES)).await;
        },
    );
}

#[test]
fn large_appends_to_many_partitions_are_written_once() {
    const PARTITIONS: i32 = 60;
    on_such_a_shard(Setting { partitions: PARTITIONS, ..Setting::USUAL }, async |shard| {
        // Every file is there and ends in the middle of a block.
        for partition in 0..PARTITIONS {
            append(&shard, partition, batch(Codec::None, RECORDS, RECORD_BYTES)).await;
        }
        let (extents_before, _, journal_before) = written(&shard).await;
        let records = batch(Codec::None, 63, RECORD_BYTES);
        let mut tickets = Vec::new();
        for partition in 0..PARTITIONS {
            let append =
                AppendPartition { key: key(partition), records: records.clone(), produce_version: 9 };
            tickets.push(shard.admit_append(vec![append]).await);
        }
        for ticket in tickets {
            assert!(ticket.await.iter().all(Result::is_ok));
        }
        // Those that came before the device was behind went through the journal.
        let (extents, _, journal) = written(&shard).await;
        assert!(extents - extents_before >= 54, "{} extents", extents - extents_before);
        let once = PARTITIONS as u64 * records.len() as u64;
        assert!(journal - journal_before <= once / 5, "{} of {once}", journal - journal_before);
    });
}

/// A segment that was rolled and the extent of the one behind it both find no directory.
#[test]
fn files_made_at_once_do_not_take_each_others_directory_away() {
    const PARTITIONS: i32 = 64;
    const LARGE: usize = 300;
    let topic = NewTopic {
        partitions: PARTITIONS,
        configs: vec![("segment.ms".to_owned(), Some("20".to_owned()))],
        ..NewTopic::named("rolled", ROLLED)
    };
    before_and_after_a_crash(
        async move |shard| {
            assert!(
                shard.create_topics(vec![topic.clone()], ValidateOnly::No).await.iter().all(Result::is_ok)
            );
            let small = batch(Codec::None, 1, 100);
            for partition in 0..PARTITIONS {
                append_to(&shard, rolled(partition), small.clone()).await;
            }
            millrace_rt::sleep(Duration::from_millis(25)).await;
            let large = batch(Codec::None, LARGE, RECORD_BYTES);
            let appends = (0..PARTITIONS).map(|partition| {
                let (shard, large) = (shard.clone(), large.clone());
                millrace_rt::spawn(async move {
                    // The first rolls, the second goes to the new segment at once.
                    append_to(&shard, rolled(partition), large.clone()).await;
                    append_to(&shard, rolled(partition), large).await;
                })
            });
            for append in appends.collect::<Vec<_>>() {
                append.await;
            }
            assert!(written(&shard).await.0 > 0, "nothing was written ahead of the journal");
            shard.close().await;
        },
        async |shard| {
            for partition in 0..PARTITIONS {
                for offset in [0, 1, 1 + LARGE as i64] {
                    let bytes = fetch_key(&shard, rolled(partition), Offset(offset)).await;
                    assert!(!bytes.is_empty(), "partition {partition} has nothing at {offset}");
                }
            }
        },
    );
}

fn rolled(partition: i32) -> PartitionKey {
    PartitionKey::new(ROLLED, PartitionIndex(partition))
}

/// The batch that begins at `offset`.
async fn one_batch(shard: &Shard, offset: i64) -> Bytes {
    let records = fetch_records(shard, 0, Offset(offset)).await;
    let whole = Bytes::from(records.concat());
    let size = BatchHeader::parse(&whole).unwrap().size();
    whole.slice(..size)
}

/// A large batch of producer 7 that begins at this sequence.
fn numbered(sequence: i32) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None);
    builder = builder.producer(ProducerId(7), ProducerEpoch(0), Sequence(sequence));
    for number in 0..RECORDS {
        let value = [number as u8; RECORD_BYTES];
        builder.push(BatchRecord::of_value(TimestampMs(1_700_000_000_000), &value));
    }
    builder.build().into()
}

#[test]
fn retries_and_gaps_are_seen_among_appends_that_wait_for_one_extent() {
    on_a_shard(async |shard| {
        let due = [0, RECORDS as i32, RECORDS as i32, 5 * RECORDS as i32, 2 * RECORDS as i32];
        let mut tickets = Vec::new();
        for sequence in due {
            let append = AppendPartition { key: key(0), records: numbered(sequence), produce_version: 9 };
            tickets.push(shard.admit_append(vec![append]).await);
        }
        let mut outcomes: Vec<Result<Appended, AppendError>> = Vec::new();
        for ticket in tickets {
            outcomes.extend(ticket.await);
        }
        let base = |number: usize| Offset((number * RECORDS) as i64);
        let offsets: Vec<Option<Offset>> =
            outcomes.iter().map(|outcome| outcome.as_ref().ok().map(|done| done.base_offset)).collect();
        assert_eq!(offsets, [Some(base(0)), Some(base(1)), Some(base(1)), None, Some(base(2))]);
        let is_gap = |outcome: &Result<Appended, AppendError>| {
            matches!(outcome, Err(AppendError::Producer(ProducerFault::OutOfOrder { .. })))
        };
        assert!(is_gap(&outcomes[3]), "{outcomes:?}");
        assert!(written(&shard).await.0 >= 2, "they are written as extents");
    });
}

/// Bytes of the files of a directory, also of those that wait for their end.
async fn bytes_in(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).await.unwrap() {
        // It may go meanwhile.
        bytes += fs::len(&dir.join(&entry.name)).await.unwrap_or(0);
    }
    bytes
}

#[test]
fn segments_go_as_fast_as_extents_come() {
    const APPENDS: usize = 300;
    /// Kept behind each append.
    const KEPT: usize = 8;
    let most = on_a_shard(async |shard| {
        let set = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        let configs = vec![set("segment.bytes", "4194304"), set("file.delete.delay.ms", "0")];
        let topic = NewTopic { configs, ..NewTopic::named("rolled", ROLLED) };
        assert!(shard.create_topics(vec![topic], ValidateOnly::No).await.iter().all(Result::is_ok));
        let records = batch(Codec::None, RECORDS, RECORD_BYTES);
        let mut most = 0;
        for appended in 1..=APPENDS {
            append_to(&shard, rolled(0), records.clone()).await;
            let before = Some(Offset((appended.saturating_sub(KEPT) * RECORDS) as i64));
            assert!(shard.delete_records(vec![DeleteRecordsAsk { key: rolled(0), before }]).await[0].is_ok());
            most = most.max(bytes_in(Path::new("/data/topics/rolled-0")).await);
        }
        most
    });
    let appended = (APPENDS * RECORDS * RECORD_BYTES) as u64;
    assert!(most <= 16 << 20, "{most} bytes are in files, of {appended}");
}
