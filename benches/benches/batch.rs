//! What a produce request costs before it is appended: the header's fields, the checksum, the records.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millrace_benches::{batch_of, rules};
use millrace_core::log::{BatchHeader, Validation, validate};

/// Records of 1 KiB: one alone, and as many as fit in 64 KiB.
const SIZES: [usize; 2] = [1, 63];

fn header(criterion: &mut Criterion) {
    let batch = batch_of(1);
    criterion.bench_function("batch header, parse", |bencher| {
        bencher.iter(|| BatchHeader::parse(black_box(&batch)));
    });
}

fn validation(criterion: &mut Criterion) {
    for records in SIZES {
        let batch = batch_of(records);
        let mut group = criterion.benchmark_group(format!("validate {records} KiB"));
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function("checksum alone", |bencher| {
            bencher.iter(|| crc32c::crc32c(black_box(&batch)));
        });
        for (name, depth) in [("header", Validation::Header), ("full", Validation::Full)] {
            let rules = rules(depth);
            assert!(validate(&batch, &rules).is_ok(), "the sample is what a producer sends");
            group.bench_function(name, |bencher| bencher.iter(|| validate(black_box(&batch), &rules)));
        }
        group.finish();
    }
}

criterion_group!(benches, header, validation);
criterion_main!(benches);
