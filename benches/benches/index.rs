//! From an offset to a position in a segment of 1 GiB.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use millrace_benches::batch_of;
use millrace_core::base::Offset;
use millrace_core::log::{BatchHeader, OffsetIndex};

const BATCH_RECORDS: usize = 63;
/// 1 GiB in batches of 64 KiB.
const BATCHES: i64 = 16 * 1024;
/// Offsets are asked for in strides, so that no two lookups in a row take the same way.
const STRIDE: i64 = 7_919;

fn index() -> OffsetIndex {
    let mut index = OffsetIndex::new(Offset::ZERO);
    let header = BatchHeader::parse(&batch_of(BATCH_RECORDS));
    assert!(header.is_ok(), "the sample is a batch");
    if let Ok(header) = header {
        let base_offset = |number: i64| Offset(number * BATCH_RECORDS as i64);
        (0..BATCHES)
            .for_each(|number| index.note(&BatchHeader { base_offset: base_offset(number), ..header }));
    }
    index
}

fn lookup(criterion: &mut Criterion) {
    let index = index();
    let end = BATCHES * BATCH_RECORDS as i64;
    let mut offset = 0;
    criterion.bench_function("offset index of 1 GiB, lookup", |bencher| {
        bencher.iter(|| {
            offset = (offset + STRIDE) % end;
            index.lookup(black_box(Offset(offset)))
        });
    });
}

fn codec(criterion: &mut Criterion) {
    let index = index();
    let bytes = index.encode();
    criterion.bench_function("offset index of 1 GiB, encode", |bencher| bencher.iter(|| index.encode()));
    criterion.bench_function("offset index of 1 GiB, decode", |bencher| {
        bencher.iter(|| OffsetIndex::decode(black_box(&bytes)));
    });
}

criterion_group!(benches, lookup, codec);
criterion_main!(benches);
