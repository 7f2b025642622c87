//! What file and journal together tell of a log that no checkpoint describes.

use crate::fixture::{Bench, batch, key, span, start};
use bytes::Bytes;
use millrace_core::base::{Offset, Position};
use millrace_core::journal::{
    Entry, Frame, FrameSequence, JournaledLog, LogRebuild, PartitionCheckpoint, RecoveredPartition, Replay,
    ShardCheckpoint, Stretch, recover_chain,
};
use millrace_core::log::SegmentScan;

/// Three batches of 5,000 bytes, at 0, 5,000 and 10,000.
fn log() -> Vec<u8> {
    (0..3).flat_map(|offset| batch(offset, &[offset as u8; 5000 - 61])).collect()
}

fn carry(bench: &mut Bench, log: &[u8], from: usize) {
    let payload = [Bytes::copy_from_slice(&log[from..])];
    let span = span(0, 0, from as u64, (from / 5000) as i64, 3);
    bench.seal(&[Entry::Carry { span, payload: &payload }]).unwrap();
}

fn frames(bench: &mut Bench) -> Vec<Frame> {
    bench.write_all();
    recover_chain(start(1), &bench.slot_files(), None).unwrap().frames
}

/// Reads the segment with this file as a start does.
fn rebuild(file: &[u8], frames: &[Frame], is_last: bool) -> Result<PartitionCheckpoint, Position> {
    let journaled = JournaledLog::of_frames(frames).remove(&key(0)).unwrap_or_default();
    let mut log = LogRebuild::new(key(0));
    read(&mut log, 0, file, &journaled, is_last)?;
    Ok(log.finish())
}

fn read(
    log: &mut LogRebuild,
    base: i64,
    file: &[u8],
    journaled: &JournaledLog,
    is_last: bool,
) -> Result<(), Position> {
    let run = journaled.run(Offset(base));
    assert!(log.begin(Offset(base), run.as_ref().map(|run| run.from)));
    let mut scan = SegmentScan::new(Offset(base));
    let from = run.as_ref().map_or(file.len(), |run| run.from.0 as usize);
    scan.feed(&file[..from.min(file.len())], |scanned| log.take(&scanned));
    for stretch in run.filter(|_| from <= file.len()).into_iter().flat_map(|run| run.stretches) {
        let Stretch::Journaled(bytes) = stretch else { panic!("no extent was written") };
        scan.feed(&bytes, |scanned| log.take(&scanned));
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
        assert_eq!((found.position, found.log_end), (from as u64, 3), "carried from {from}");
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
        let found = rebuild(&file, &frames, true).map(|found| found.log_end);
        assert_eq!(found, damaged.map_or(Ok(3), |at| Err(Position(at))), "case {number}");
    }
}

#[test]
fn only_the_last_segment_may_end_in_what_nobody_was_told_of() {
    let log = log();
    let padded = [&log[..], &[0; 1384]].concat();
    // bytes of the file, what the last segment gives, what one before it gives
    let cases = [
        (log.clone(), Ok(3), Ok(3)),
        (padded, Ok(3), Ok(3)),
        (log[..12_000].to_vec(), Ok(2), Err(Position(10_000))),
        ([&log[..10_000], &[9; 500]].concat(), Ok(2), Err(Position(10_000))),
        ([&log[..5000], &[9; 500], &log[10_000..]].concat(), Err(Position(5000)), Err(Position(5000))),
    ];
    for (number, (file, last, before)) in cases.into_iter().enumerate() {
        let end = |is_last| rebuild(&file, &[], is_last).map(|found| found.log_end);
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
    assert_eq!(journaled.segments([Offset(0)]), [Offset(0), Offset(3)]);
    let mut rebuilt = LogRebuild::new(key(0));
    read(&mut rebuilt, 0, &log[..12_288], &journaled, false).unwrap();
    read(&mut rebuilt, 3, &[], &journaled, true).unwrap();
    let found = rebuilt.finish();
    let facts: Vec<i64> = found.facts.iter().map(|facts| facts.base).collect();
    assert_eq!((found.segments.as_slice(), found.position, found.log_end), (&[0][..], 12_288, 4));
    assert_eq!(facts, [0, 3], "though both are known");
    let recovered = replay(found, &frames);
    assert_eq!((recovered.segments, recovered.end), (vec![Offset(0), Offset(3)], Position(261)));
}

#[test]
fn frames_say_which_files_are_the_logs() {
    let mut bench = Bench::small();
    let segments = |bench: &mut Bench, files: &[i64]| -> Vec<i64> {
        let journaled = JournaledLog::of_frames(&frames(bench)).remove(&key(0)).unwrap_or_default();
        journaled.segments(files.iter().copied().map(Offset)).into_iter().map(|base| base.0).collect()
    };
    assert_eq!(segments(&mut bench, &[5, 9]), [5, 9]);
    let payload = [Bytes::from(batch(9, &[1; 200]))];
    bench.seal(&[Entry::Append { span: span(0, 9, 0, 9, 10), payload: &payload[..] }]).unwrap();
    assert_eq!(segments(&mut bench, &[5, 10]), [5, 9], "the file 10 was made for a frame that is lost");
    bench.seal(&[Entry::LogStart { key: key(0), offset: Offset(8) }]).unwrap();
    assert_eq!(segments(&mut bench, &[0, 5]), [5, 9], "and 0 is about to be deleted");
    let roll = Entry::Roll { key: key(0), segment: Offset(10), previous_length: Position(261) };
    bench.seal(&[roll, Entry::LogStart { key: key(0), offset: Offset(10) }]).unwrap();
    assert_eq!(segments(&mut bench, &[5, 9]), [9], "nobody needs what frames hold of 9");
    assert_eq!(segments(&mut bench, &[9, 10]), [10]);
}

#[test]
fn a_missing_segment_is_noticed() {
    let mut rebuilt = LogRebuild::new(key(0));
    read(&mut rebuilt, 0, &log(), &JournaledLog::default(), false).unwrap();
    assert!(!rebuilt.begin(Offset(4), None));
    assert!(rebuilt.begin(Offset(3), None));
}
