//! Appends: as many allocations for a thousand records as for one, and two copies of each byte.

use std::time::Duration;

use millrace_core::log::Codec;

use crate::bench::{Cost, append, batch, on_a_shard};

/// Enough for a call of each kind during which nothing else was at work: other tasks write tails to files,
/// and tails take new chunks now and then.
const ROUNDS: usize = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// What one copy into the ring may copy beside payload: the heads of a frame and its padding to a block.
const FRAME_BYTES: u64 = 4096 + 256;

/// What an append of `count` records of `bytes` bytes takes that meets no other work,
/// and the bytes of its batch.
fn least(codec: Codec, count: usize, bytes: usize) -> (Cost, u64) {
    let records = batch(codec, count, bytes);
    let length = records.len() as u64;
    let cost = on_a_shard(async move |shard| {
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            costs.push(Cost::of(append(&shard, 0, records.clone())).await.1);
            // Writes of tails that it caused end before the next one.
            millrace_rt::sleep(PAUSE).await;
        }
        Cost::low(&costs)
    });
    (cost, length)
}

fn check_allocations(codec: Codec) {
    let (one, _) = least(codec, 1, 50);
    for (count, bytes) in [(10, 50), (1000, 50), (1, 50_000)] {
        let (many, length) = least(codec, count, bytes);
        println!("{codec:?}, {count} records of {bytes} bytes in {length}: {many:?}; one of 50: {one:?}");
        assert_eq!(many.allocations, one.allocations, "{codec:?}, {count} records of {bytes} bytes");
    }
}

#[test]
fn a_plain_append_allocates_the_same_for_one_record_and_for_a_thousand() {
    check_allocations(Codec::None);
}

/// Validation walks compressed records through a window: it takes that and the decoder's state,
/// whatever the records.
#[test]
fn a_compressed_append_allocates_the_same_for_one_record_and_for_a_thousand() {
    Codec::ALL.into_iter().skip(1).for_each(check_allocations);
}

/// Into the tail and into the ring. Memory says that no other copy was made that is not counted: the largest
/// allocation is the simulated device's own.
#[test]
fn an_append_copies_each_byte_twice() {
    for (count, bytes) in [(1, 50), (1000, 50), (100, 1000)] {
        let (cost, length) = least(Codec::None, count, bytes);
        println!("{length} bytes in {count} records: {cost:?}");
        let copied = cost.copied_bytes;
        assert!((2 * length..=2 * length + FRAME_BYTES).contains(&copied), "{copied} copied of {length}");
        let taken = cost.taken_bytes;
        assert!(taken <= length + 2 * FRAME_BYTES, "{taken} bytes of memory for an append of {length}");
    }
}
