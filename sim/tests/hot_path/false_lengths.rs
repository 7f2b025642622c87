//! Batches whose length was damaged: what their header leads to is not read.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::Offset;
use millrace_core::log::Codec;
use millrace_rt::{File, OpenOptions, Sync};
use millrace_shard::FetchError;

use crate::bench::{append, batch, fetch, key, on_a_shard, try_fetch};

/// Half of the shard's 64 MiB keep tails: the first batches are long gone from there.
const BATCHES: i64 = 120;
const BATCH_BYTES: usize = 500_000;
/// Fetched all over, these push everything else out of the read cache.
const MUCH: std::ops::Range<i64> = 20..90;
const FETCH_BYTES_MAX: usize = 2 << 20;
/// Pages that are asked for around and ahead of what a fetch may bring.
const AROUND_BYTES: u64 = 6 * (256 << 10);
const SEGMENT: &str = "/data/topics/topic-0/00000000000000000000.log";
/// Of a batch's length in its header.
const LENGTH_AT: usize = 8;

#[test]
fn a_fetch_follows_no_length_over_the_next_entry_of_the_index() {
    on_a_shard(async |shard| {
        let records = batch(Codec::None, 1, BATCH_BYTES);
        for _ in 0..BATCHES {
            append(&shard, 0, records.clone()).await;
        }
        let write = OpenOptions { write: true, ..OpenOptions::default() };
        let file = File::open(Path::new(SEGMENT), write).await.unwrap();
        for (damaged, length) in [(0, 40 << 20), (3, 2 * records.len())] {
            let at = (damaged * records.len() + LENGTH_AT) as u64;
            let length = u32::try_from(length).unwrap();
            let bytes = Bytes::copy_from_slice(&length.to_be_bytes());
            file.write_all_at(at, bytes, Sync::None).await.unwrap();
            for offset in MUCH {
                fetch(&shard, 0, Offset(offset)).await;
            }
            let before = shard.stats().await.segments.read_bytes;
            let refused = try_fetch(&shard, key(0), Offset(damaged as i64), FETCH_BYTES_MAX).await;
            assert_eq!(refused.err(), Some(FetchError::Corrupt), "a length of {length}");
            // Pages that were asked for ahead are on their way.
            millrace_rt::sleep(Duration::from_millis(100)).await;
            let read = shard.stats().await.segments.read_bytes - before;
            let most = FETCH_BYTES_MAX as u64 + AROUND_BYTES;
            assert!(read > 0 && read <= most, "{read} bytes were read for a length of {length}");
        }
    });
}
