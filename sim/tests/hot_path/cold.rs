//! Fetches of what has left memory: read from the segment once, whoever asks for it.

use millrace_core::base::Offset;
use millrace_core::log::Codec;

use crate::bench::{append, batch, fetch, on_a_shard};

/// Half of the shard's 64 MiB keep tails: the first batches are long gone from there.
const BATCHES: i64 = 120;
const BATCH_BYTES: usize = 500_000;
/// What the device is asked for at once, and how far ahead of a reader.
const PAGE_BYTES: u64 = 256 << 10;
const AHEAD_BYTES: u64 = 4 * PAGE_BYTES;

#[test]
fn what_left_memory_is_read_once_for_all_readers() {
    let (bytes, first, second) = on_a_shard(async |shard| {
        let records = batch(Codec::None, 1, BATCH_BYTES);
        for _ in 0..BATCHES {
            append(&shard, 0, records.clone()).await;
        }
        let before = shard.stats().await.segment_read_bytes;
        let (_, bytes) = fetch(&shard, 0, Offset(0)).await;
        // Pages that were asked for ahead are on their way.
        millrace_rt::sleep(std::time::Duration::from_millis(100)).await;
        let first = shard.stats().await.segment_read_bytes - before;
        let cold = shard.stats().await.cache;
        assert!(cold.misses > 0 && cold.ahead > 0, "{cold:?}");
        for _ in 0..3 {
            assert_eq!(fetch(&shard, 0, Offset(0)).await.1, bytes);
        }
        let warm = shard.stats().await.cache;
        assert!(warm.misses == cold.misses && warm.ahead == cold.ahead, "{warm:?} after {cold:?}");
        assert_eq!(warm.hits - cold.hits, 3 * cold.misses, "each page was there: {warm:?} after {cold:?}");
        assert!(warm.bytes > 0 && warm.bytes <= warm.bytes_max, "{warm:?}");
        assert!(fetch(&shard, 0, Offset(BATCHES - 1)).await.1 > BATCH_BYTES, "the end is in memory");
        (bytes as u64, first, shard.stats().await.segment_read_bytes - before)
    });
    // The answer ends with a whole batch, and its pages begin and end where pages do.
    let most = bytes + BATCH_BYTES as u64 + AHEAD_BYTES + 2 * PAGE_BYTES;
    assert!((bytes + AHEAD_BYTES..=most).contains(&first), "{bytes} bytes answered, {first} read");
    assert_eq!(second, first, "a reader after the first reads nothing again");
}
