//! Producer windows: what Kafka's producer state does, case by case.

use millrace_core::base::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::producers::{ProducerFault, ProducerSnapshot};
use millrace_core::log::{BatchBuilder, BatchHeader, BatchRecord, Codec};
use millrace_core::log::{ProducerBatch, ProducerVerdict, ProducerWindows};

const MAX: i32 = i32::MAX;

fn header(epoch: i16, sequence: i32, count: i32) -> BatchHeader {
    let id = ProducerId(7);
    let mut builder = BatchBuilder::new(Codec::None).producer(id, ProducerEpoch(epoch), Sequence(sequence));
    for _ in 0..count {
        builder.push(BatchRecord::of_value(TimestampMs(5), b""));
    }
    BatchHeader::parse(&builder.build()).unwrap()
}

/// Sends batches (epoch, first sequence, count) one after another; each verdict as text.
/// Fresh ones are appended.
fn send(windows: &mut ProducerWindows, batches: &[(i16, i32, i32)]) -> Vec<String> {
    let mut verdicts = Vec::new();
    for &(epoch, sequence, count) in batches {
        let header = header(epoch, sequence, count);
        let verdict = windows.check(&ProducerBatch::of(&header).unwrap());
        verdicts.push(match verdict {
            ProducerVerdict::Fresh => {
                let next =
                    windows.snapshot().first().map_or(0, |p| p.batches.last().unwrap().last_offset.0 + 1);
                windows.record(&header, Offset(next), TimestampMs(1000));
                format!("ok {next}")
            }
            ProducerVerdict::Duplicate(original) => {
                format!("dup {}..{}", original.base_offset(), original.last_offset)
            }
            ProducerVerdict::Rejected(ProducerFault::InvalidEpoch { .. }) => "47".to_owned(),
            ProducerVerdict::Rejected(_) => "45".to_owned(),
        });
    }
    verdicts
}

#[test]
fn verdicts() {
    type Case<'a> = (&'a str, &'a [(i16, i32, i32)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("in order", &[(0, 0, 3), (0, 3, 1), (0, 4, 2)], &["ok 0", "ok 3", "ok 4"]),
        ("an unknown producer starts anywhere", &[(3, 77, 1), (3, 78, 1)], &["ok 0", "ok 1"]),
        ("a retry of the latest", &[(0, 0, 3), (0, 0, 3)], &["ok 0", "dup 0..2"]),
        ("a gap", &[(0, 0, 1), (0, 2, 1)], &["ok 0", "45"]),
        ("same first sequence, other length", &[(0, 0, 3), (0, 0, 2)], &["ok 0", "45"]),
        (
            "five are remembered, the sixth is not",
            &[(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 5, 1), (0, 1, 1), (0, 0, 1)],
            &["ok 0", "ok 1", "ok 2", "ok 3", "ok 4", "ok 5", "dup 1..1", "45"],
        ),
        (
            "a new epoch starts at 0",
            &[(0, 0, 1), (1, 1, 1), (1, 0, 1), (0, 1, 1)],
            &["ok 0", "45", "ok 1", "47"],
        ),
        ("an old epoch's retry is fenced", &[(0, 0, 1), (1, 0, 1), (0, 0, 1)], &["ok 0", "ok 1", "47"]),
        (
            "a new epoch forgets the old batches",
            &[(0, 0, 1), (1, 0, 1), (1, 0, 1)],
            &["ok 0", "ok 1", "dup 1..1"],
        ),
        ("sequences wrap", &[(0, MAX, 1), (0, 0, 1), (0, MAX, 1)], &["ok 0", "ok 1", "dup 0..0"]),
        (
            "a batch across the wrap",
            &[(0, MAX - 1, 4), (0, MAX - 1, 4), (0, 2, 1)],
            &["ok 0", "dup 0..3", "ok 4"],
        ),
    ];
    for (name, batches, expected) in cases {
        let mut windows = ProducerWindows::new();
        assert_eq!(send(&mut windows, batches), *expected, "{name}");
        let mut restored = ProducerWindows::restore(windows.snapshot());
        assert_eq!(restored.snapshot(), windows.snapshot(), "{name}");
        assert_eq!(send(&mut restored, &batches[..0]), [""; 0]);
    }
}

#[test]
fn restored_windows_know_the_duplicates() {
    let mut windows = ProducerWindows::new();
    send(&mut windows, &[(0, 0, 2), (0, 2, 2)]);
    let mut restored = ProducerWindows::restore(windows.snapshot());
    assert_eq!(send(&mut restored, &[(0, 0, 2), (0, 4, 1)]), ["dup 0..1", "ok 4"]);
}

#[test]
fn cutting_the_log_forgets_what_was_cut() {
    let mut windows = ProducerWindows::new();
    send(&mut windows, &[(0, 0, 2), (0, 2, 2), (0, 4, 2)]);
    windows.truncate_from_end(Offset(2));
    assert_eq!(send(&mut windows, &[(0, 0, 2), (0, 4, 2), (0, 2, 2)]), ["dup 0..1", "45", "ok 2"]);
    windows.truncate_from_end(Offset(0));
    assert!(windows.is_empty());
}

#[test]
fn idle_producers_shrink_and_expire() {
    let mut windows = ProducerWindows::new();
    send(&mut windows, &[(0, 0, 1), (0, 1, 1)]);
    windows.trim_idle(TimestampMs(1999), 1000);
    assert_eq!(send(&mut windows, &[(0, 0, 1)]), ["dup 0..0"]);
    windows.trim_idle(TimestampMs(2000), 1000);
    assert_eq!(send(&mut windows, &[(0, 1, 1), (0, 0, 1)]), ["dup 1..1", "45"]);
    assert_eq!(windows.expire(TimestampMs(1999), 1000), 0);
    assert_eq!(windows.expire(TimestampMs(2000), 1000), 1);
    assert_eq!(windows.memory_bytes(), 0);
}

#[test]
fn a_snapshot_without_batches_is_no_producer() {
    let (id, epoch) = (ProducerId(1), ProducerEpoch(0));
    let empty = ProducerSnapshot { id, epoch, last_append: TimestampMs(0), batches: Vec::new() };
    assert!(ProducerWindows::restore([empty]).is_empty());
}
