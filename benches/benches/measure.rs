//! What counting costs on the way of a request.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use millrace_core::base::measure::{Counter, Histogram};

/// Multiplier of Knuth's generator: times of all sizes, without a clock.
const SPREAD: u64 = 6_364_136_223_846_793_005;

fn count(criterion: &mut Criterion) {
    let counter = Counter::default();
    criterion.bench_function("counter, add", |bencher| bencher.iter(|| black_box(&counter).add(1)));
    let histogram = Histogram::default();
    let mut value: u64 = 1;
    criterion.bench_function("histogram, record", |bencher| {
        bencher.iter(|| {
            value = value.wrapping_mul(SPREAD).wrapping_add(1);
            black_box(&histogram).record(value >> 34);
        });
    });
    criterion.bench_function("histogram, counts of a scrape", |bencher| {
        bencher.iter(|| black_box(&histogram).counts());
    });
}

criterion_group!(benches, count);
criterion_main!(benches);
