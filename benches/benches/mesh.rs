//! A request from one shard to another and its reply, on the real runtime:
//! needs two processors to mean something.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millrace_benches::{LANE, hops};

fn hop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mesh hop, there and back");
    group.throughput(Throughput::Elements(1));
    for (name, in_flight) in [("one at a time", 1), ("a full lane", LANE)] {
        group.bench_function(name, |bencher| bencher.iter_custom(|requests| hops(requests, in_flight)));
    }
    group.finish();
}

criterion_group!(benches, hop);
criterion_main!(benches);
