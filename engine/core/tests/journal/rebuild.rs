//! What file and journal together tell of a log that no checkpoint describes.

use crate::fixture::{Bench, batch, key, span, start};
use bytes::Bytes;
use millrace_core::base::{LeaderEpoch, Offset, Position};
use millrace_core::journal::{
    Entry, Frame, FrameSequence, JournaledLog, LogRebuild, PartitionCheckpoint, RecoveredPartition, Replay,
    Run, ShardCheckpoint, Stretch, recover_chain,
};
use millrace_core::log::SegmentScan;
use millrace_core::log::batch::set_leader_epoch;
use std::ops::Range;

const LEADER_EPOCH: LeaderEpoch = LeaderEpoch(7);

/// Three batches of 5,000 bytes, at 0, 5,000 and 10,000.
fn log() -> Vec<u8> {
    (0..3).flat_map(|offset| batch(offset, &[offset as u8; 5000 - 61])).collect()
}

fn carry(bench: &mut Bench, log: &[u8], from: usize) {
    let payload = [Bytes::copy_from_slice(&log[from..])];
    let span = span(0, 0, from as u64, (from / 5000) as i64, 3);
    bench.seal(&[Entry::Carry { span, payload: &payload }]).unwrap();
}

/// The batches from `first` on are in the file from `from` on; frames hold their headers.
fn extent(bench: &mut Bench, log: &[u8], from: usize, first: usize) {
    let headers: Vec<u8> = log.chunks(5000).skip(first).flat_map(|batch| batch[..61].to_vec()).collect();
    let (header_bytes, payload) = (headers.len() as u32, [Bytes::from(headers)]);
    let (length, span) = ((log.len() - from) as u64, span(0, 0, from as u64, first as i64, 3));
    bench.seal(&[Entry::Extent { span, length, header_bytes, payload: &payload }]).unwrap();
}

fn append(bench: &mut Bench, log: &[u8], number: usize) {
    let at = 5000 * number;
    let payload = [Bytes::copy_from_slice(&log[at..at + 5000])];
    let span = span(0, 0, at as u64, number as i64, number as i64 + 1);
    bench.seal(&[Entry::Append { span, payload: &payload }]).unwrap();
}

fn frames(bench: &mut Bench) -> Vec<Frame> {
    bench.write_all();
    recover_chain(start(1), &bench.slot_files(), None).unwrap().frames
}

/// Reads the segment with this file as a start does.
fn rebuild(file: &[u8], frames: &[Frame], is_last: bool) -> Result<PartitionCheckpoint, Position> {
    let journaled = JournaledLog::of_frames(frames).remove(&key(0)).unwrap_or_default();
    let mut log = LogRebuild::new(key(0), LEADER_EPOCH);
    read(&mut log, 0, file, &journaled, is_last)?;
    Ok(log.finish(Offset::ZERO))
}

fn read(
    log: &mut LogRebuild,
    base: i64,
    file: &[u8],
    journaled: &JournaledLog,
    is_last: bool,
) -> Result<(), Position> {
    let run = journaled.run(Offset(base));
    assert!(log.begin(Offset(base), run.as_ref().map(Run::range)));
    let mut scan = SegmentScan::new(Offset(base));
    let from = run.as_ref().map_or(file.len(), |run| run.from.0 as usize);
    scan.feed(&file[..from.min(file.len())], |scanned| log.take(&scanned));
    let mut at = from;
    for stretch in run.filter(|_| from <= file.len()).into_iter().flat_map(|run| run.stretches) {
        let bytes = match &stretch {
            Stretch::Journaled(bytes) => bytes,
            Stretch::InFile(length) => &file[at.min(file.len())..(at + *length as usize).min(file.len())],
        };
        scan.feed(bytes, |scanned| log.take(&scanned));
        at += match &stretch {
            Stretch::Journaled(bytes) => bytes.len(),
            Stretch::InFile(length) => *length as usize,
        };
    }
    scan.finish(|scanned| log.take(&scanned));
    log.end(is_last)
}

fn replay(found: PartitionCheckpoint, frames: &[Frame]) -> RecoveredPartition {
    let mut replay = Replay::new(Some(ShardCheckpoint {
        shard: crate::fixture::SHARD,
        boot: crate::fixture::BOOT,
        number: 0,
        replay_from: FrameSequence(1),
        through: FrameSequence::NONE,
        partitions: vec![found],
    }));
    frames.iter().for_each(|frame| replay.apply(frame).unwrap());
    replay.finish().unwrap().remove(0)
}

