//! Lookups by time after a crash: they read the index and a few pages, however long the log is.

use bytes::Bytes;
use millrace_core::base::{Offset, TimestampMs};
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_shard::{DeleteRecordsAsk, FoundOffset, Isolation, OffsetAsk, OffsetQuery, Shard};

use crate::bench::{append, before_and_after_a_crash, key};

const BATCH_BYTES: usize = 250_000;
/// What the device is asked for at once.
const PAGE_BYTES: u64 = 256 << 10;
/// An index is stored once its segment has grown by so much; what came since is walked.
const STORED_EVERY_BYTES: u64 = 8 << 20;
/// Of the simulated broker: what of a log may be in no checkpoint yet.
const JOURNAL_BYTES: u64 = 16 << 20;
/// Beside the walk: where the index ends is checked, an interval is walked and a batch is read; each may lie
/// in two pages, and pages ahead are read too.
const PAGES: u64 = 3 * 2 + 2 * 4;
const FIRST_TIME: i64 = 1_700_000_000_000;

/// Times rise from batch to batch, but for the three records of each, of which the second is the latest.
fn batch(number: i64) -> Bytes {
    let mut builder = BatchBuilder::new(if number % 2 == 0 { Codec::None } else { Codec::Lz4 });
    let mut value = vec![0u8; BATCH_BYTES / 3];
    for (place, after) in [2, 7, 4].into_iter().enumerate() {
        let noise = |at: usize| (at as u64 * 2_654_435_761 + number as u64 * 40_503 + place as u64) >> 7;
        value.iter_mut().enumerate().for_each(|(at, byte)| *byte = noise(at) as u8);
        builder.push(BatchRecord::of_value(TimestampMs(FIRST_TIME + number * 10 + after), &value));
    }
    builder.build().into()
}

async fn ask(shard: &Shard, query: OffsetQuery) -> FoundOffset {
    let isolation = Isolation::ReadUncommitted;
    let ask = OffsetAsk { key: key(0), query, isolation, current_leader_epoch: None };
    shard.list_offsets(vec![ask]).await.remove(0).unwrap()
}

/// What one lookup finds, and the bytes that it reads.
async fn look(shard: &Shard, query: OffsetQuery) -> ((i64, i64), u64) {
    let before = shard.stats().await.segments.read_bytes;
    let found = ask(shard, query).await;
    // Pages that were asked for ahead are on their way.
    millrace_rt::sleep(std::time::Duration::from_millis(100)).await;
    let read = shard.stats().await.segments.read_bytes - before;
    ((found.offset.0, found.timestamp.0 - FIRST_TIME), read)
}

fn at(after: i64) -> OffsetQuery {
    OffsetQuery::AtTime(TimestampMs(FIRST_TIME + after))
}

/// Bytes of the first lookup after a crash, and the most of any later one, in a log of `batches` batches.
fn reads(batches: i64) -> (u64, u64) {
    before_and_after_a_crash(
        async move |shard| {
            for number in 0..batches {
                append(&shard, 0, batch(number)).await;
            }
        },
        async move |shard| {
            let middle = batches / 2;
            let (found, first) = look(&shard, at(middle * 10)).await;
            assert_eq!(found, (3 * middle, middle * 10 + 2), "the first record of the batch");
            let mut most = 0;
            for (query, expected) in [
                (at(-5), (0, 2)),
                (at(33), (3 * 3 + 1, 37)),
                (at((batches - 1) * 10 + 5), (3 * batches - 2, (batches - 1) * 10 + 7)),
                (at(batches * 10), (-1, -1 - FIRST_TIME)),
                (OffsetQuery::MaxTimestamp, (3 * batches - 2, (batches - 1) * 10 + 7)),
            ] {
                let (found, read) = look(&shard, query).await;
                assert_eq!(found, expected, "{query:?}");
                most = most.max(read);
            }
            // In a log that begins within a batch, also where all before is later than what is asked for.
            let before = Some(Offset(3 * middle + 2));
            assert!(shard.delete_records(vec![DeleteRecordsAsk { key: key(0), before }]).await[0].is_ok());
            let (found, read) = look(&shard, at(middle * 10 - 100)).await;
            assert_eq!(found, (3 * middle + 2, middle * 10 + 4));
            let (found, read_too) = look(&shard, at(middle * 10 + 5)).await;
            assert_eq!(found, (3 * middle + 3, middle * 10 + 12));
            (first, most.max(read).max(read_too))
        },
    )
}

#[test]
fn a_lookup_by_time_reads_the_index_and_a_few_pages() {
    for batches in [130, 500] {
        let (first, later) = reads(batches);
        println!(
            "{} MB: {first} bytes read at first, then at most {later}",
            batches * BATCH_BYTES as i64 / 1_000_000
        );
        assert!(
            first <= STORED_EVERY_BYTES + JOURNAL_BYTES + PAGES * PAGE_BYTES,
            "{first} bytes read at first"
        );
        assert!(later <= PAGES * PAGE_BYTES, "{later} bytes read by a later lookup");
    }
}
