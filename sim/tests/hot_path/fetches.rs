//! Fetches of what is in memory: as many allocations for a thousand records as for ten, and no copy.

use millrace_core::base::Offset;
use millrace_core::log::Codec;

use crate::bench::{Cost, append, batch, fetch, on_a_shard};

const ROUNDS: usize = 20;

/// Room for answers and lists of one partition, far below what is fetched.
const ANSWER_BYTES: u64 = 2048;

/// What a fetch of `batches` batches of `count` records each takes at least, and the bytes it brings. They
/// stand in one chunk of the tail, since an answer has a piece per chunk:
/// behind a batch that makes chunks grow to their limit.
fn least(batches: usize, count: usize) -> (Cost, usize) {
    on_a_shard(async move |shard| {
        append(&shard, 0, batch(Codec::None, 1, 300_000)).await;
        let records = batch(Codec::None, count, 20);
        for _ in 0..batches {
            append(&shard, 0, records.clone()).await;
        }
        let mut costs = Vec::new();
        let mut fetched = (0, 0);
        for _ in 0..ROUNDS {
            let (answer, cost) = Cost::of(fetch(&shard, 0, Offset(1))).await;
            fetched = answer;
            costs.push(cost);
        }
        let (pieces, bytes) = fetched;
        assert_eq!((pieces, bytes), (1, batches * records.len()), "{batches} batches of {count}");
        (Cost::least(&costs), bytes)
    })
}

#[test]
fn a_fetch_from_memory_allocates_the_same_for_ten_records_and_for_a_thousand_and_copies_nothing() {
    let (ten, _) = least(1, 10);
    for (batches, count) in [(10, 1), (1000, 1), (1, 1000), (1, 1)] {
        let (cost, bytes) = least(batches, count);
        println!("{batches} batches of {count} records in {bytes} bytes: {cost:?}");
        assert_eq!(cost.allocations, ten.allocations, "{batches} batches of {count}");
        assert_eq!(cost.copied_bytes, 0, "{batches} batches of {count}");
        assert!(cost.taken_bytes <= ANSWER_BYTES, "{batches} batches of {count}: {cost:?}");
    }
}