#[test]
fn a_batch_may_begin_in_the_file_and_end_in_a_carry() {
    let log = log();
    for from in [4096, 8192, 12_288] {
        let mut bench = Bench::small();
        carry(&mut bench, &log, from);
        let frames = frames(&mut bench);
        // What is behind in the file may be a part of a write that nobody waited for.
        let file = [&log[..from], &[0; 4096]].concat();
        let found = rebuild(&file, &frames, true).unwrap();
        assert_eq!((found.position, found.log_end_offset), (from as u64, 3), "carried from {from}");
        let recovered = replay(found, &frames);
        assert_eq!(recovered.end, Position(log.len() as u64));
        assert_eq!(recovered.tails[0].position, Position(from as u64));
    }
}

#[test]
fn what_no_frame_holds_must_be_in_the_file() {
    let log = log();
    let mut bench = Bench::small();
    carry(&mut bench, &log, 8192);
    let frames = frames(&mut bench);
    let garbled = |at: usize| {
        let mut file = log.clone();
        file[at] ^= 1;
        file
    };
    let mut zeroed = log.clone();
    zeroed[7168..].fill(0);
    // a file, where it is damaged
    let cases = [
        (garbled(100), Some(0)),
        (garbled(4999), Some(0)),
        (garbled(5000), Some(5000)),
        (garbled(8191), Some(5000)),
        (garbled(8192), None),
        (garbled(14_999), None),
        (log[..8192].to_vec(), None),
        (log[..8191].to_vec(), Some(5000)),
        (log[..5000].to_vec(), Some(5000)),
        (Vec::new(), Some(0)),
        (zeroed, Some(5000)),
    ];
    for (number, (file, damaged)) in cases.into_iter().enumerate() {
        let found = rebuild(&file, &frames, true).map(|found| found.log_end_offset);
        assert_eq!(found, damaged.map_or(Ok(3), |at| Err(Position(at))), "case {number}");
    }
}

#[test]
fn only_the_last_segment_may_end_in_what_nobody_was_told_of() {
    let log = log();
    let padded = [&log[..], &[0; 1384]].concat();
    // Of several writes the first may be the one that did not arrive, or not everywhere.
    let blank = |range: Range<usize>| {
        let mut file = log.clone();
        file[range].fill(0);
        file
    };
    // bytes of the file, what the last segment gives, what one before it gives
    let cases = [
        (log.clone(), Ok(3), Ok(3)),
        (padded, Ok(3), Ok(3)),
        (log[..12_000].to_vec(), Ok(2), Err(Position(10_000))),
        ([&log[..10_000], &[9; 500]].concat(), Ok(2), Err(Position(10_000))),
        ([&log[..5000], &[9; 500], &log[10_000..]].concat(), Err(Position(5000)), Err(Position(5000))),
        (blank(5632..6144), Ok(1), Err(Position(5000))),
        (blank(5632..6143), Err(Position(5000)), Err(Position(5000))),
        (blank(8192..12_288), Ok(1), Err(Position(5000))),
        (blank(5000..10_000), Ok(1), Err(Position(5000))),
        (blank(0..5000), Ok(0), Err(Position(0))),
    ];
    for (number, (file, last, before)) in cases.into_iter().enumerate() {
        let end = |is_last| rebuild(&file, &[], is_last).map(|found| found.log_end_offset);
        assert_eq!((end(true), end(false)), (last, before), "case {number}");
    }
}

#[test]
fn a_checkpoint_names_segments_up_to_the_first_that_is_not_whole_in_its_file() {
    let log = log();
    let next = [Bytes::from(batch(3, &[3; 200]))];
    let mut bench = Bench::small();
    carry(&mut bench, &log, 12_288);
    let (segment, previous_length) = (Offset(3), Position(15_000));
    let roll = Entry::Roll { key: key(0), segment, previous_length };
    bench.seal(&[roll, Entry::Append { span: span(0, 3, 0, 3, 4), payload: &next[..] }]).unwrap();
    let frames = frames(&mut bench);
    let journaled = JournaledLog::of_frames(&frames).remove(&key(0)).unwrap();
    assert_eq!(journaled.segments([Offset(0)], Offset(0)), [Offset(0), Offset(3)]);
    let mut rebuilt = LogRebuild::new(key(0), LEADER_EPOCH);
    read(&mut rebuilt, 0, &log[..12_288], &journaled, false).unwrap();
    read(&mut rebuilt, 3, &[], &journaled, true).unwrap();
    let found = rebuilt.finish(Offset::ZERO);
    let facts: Vec<i64> = found.facts.iter().map(|facts| facts.base).collect();
    assert_eq!((found.segments.as_slice(), found.position, found.log_end_offset), (&[0][..], 12_288, 4));
    assert_eq!(facts, [0, 3], "though both are known");
    let recovered = replay(found, &frames);
    assert_eq!((recovered.segments, recovered.end), (vec![Offset(0), Offset(3)], Position(261)));
}

