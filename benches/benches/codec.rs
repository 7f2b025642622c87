//! Requests and answers of the hot path, read and written.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use millrace_benches::{
    batch_of, decode_fetch, decode_produce, encode_fetched, fetch_request, produce_request,
};

const PARTITIONS: [i32; 2] = [1, 100];

fn produce(criterion: &mut Criterion) {
    let batch = Bytes::from(batch_of(1));
    for partitions in PARTITIONS {
        let body = produce_request(partitions, &batch);
        criterion.bench_function(&format!("produce request, {partitions} partitions, decode"), |bencher| {
            bencher.iter(|| decode_produce(black_box(&body)));
        });
    }
}

fn fetch(criterion: &mut Criterion) {
    let batch = Bytes::from(batch_of(1));
    for partitions in PARTITIONS {
        let body = fetch_request(partitions);
        criterion.bench_function(&format!("fetch request, {partitions} partitions, decode"), |bencher| {
            bencher.iter(|| decode_fetch(black_box(&body)));
        });
        criterion.bench_function(&format!("fetch answer, {partitions} partitions, encode"), |bencher| {
            bencher.iter(|| encode_fetched(partitions, black_box(&batch)));
        });
    }
}

criterion_group!(benches, produce, fetch);
criterion_main!(benches);
