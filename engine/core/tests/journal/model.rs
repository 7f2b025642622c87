//! Seeded histories of one shard's journal, crashed at every boundary: what is recovered is exactly what was
//! hard, and with the ring exactly what was sealed.

use crate::fixture::{batch, key};
use crate::logs::Log;
use crate::twin::{Change, Twin};
use bytes::Bytes;
use millrace_core::base::{Offset, Position};
use millrace_core::journal::{Entry, JournalGeometry, Span};

const PARTITIONS: usize = 6;

/// Sizes of what is written. Segments and logs are kept short,
/// so that rolls and log starts are frequent and copies of the history cheap.
#[derive(Clone, Copy)]
struct Scale {
    body_max: usize,
    segment_bytes: usize,
    log_bytes: usize,
}

fn append(twin: &mut Twin, number: i32, body_max: usize) -> Change {
    let batches = 1 + twin.random.below(3);
    let bodies: Vec<Vec<u8>> = (0..batches)
        .map(|_| {
            let mut body = vec![0; twin.random.below(body_max)];
            twin.random.fill(&mut body);
            body
        })
        .collect();
    let log = twin.logs.entry(number).or_default();
    let (segment, position) = log.end_place().unwrap_or((log.end, 0));
    let base = log.end;
    let mut payload = Vec::new();
    let bytes = log.segments.entry(segment).or_default();
    for body in bodies {
        let batch = batch(log.end, &body);
        log.batches.push((log.end, (segment, bytes.len())));
        bytes.extend_from_slice(&batch);
        log.end += 1;
        // Pieces of a tail are cut anywhere.
        let mut front = Bytes::from(batch);
        let back = front.split_off(front.len() / 3);
        payload.extend([front, back]);
    }
    let span = Span {
        key: key(number),
        segment: Offset(segment),
        position: Position(position as u64),
        base_offset: Offset(base),
        next_offset: Offset(log.end),
    };
    Change { entry: Entry::Append { span, payload: () }, payload }
}

fn plain(entry: Entry<()>) -> Change {
    Change { entry, payload: Vec::new() }
}

fn roll(number: i32, log: &mut Log) -> Option<Change> {
    let (_, end) = log.end_place().filter(|(_, end)| *end > 0)?;
    log.segments.insert(log.end, Vec::new());
    let (segment, previous_length) = (Offset(log.end), Position(end as u64));
    Some(plain(Entry::Roll { key: key(number), segment, previous_length }))
}

fn log_start(number: i32, log: &mut Log, pick: usize) -> Option<Change> {
    let half = log.batches.len() / 2 + pick % (log.batches.len() / 2 + 1);
    // A log never begins earlier than it did.
    let (base, _) = *log.batches.get(half).filter(|(base, _)| *base >= log.start)?;
    log.start = base;
    let first = *log.segments.range(..=base).next_back()?.0;
    log.segments = log.segments.split_off(&first);
    log.batches.retain(|(batch, _)| *batch >= first);
    Some(plain(Entry::LogStart { key: key(number), offset: Offset(base) }))
}

fn truncate(number: i32, log: &mut Log, pick: usize) -> Option<Change> {
    let kept: Vec<_> = log.batches.iter().copied().filter(|(base, _)| *base >= log.start).collect();
    let (to, (segment, position)) = *kept.get(pick % kept.len().max(1))?;
    log.end = to;
    log.batches.retain(|(base, _)| *base < to);
    log.segments.split_off(&(segment + 1));
    log.segments.get_mut(&segment)?.truncate(position);
    let (segment, position) = (Offset(segment), Position(position as u64));
    Some(plain(Entry::Truncate { key: key(number), to: Offset(to), segment, position }))
}

/// The changes of one turn, which go into one frame.
fn turn(twin: &mut Twin, scale: Scale) -> Vec<Change> {
    let mut changes = Vec::new();
    for _ in 0..=twin.random.below(5) {
        let number = twin.random.below(PARTITIONS) as i32;
        let (choice, pick) = (twin.random.below(60), twin.random.below(1000));
        let log = twin.logs.get_mut(&number);
        let change = match (choice, log) {
            (0, Some(log)) => truncate(number, log, pick),
            (1, Some(log)) => log_start(number, log, pick),
            (2, Some(log)) => roll(number, log),
            (_, Some(log)) if log.bytes() > scale.log_bytes => log_start(number, log, pick),
            (_, Some(log)) if log.end_place().is_some_and(|(_, end)| end > scale.segment_bytes) => {
                roll(number, log)
            }
            _ => Some(append(twin, number, scale.body_max)),
        };
        changes.extend(change);
    }
    changes
}

fn run(geometry: JournalGeometry, seed: u64, turns: usize, crash_odds: usize, scale: Scale) -> Twin {
    let mut twin = Twin::new(geometry, seed, crash_odds);
    for number in 0..turns {
        if twin.random.one_in(40) {
            let number = twin.random.below(PARTITIONS) as i32;
            if twin.logs.remove(&number).is_some() {
                twin.commit(&[plain(Entry::Drop { key: key(number) })]);
            }
        }
        let changes = turn(&mut twin, scale);
        if !changes.is_empty() {
            twin.commit(&changes);
        }
        for _ in 0..twin.random.below(4) {
            twin.write_step();
        }
        if twin.random.one_in(3) {
            twin.clean();
        }
        assert!(twin.bench.journal.sealed().0 > number as u64 / 2);
    }
    twin
}

#[test]
fn a_crash_anywhere_gives_exactly_what_was_hard_or_sealed() {
    let (mut crashes, mut carries) = (0, 0);
    for seed in 0..5 {
        let scale = Scale { body_max: 300 + 300 * seed as usize, segment_bytes: 12_000, log_bytes: 40_000 };
        let geometry = JournalGeometry::with_slots(2 + seed as usize, 64 * 1024, 128 * 1024).unwrap();
        let twin = run(geometry, seed, 200, 1, scale);
        assert!(twin.cleanings > 2, "seed {seed}: {}", twin.cleanings);
        (crashes, carries) = (crashes + twin.crashes, carries + twin.carries);
    }
    assert!(crashes > 4000 && carries > 60, "{crashes} crashes, {carries} carries");
}

#[test]
fn the_smallest_journal_wraps_many_times() {
    let scale = Scale { body_max: 40_000, segment_bytes: 300_000, log_bytes: 1_000_000 };
    let geometry = JournalGeometry::new(4 << 20, 4 << 20).unwrap();
    let twin = run(geometry, 77, 1500, 150, scale);
    assert!(twin.cleanings > 15, "{}", twin.cleanings);
    assert!(twin.crashes > 10, "{}", twin.crashes);
}
