//! Fetches of what has left memory: read from the segment once, whoever asks for it.

use millrace_core::base::Offset;
use millrace_core::log::Codec;

use crate::bench::{append, batch, fetch, fetch_at_most, on_a_shard};

/// Half of the shard's 64 MiB keep tails: the first batches are long gone from there.
const BATCHES: i64 = 120;
const BATCH_BYTES: usize = 500_000;
/// Fetched all over, these push everything else out of the read cache.
const MUCH: std::ops::Range<i64> = 20..90;
/// What the device is asked for at once, and how far ahead of a reader.
const PAGE_BYTES: u64 = 256 << 10;
const BLOCK_BYTES: u64 = 4096;
const AHEAD_BYTES: u64 = 4 * PAGE_BYTES;

#[test]
fn what_left_memory_is_read_once_for_all_readers() {
    let (bytes, first, second) = on_a_shard(async |shard| {
        let records = batch(Codec::None, 1, BATCH_BYTES);
        for _ in 0..BATCHES {
            append(&shard, 0, records.clone()).await;
        }
        let before = shard.stats().await.segments.read_bytes;
        let (_, bytes) = fetch(&shard, 0, Offset(0)).await;
        // Pages that were asked for ahead are on their way.
        millrace_rt::sleep(std::time::Duration::from_millis(100)).await;
        let first = shard.stats().await.segments.read_bytes - before;
        let cold = shard.stats().await.disk.cache;
        assert!(cold.misses > 0 && cold.ahead > 0, "{cold:?}");
        assert_eq!(cold.summed_bytes, bytes as u64, "each batch of the answer is summed");
        for _ in 0..3 {
            assert_eq!(fetch(&shard, 0, Offset(0)).await.1, bytes);
        }
        let warm = shard.stats().await.disk.cache;
        assert!(warm.misses == cold.misses && warm.ahead == cold.ahead, "{warm:?} after {cold:?}");
        assert_eq!(warm.hits - cold.hits, 3 * cold.misses, "each page was there: {warm:?} after {cold:?}");
        assert_eq!(warm.summed_bytes, cold.summed_bytes, "once for all readers");
        assert!(warm.bytes > 0 && warm.bytes <= warm.bytes_max, "{warm:?}");
        assert!(fetch(&shard, 0, Offset(BATCHES - 1)).await.1 > BATCH_BYTES, "the end is in memory");
        (bytes as u64, first, shard.stats().await.segments.read_bytes - before)
    });
    // The answer ends with a whole batch, and its pages begin and end where pages do.
    let most = bytes + BATCH_BYTES as u64 + AHEAD_BYTES + 2 * PAGE_BYTES;
    assert!((bytes + AHEAD_BYTES..=most).contains(&first), "{bytes} bytes answered, {first} read");
    assert_eq!(second, first, "a reader after the first reads nothing again");
}

#[test]
fn what_is_read_again_is_summed_again() {
    on_a_shard(async |shard| {
        let records = batch(Codec::None, 1, BATCH_BYTES);
        for _ in 0..BATCHES {
            append(&shard, 0, records.clone()).await;
        }
        let (_, bytes) = fetch(&shard, 0, Offset(0)).await;
        for offset in MUCH {
            fetch(&shard, 0, Offset(offset)).await;
        }
        let before = shard.stats().await.disk.cache;
        assert!(before.evictions > 0, "{before:?}");
        assert_eq!(fetch(&shard, 0, Offset(0)).await.1, bytes);
        let after = shard.stats().await.disk.cache;
        assert_eq!(after.summed_bytes - before.summed_bytes, bytes as u64, "{after:?} after {before:?}");
    });
}

#[test]
fn a_reader_that_begins_in_a_page_reads_what_lies_before_only_if_it_is_asked_for() {
    on_a_shard(async |shard| {
        let records = batch(Codec::None, 1, BATCH_BYTES);
        for _ in 0..BATCHES {
            append(&shard, 0, records.clone()).await;
        }
        let (begins, one) = (2 * records.len() as u64, records.len());
        let before = shard.stats().await.segments.read_bytes;
        assert_eq!(fetch_at_most(&shard, 0, Offset(2), one).await, one);
        let read = shard.stats().await.segments.read_bytes - before;
        let end = (begins + one as u64).next_multiple_of(PAGE_BYTES) + PAGE_BYTES;
        let most = end - begins + BLOCK_BYTES;
        assert!(begins % PAGE_BYTES > PAGE_BYTES / 2 && read <= most, "{read} bytes read for {one}");
        // Who comes in before it reads the page from there on, and both find theirs afterwards.
        assert_eq!(fetch_at_most(&shard, 0, Offset(1), one).await, one);
        let before = shard.stats().await.segments.read_bytes;
        assert_eq!(fetch_at_most(&shard, 0, Offset(1), one).await, one);
        assert_eq!(fetch_at_most(&shard, 0, Offset(2), one).await, one);
        assert_eq!(shard.stats().await.segments.read_bytes, before);
    });
}