#[test]
fn frames_say_which_files_are_the_logs() {
    let mut bench = Bench::small();
    let segments = |bench: &mut Bench, files: &[i64]| -> Vec<i64> {
        let journaled = JournaledLog::of_frames(&frames(bench)).remove(&key(0)).unwrap_or_default();
        let start = journaled.log_start_offset();
        journaled.segments(files.iter().copied().map(Offset), start).into_iter().map(|base| base.0).collect()
    };
    assert_eq!(segments(&mut bench, &[5, 9]), [5, 9]);
    let payload = [Bytes::from(batch(9, &[1; 200]))];
    bench.seal(&[Entry::Append { span: span(0, 9, 0, 9, 10), payload: &payload[..] }]).unwrap();
    assert_eq!(segments(&mut bench, &[5, 10]), [5, 9], "the file 10 was made for a frame that is lost");
    bench.seal(&[Entry::LogStart { key: key(0), offset: Offset(8) }]).unwrap();
    assert_eq!(segments(&mut bench, &[0, 5]), [5, 9], "and 0 is about to be deleted");
    let roll = Entry::Roll { key: key(0), segment: Offset(10), previous_length: Position(261) };
    bench.seal(&[roll, Entry::LogStart { key: key(0), offset: Offset(10) }]).unwrap();
    assert_eq!(segments(&mut bench, &[5, 9]), [0; 0], "nobody needs 9 any more, and 10 has no file yet");
    assert_eq!(segments(&mut bench, &[9, 10]), [10]);
    let rebuilt = LogRebuild::new(key(0), LEADER_EPOCH).finish(Offset(10));
    let recovered = replay(rebuilt, &frames(&mut bench));
    assert_eq!((recovered.log_start_offset, recovered.log_end_offset), (Offset(10), Offset(10)));
    assert_eq!((recovered.segments, recovered.end), (vec![Offset(10)], Position::ZERO));
}

/// A start that only a name in the directory tells.
#[test]
fn a_log_begins_where_it_is_known_to() {
    let log = log();
    let check = |start: i64, expected: (i64, i64, &[i64])| {
        let mut rebuilt = LogRebuild::new(key(0), LEADER_EPOCH);
        read(&mut rebuilt, 0, &log, &JournaledLog::default(), true).unwrap();
        let found = rebuilt.finish(Offset(start));
        assert_eq!(
            (found.log_start_offset, found.log_end_offset, &found.segments[..]),
            expected,
            "start {start}"
        );
    };
    check(0, (0, 3, &[0]));
    check(2, (2, 3, &[0]));
    check(3, (3, 3, &[0]));
    check(4, (4, 4, &[]));
    let none = LogRebuild::new(key(0), LEADER_EPOCH).finish(Offset(9));
    assert_eq!((none.log_start_offset, none.log_end_offset, none.segments), (9, 9, Vec::new()));
    let segments = |start| JournaledLog::default().segments([Offset(0), Offset(3)], Offset(start));
    assert_eq!(segments(2), [Offset(0), Offset(3)]);
    assert_eq!(segments(3), [Offset(3)]);
}

#[test]
fn a_missing_segment_is_noticed() {
    let mut rebuilt = LogRebuild::new(key(0), LEADER_EPOCH);
    read(&mut rebuilt, 0, &log(), &JournaledLog::default(), false).unwrap();
    assert!(!rebuilt.begin(Offset(4), None));
    assert!(rebuilt.begin(Offset(3), None));
}

