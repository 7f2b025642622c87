//! More partitions than the memory for tails has room for: it stays in its bound, appends go on,
//! and all can be read.

use std::collections::VecDeque;

use bytes::Bytes;
use millrace_core::base::Offset;
use millrace_core::journal::JOURNAL_BYTES_MIN;
use millrace_core::log::Codec;
use millrace_shard::{AppendPartition, AppendTicket, Shard};

use crate::bench::{Setting, batch, fetch, key, on_such_a_shard};

/// Of these the tails get a half.
const MEMORY_BYTES: u64 = 16 << 20;
/// Requests in flight; each brings a batch to one partition.
const IN_FLIGHT: usize = 8;
/// What requests in flight, reads, writes and a checkpoint take beside the tails.
const OTHER_BYTES: u64 = 4 << 20;
/// The bound is looked at before an append: one may pass it.
const OVER_BYTES: u64 = 256 << 10;

/// What was seen of the memory while a load ran.
#[derive(Debug, Default, Clone, Copy)]
struct Peak {
    tails: u64,
    blocks: u64,
}

impl Peak {
    async fn look(&mut self, shard: &Shard) {
        let stats = shard.stats().await;
        self.tails = self.tails.max(stats.tails.bytes);
        self.blocks = self.blocks.max(stats.process.memory.in_use_bytes);
    }
}

async fn answered(ticket: AppendTicket) {
    let outcomes = ticket.await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// `rounds` times a batch to each partition in turn, then a read of every partition from its start.
async fn write_all_and_read(shard: &Shard, partitions: i32, rounds: usize, records: Bytes) -> Peak {
    let mut peak = Peak::default();
    let mut in_flight: VecDeque<AppendTicket> = VecDeque::new();
    for _ in 0..rounds {
        for partition in 0..partitions {
            if in_flight.len() == IN_FLIGHT
                && let Some(oldest) = in_flight.pop_front()
            {
                answered(oldest).await;
            }
            let append =
                AppendPartition { key: key(partition), records: records.clone(), produce_version: 9 };
            in_flight.push_back(shard.admit_append(vec![append]).await);
            if partition % 16 == 0 {
                peak.look(shard).await;
            }
        }
    }
    while let Some(oldest) = in_flight.pop_front() {
        answered(oldest).await;
    }
    peak.look(shard).await;
    for partition in 0..partitions {
        let (_, bytes) = fetch(shard, partition, Offset(0)).await;
        assert_eq!(bytes, rounds * records.len(), "partition {partition}");
    }
    peak
}

fn check(partitions: i32, rounds: usize, value_bytes: usize) {
    let setting = Setting {
        partitions,
        memory_bytes: MEMORY_BYTES,
        journal_bytes: JOURNAL_BYTES_MIN,
        ..Setting::USUAL
    };
    let peak = on_such_a_shard(setting, async move |shard| {
        write_all_and_read(&shard, partitions, rounds, batch(Codec::None, 1, value_bytes)).await
    });
    println!("{partitions} partitions, {rounds} rounds of {value_bytes} bytes: {peak:?}");
    let bound = MEMORY_BYTES / 2 + OVER_BYTES;
    assert!(peak.tails <= bound, "tails took {} bytes of {bound}", peak.tails);
    let bound = bound + OTHER_BYTES;
    assert!(peak.blocks <= bound, "blocks took {} bytes of {bound}", peak.blocks);
}

/// Tails of 60 KB in each are three times the bound.
#[test]
fn full_batches_to_many_partitions_stay_in_the_bound() {
    check(400, 4, 60_000);
}

/// A block for each partial end is twice the bound.
#[test]
fn one_record_in_each_of_very_many_partitions_stays_in_the_bound() {
    check(4_000, 3, 300);
}
