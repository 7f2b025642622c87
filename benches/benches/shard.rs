//! Appends and fetches from the tail, from a shard's handle to its answer, on a simulated machine: no kernel,
//! no waiting.

use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::{Measurement, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millrace_benches::{append, batch_of, fetch, on_a_shard};

/// Partitions of a request, and records of 1 KiB for each.
const REQUESTS: [(i32, usize); 3] = [(1, 1), (100, 1), (1, 63)];
/// What one shard stores before the next one begins: a simulated disk lies in memory.
const STORED_BYTES_MAX: usize = 32 << 20;

fn appends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for (partitions, records) in REQUESTS {
        let batch = Bytes::from(batch_of(records));
        let bytes = batch.len() * partitions as usize;
        group.throughput(Throughput::Bytes(bytes as u64));
        let name = format!("{partitions} partitions, {records} KiB each");
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let at_once = (STORED_BYTES_MAX / bytes) as u64;
                let full = (0..rounds / at_once).map(|_| at_once);
                let runs = full.chain([rounds % at_once]).filter(|rounds| *rounds > 0);
                runs.map(|rounds| time_appends(rounds, partitions, batch.clone())).sum()
            });
        });
    }
    group.finish();
}

fn time_appends(rounds: u64, partitions: i32, batch: Bytes) -> Duration {
    on_a_shard(partitions, async move |shard| {
        let begun = WallTime.start();
        for _ in 0..rounds {
            append(&shard, 0..partitions, &batch).await;
        }
        WallTime.end(begun)
    })
}

fn tail_fetches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tail fetch");
    for (partitions, records) in REQUESTS {
        let batch = Bytes::from(batch_of(records));
        group.throughput(Throughput::Bytes(batch.len() as u64 * partitions as u64));
        let name = format!("{partitions} partitions, {records} KiB each");
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| time_fetches(rounds, partitions, batch.clone()));
        });
    }
    group.finish();
}

fn time_fetches(rounds: u64, partitions: i32, batch: Bytes) -> Duration {
    on_a_shard(partitions, async move |shard| {
        append(&shard, 0..partitions, &batch).await;
        let begun = WallTime.start();
        for _ in 0..rounds {
            assert!(fetch(&shard, 0..partitions).await > 0, "the records are there");
        }
        WallTime.end(begun)
    })
}

criterion_group!(benches, appends, tail_fetches);
criterion_main!(benches);