#[test]
fn a_leader_epoch_that_cannot_be_a_batchs_own_is_damage() {
    let led_by = |epochs: [i32; 3]| {
        let mut log = log();
        for (batch, epoch) in log.chunks_mut(5000).zip(epochs) {
            set_leader_epoch(batch.first_chunk_mut().unwrap(), LeaderEpoch(epoch));
        }
        log
    };
    type Lineage = &'static [(i32, i64)];
    // epochs of the batches, the lineage or where the damage is
    let cases: [([i32; 3], Result<Lineage, u64>); 9] = [
        ([0, 0, 0], Ok(&[(0, 0)])),
        ([3, 3, 7], Ok(&[(3, 0), (7, 2)])),
        ([0, 4, 6], Ok(&[(0, 0), (4, 1), (6, 2)])),
        ([5, 3, 5], Err(5000)),
        ([0, 6, 0], Err(10_000)),
        ([0, 8, 0], Err(5000)),
        ([0, 0, 8], Err(10_000)),
        ([-1, 0, 0], Err(0)),
        ([0, 0, i32::MIN], Err(10_000)),
    ];
    for (epochs, expected) in cases {
        for is_last in [true, false] {
            let found = rebuild(&led_by(epochs), &[], is_last).map(|found| found.epochs);
            let expected = expected.map(<[_]>::to_vec).map_err(Position);
            assert_eq!(found, expected, "{epochs:?}");
        }
    }
    // What frames hold is under their checksums.
    let mut bench = Bench::small();
    carry(&mut bench, &led_by([0, 2, 4]), 0);
    let found = rebuild(&led_by([9, 9, 9]), &frames(&mut bench), true);
    assert_eq!(found.map(|found| found.epochs), Ok(vec![(0, 0), (2, 1), (4, 2)]));
}

#[test]
fn an_extents_bytes_are_read_from_the_file() {
    let log = log();
    // how many batches appends hold, where the extent behind them begins,
    // where the replay then finds the log's bytes
    for (appended, from) in [(0, 0), (1, 4096), (1, 5000), (2, 8192), (2, 4096)] {
        let mut bench = Bench::small();
        (0..appended).for_each(|number| append(&mut bench, &log, number));
        extent(&mut bench, &log, from, appended);
        let frames = frames(&mut bench);
        // What stood in memory then is in frames; what was written behind the extent nobody was told of.
        let behind = batch(3, &[3; 3000]);
        for rest in [&[][..], &[0; 1384], &behind, &behind[..500]] {
            let mut file = [&log[..], rest].concat();
            file[..from].fill(0xee);
            let found = rebuild(&file, &frames, true).unwrap();
            assert_eq!(
                (found.position, found.log_end_offset),
                (0, 3),
                "{appended} appends, then from {from}"
            );
            let recovered = replay(found, &frames);
            assert_eq!((recovered.end, recovered.log_end_offset), (Position(15_000), Offset(3)));
            let inline: usize = recovered.tails.iter().map(|tail| tail.bytes.len()).sum();
            let extents: Vec<_> =
                recovered.extents.iter().map(|extent| (extent.position.0, extent.length)).collect();
            assert_eq!((inline, extents), (from, vec![(from as u64, 15_000 - from as u64)]));
            let known = recovered.observed.into_iter().filter_map(|seen| seen.behind(Offset(3))).count();
            assert_eq!(known, 0, "the segment told of every batch");
        }
    }
}

#[test]
fn a_damage_within_an_extent_is_no_torn_write() {
    let log = log();
    let mut bench = Bench::small();
    append(&mut bench, &log, 0);
    extent(&mut bench, &log, 4096, 1);
    let frames = frames(&mut bench);
    let garbled = |at: usize| {
        let mut file = log.clone();
        file[at] ^= 1;
        file
    };
    let mut zeroed = log.clone();
    zeroed[12_288..].fill(0);
    let cases = [
        (log.clone(), Ok(3)),
        (garbled(4095), Ok(3)),
        (garbled(4096), Err(0)),
        (garbled(5100), Err(5000)),
        (garbled(14_999), Err(10_000)),
        (zeroed, Err(10_000)),
        (log[..14_999].to_vec(), Err(10_000)),
        (log[..10_000].to_vec(), Err(10_000)),
        (log[..4096].to_vec(), Err(0)),
    ];
    for (number, (file, expected)) in cases.into_iter().enumerate() {
        let found = rebuild(&file, &frames, true).map(|found| found.log_end_offset);
        assert_eq!(found, expected.map_err(Position), "case {number}");
    }
}

#[test]
fn an_extent_goes_on_behind_what_only_the_file_has() {
    let log = log();
    let mut bench = Bench::small();
    // The first frames are gone; what they held was hard in the file.
    extent(&mut bench, &log, 8192, 2);
    let frames = frames(&mut bench);
    let found = rebuild(&log, &frames, true).unwrap();
    assert_eq!((found.position, found.log_end_offset), (8192, 3));
    assert_eq!(replay(found, &frames).end, Position(15_000));
    let mut file = log.clone();
    file[6000] ^= 1;
    assert_eq!(rebuild(&file, &frames, true), Err(Position(5000)));
    assert_eq!(rebuild(&log[..8000], &frames, true).map(|found| found.log_end_offset), Err(Position(5000)));
}
