//! Sealing a journal frame: heads, checksums and the copy into the ring.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millrace_benches::{MemoryJournal, batch_of};

/// Partitions in the frame, and records of 1 KiB for each.
const FRAMES: [(i32, usize); 3] = [(1, 1), (100, 1), (1, 63)];

fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal frame, seal");
    for (partitions, records) in FRAMES {
        let payload = [Bytes::from(batch_of(records))];
        let mut journal = MemoryJournal::new();
        let bytes = journal.seal(partitions, &payload);
        group.throughput(Throughput::Bytes(bytes as u64));
        let name = format!("{partitions} appends of {records} KiB");
        group.bench_function(name, |bencher| bencher.iter(|| journal.seal(partitions, &payload)));
    }
    group.finish();
}

criterion_group!(benches, seal);
criterion_main!(benches);
