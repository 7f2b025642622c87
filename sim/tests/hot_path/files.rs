//! Segment files of many partitions on a shard that may keep few of them open.

use std::time::Duration;

use millrace_core::base::Offset;
use millrace_core::log::Codec;

use crate::bench::{Setting, TOPIC, append, batch, fetch, on_such_a_shard};

const OPEN_FILES: usize = 16;
const PARTITIONS: i32 = 100;
/// More than tails keep of all partitions, in writes of 128 KiB each.
const BATCHES: i64 = 3;
const BATCH_BYTES: usize = 200_000;

#[test]
fn few_open_files_serve_many_partitions() {
    let setting = Setting { partitions: PARTITIONS, open_files: OPEN_FILES, ..Setting::USUAL };
    on_such_a_shard(setting, async |shard| {
        let records = batch(Codec::None, 1, BATCH_BYTES);
        for _ in 0..BATCHES {
            for partition in 0..PARTITIONS {
                append(&shard, partition, records.clone()).await;
            }
        }
        let written = shard.stats().await.disk.open_files;
        assert!(written.evicted > PARTITIONS as u64, "{written:?}");
        assert!(written.open <= OPEN_FILES as u64 && written.open_max == OPEN_FILES as u64, "{written:?}");
        for offset in 0..BATCHES {
            for partition in (0..PARTITIONS).rev() {
                let (_, bytes) = fetch(&shard, partition, Offset(offset)).await;
                assert_eq!(bytes % records.len(), 0);
                assert!(bytes >= records.len(), "partition {partition} from {offset} on");
            }
        }
        let stats = shard.stats().await;
        let (read, cache) = (stats.disk.open_files, stats.disk.cache);
        assert!(read.opened > written.opened + PARTITIONS as u64 / 2, "{read:?} after {written:?}");
        assert!(read.open <= OPEN_FILES as u64, "{read:?}");
        assert_eq!(read.opened, read.evicted + read.open, "what is opened is open or closed: {read:?}");
        assert!(cache.misses > 0 && cache.evictions > 0 && cache.bytes <= cache.bytes_max, "{cache:?}");
        assert!(shard.delete_topics(vec![TOPIC]).await.iter().all(Result::is_ok));
        millrace_rt::sleep(Duration::from_secs(1)).await;
        assert_eq!(shard.stats().await.disk.open_files.open, 0, "files of a deleted topic are closed");
    });
}
