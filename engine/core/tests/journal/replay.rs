//! Replay by tables: what entries over a checkpoint leave of a partition.

use crate::fixture::{BOOT, Bench, SHARD, batch, key, span, start};
use bytes::Bytes;
use millrace_core::base::{Offset, Position, TimestampMs};
use millrace_core::journal::{
    CompactedSegment, Entry, FrameSequence, Observation, PartitionCheckpoint, RecoveredPartition, Replay,
    ReplayError, ShardCheckpoint, recover_chain,
};

/// Each word is a frame with one entry of partition 0:
/// `a<segment>:<position>+<bytes>@<base offset>` append of one record, `c...` carry, `e...` extent of one
/// batch with 10 bytes behind what is in the file, `r<segment>=<length>` roll, `s<offset>` log start,
/// `t<offset>=<segment>:<position>` truncate, `d` drop, `k<segment>:<end>=<length>` compact.
fn replay(checkpoint: Option<ShardCheckpoint>, script: &str) -> Result<Vec<RecoveredPartition>, ReplayError> {
    let mut bench = Bench::small();
    for word in script.split(' ').filter(|word| !word.is_empty()) {
        seal(&mut bench, word);
    }
    let from = checkpoint.as_ref().map_or(1, |checkpoint| checkpoint.replay_from.0);
    let chain = recover_chain(start(from), &[], Some(&bench.ring_file())).unwrap();
    let mut replay = Replay::new(checkpoint);
    for frame in &chain.frames {
        replay.apply(frame)?;
    }
    replay.finish()
}

fn seal(bench: &mut Bench, word: &str) {
    let numbers: Vec<u64> =
        word[1..].split([':', '+', '@', '=']).map(|number| number.parse().unwrap_or(0)).collect();
    let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
    let offset = |at: usize| Offset(number(at) as i64);
    let whole = || {
        let (segment, base) = (number(0) as i64, number(3) as i64);
        span(0, segment, number(1), base, base + 1)
    };
    let length = number(2) as usize;
    let entry_bytes = match &word[..1] {
        "a" => vec![Bytes::from(batch(number(3) as i64, &vec![number(3) as u8; length - 61]))],
        "c" => vec![Bytes::from(vec![b'c'; length])],
        _ => vec![Bytes::from(batch(number(3) as i64, b"")), Bytes::from_static(b"last bytes")],
    };
    let (payload, key) = (&entry_bytes[..], key(0));
    let entry = match &word[..1] {
        "a" => Entry::Append { span: whole(), payload },
        "c" => Entry::Carry { span: whole(), payload },
        "e" => Entry::Extent { span: whole(), length: number(2), header_bytes: 61, payload },
        "r" => Entry::Roll { key, segment: offset(0), previous_length: Position(number(1)) },
        "s" => Entry::LogStart { key, offset: offset(0) },
        "t" => {
            let (to, segment) = (offset(0), offset(1));
            Entry::Truncate { key, to, segment, position: Position(number(2)) }
        }
        "k" => {
            let (segment, end, length) = (offset(0), offset(1), Position(number(2)));
            let (max_timestamp, number) = (TimestampMs(5), 6);
            Entry::Compact { key, new: CompactedSegment { segment, end, length, max_timestamp, number } }
        }
        _ => Entry::Drop { key },
    };
    bench.seal(&[entry]).unwrap();
}

/// `start..end [segments] segment:durable-end pieces observations`.
fn text(partitions: &[RecoveredPartition]) -> String {
    let [partition] = partitions else { return format!("{} partitions", partitions.len()) };
    let mut words = vec![format!("{}..{}", partition.log_start_offset, partition.log_end_offset)];
    let segments: Vec<String> = partition.segments.iter().map(ToString::to_string).collect();
    words.push(format!("[{}]", segments.join(",")));
    if let Some(segment) = partition.durable_segment {
        words.push(format!("{segment}:{}-{}", partition.durable, partition.end));
    }
    for (segment, length) in &partition.lengths {
        words.push(format!("{segment}={length}"));
    }
    for piece in &partition.tails {
        words.push(format!("{}:{}+{}", piece.segment, piece.position, piece.bytes.len()));
    }
    for piece in &partition.extents {
        words.push(format!("!{}:{}+{}", piece.segment, piece.position, piece.length));
    }
    for new in &partition.compacted {
        words.push(format!("k{}-{}={}", new.segment, new.end, new.length));
    }
    for observation in &partition.observed {
        words.push(match observation {
            Observation::Append { base_offset, .. } => format!("a{base_offset}"),
            Observation::Extent { base_offset, headers, .. } => format!("e{base_offset}+{}", headers.len()),
            Observation::Truncate { to } => format!("t{to}"),
        });
    }
    words.join(" ")
}

fn check(checkpoint: Option<ShardCheckpoint>, script: &str, expected: &str) {
    let found = match replay(checkpoint, script) {
        Ok(partitions) => text(&partitions),
        Err(error) => format!("{error}"),
    };
    assert_eq!(found, expected, "{script}");
}

/// Partition 0 after frame `through`: segments, durable bytes of the last, log end.
fn known(
    from: u64,
    through: u64,
    segments: &[i64],
    position: u64,
    log_end_offset: i64,
) -> Option<ShardCheckpoint> {
    let partition = PartitionCheckpoint {
        topic: key(0).topic.0,
        partition: 0,
        log_start_offset: segments.first().copied().unwrap_or(0),
        segments: segments.to_vec(),
        position,
        facts: Vec::new(),
        log_end_offset,
        high_watermark: log_end_offset,
        epochs: Vec::new(),
        producers: Vec::new(),
    };
    Some(ShardCheckpoint {
        shard: SHARD,
        boot: BOOT,
        number: 1,
        replay_from: FrameSequence(from),
        through: FrameSequence(through),
        partitions: vec![partition],
    })
}

#[test]
fn a_deleted_partition_is_forgotten_though_frames_tell_of_its_middle() {
    let mut bench = Bench::small();
    seal(&mut bench, "a0:4096+100@7");
    let chain = recover_chain(start(1), &[], Some(&bench.ring_file())).unwrap();
    for (known, expected) in [(true, Err(Position(4096))), (false, Ok(0))] {
        let mut replay = Replay::new(None);
        chain.frames.iter().for_each(|frame| replay.apply(frame).unwrap());
        replay.keep(|_| known);
        let found = replay.finish().map(|partitions| partitions.len()).map_err(|error| match error {
            ReplayError::Gap { found, .. } => found,
            error => panic!("{error}"),
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn a_log_grows_from_nothing() {
    check(None, "", "0 partitions");
    check(None, "a0:0+100@0 a0:100+80@1", "0..2 [0] 0:0-180 0:0+100 0:100+80 a0 a1");
    check(None, "a0:0+100@0 r1=100 a1:0+70@1", "0..2 [0,1] 0:0-70 0=100 0:0+100 1:0+70 a0 a1");
    check(None, "a500:0+100@500", "500..501 [500] 500:0-100 500:0+100 a500");
    check(None, "a0:0+100@0 d", "0 partitions");
    check(None, "a0:0+100@0 d a0:0+70@0", "0..1 [0] 0:0-70 0:0+70 a0");
}

#[test]
fn bytes_that_are_durable_are_cut() {
    check(known(1, 0, &[0], 100, 1), "a0:0+100@0 a0:100+80@1", "0..2 [0] 0:100-180 0:100+80 a0 a1");
    check(known(1, 2, &[0], 179, 2), "a0:0+100@0 a0:100+80@1", "0..2 [0] 0:179-180 0:179+1");
    check(known(1, 2, &[0], 130, 2), "a0:0+100@0 a0:100+80@1", "0..2 [0] 0:130-180 0:130+50");
    check(known(2, 1, &[0], 100, 1), "a0:0+100@0 a0:100+80@1", "0..2 [0] 0:100-180 0:100+80 a1");
    check(known(1, 3, &[0, 1], 0, 2), "a0:0+100@0 r1=100 a1:0+70@1", "0..2 [0,1] 1:0-70 1:0+70");
    check(known(1, 3, &[1], 70, 2), "a0:0+100@0 r1=100 a1:0+70@1", "1..2 [1] 1:70-70");
    check(known(4, 3, &[0, 1], 70, 2), "s0 s0 s0", "0..2 [0,1] 1:70-70");
}

#[test]
fn carries_stand_for_what_they_repeat() {
    check(None, "a0:0+100@0 a0:100+80@1 c0:0+180@0", "0..1 [0] 0:0-180 0:0+180 a0 a1");
    check(known(3, 2, &[0], 64, 2), "a0:0+100@0 a0:100+80@1 c0:64+116@1", "0..2 [0] 0:64-180 0:64+116");
    check(
        known(3, 2, &[0], 64, 2),
        "a0:0+100@0 a0:100+80@1 c0:64+116@1 a0:180+70@2",
        "0..3 [0] 0:64-250 0:64+116 0:180+70 a2",
    );
}

#[test]
fn truncation_sets_the_end_back() {
    check(None, "a0:0+100@0 a0:100+80@1 t1=0:100", "0..1 [0] 0:0-100 0:0+100 a0 a1 t1");
    check(None, "a0:0+100@0 r1=100 a1:0+70@1 t0=0:0", "0..0 [0] 0:0-0 a0 a1 t0");
    check(None, "a0:0+100@0 t1=7:0 a7:0+70@7 s7", "7..8 [7] 7:0-70 7:0+70 a0 t1 a7");
    check(known(1, 0, &[0], 100, 1), "t0=0:64", "0..0 [0] 0:64-64 t0");
    // The checkpoint is ahead: the same place was written twice, the second time is durable.
    let script = "a0:0+100@0 a0:100+80@1 t1=0:100 a0:100+90@1";
    check(known(1, 4, &[0], 190, 2), script, "0..2 [0] 0:100-190 0:100+90");
    let script = "a0:0+100@0 r1=100 a1:0+70@1 t0=0:0 a0:0+80@0 r2=80 a2:0+70@2";
    check(known(1, 7, &[0, 2], 70, 3), script, "0..3 [0,2] 0:0-70 0=80 0:0+80 2:0+70");
}

#[test]
fn the_log_start_drops_segments() {
    check(None, "a0:0+100@0 r1=100 a1:0+70@1 s1", "1..2 [1] 1:0-70 1:0+70 a0 a1");
    check(None, "a0:0+100@0 a0:100+100@1 s1", "1..2 [0] 0:0-200 0:0+100 0:100+100 a0 a1");
    check(known(1, 0, &[0, 5], 64, 9), "s5", "5..9 [5] 5:64-64");
    // The directory noted a start that only the ring still held: what the slots have begins before it.
    check(known(1, 0, &[5], 64, 9), "s3", "5..9 [5] 5:64-64");
}

/// As its directory notes, and its files and slots no more tell: records were deleted that only a ring had.
#[test]
fn a_log_that_begins_behind_all_of_its_frames_is_empty() {
    let emptied = || {
        let mut checkpoint = known(1, 0, &[], 0, 5).unwrap();
        checkpoint.partitions[0].log_start_offset = 5;
        Some(checkpoint)
    };
    check(emptied(), "a0:0+100@0 r1=100 a1:0+70@1", "5..5 [] a0 a1");
    check(emptied(), "a0:0+100@0 a5:0+70@5", "5..6 [5] 5:0-70 5:0+70 a0 a5");
}

#[test]
fn compacted_segments_take_the_place_of_others() {
    // What the files had was hard before: nothing of it is replayed.
    let grown = "a0:0+100@0 r1=100 a1:0+70@1 r2=70 a2:0+80@2";
    let compacted = format!("{grown} k0:2=90");
    check(None, &compacted, "0..3 [0,2] 2:0-80 2:0+80 k0-2=90 a0 a1 a2");
    check(known(1, 5, &[0, 1, 2], 0, 3), &compacted, "0..3 [0,2] 2:0-80 2:0+80 k0-2=90");
    check(known(1, 6, &[0, 2], 0, 3), &compacted, "0..3 [0,2] 2:0-80 2:0+80 k0-2=90");
    check(known(4, 3, &[0, 1], 70, 2), &compacted, "0..3 [0,2] 2:0-80 2:0+80 k0-2=90 a2");
    // A frame that cleaning wrote in between has the rest of the log again.
    check(
        None,
        &format!("{compacted} c2:0+80@2 a2:80+70@3"),
        "0..4 [0,2] 2:0-150 2:0+80 2:80+70 k0-2=90 a0 a1 a2 a3",
    );
    // Again, and more.
    let again = format!("{compacted} r3=80 a3:0+90@3 k0:2=70");
    check(None, &again, "0..4 [0,2,3] 2:0-90 2=80 2:0+80 3:0+90 k0-2=70 a0 a1 a2 a3");
    let more = format!("{compacted} r3=80 a3:0+90@3 k0:3=120");
    check(None, &more, "0..4 [0,3] 3:0-90 3:0+90 k0-3=120 a0 a1 a2 a3");
    // The log begins behind it, or inside.
    check(None, &format!("{compacted} s2"), "2..3 [2] 2:0-80 2:0+80 a0 a1 a2");
    check(None, &format!("{compacted} s1"), "1..3 [0,2] 2:0-80 2:0+80 k0-2=90 a0 a1 a2");
    // The checkpoint knows that, or that an earlier segment has it, too.
    check(known(1, 7, &[2], 0, 3), &format!("{compacted} s2"), "2..3 [2] 2:0-80 2:0+80");
    check(
        known(1, 7, &[0, 2], 0, 3),
        &format!("{grown} k1:2=60 k0:2=90"),
        "0..3 [0,2] 2:0-80 2:0+80 k0-2=90",
    );
}

/// A file that compaction wrote is shorter than the one it was written from: a start that undoes the next
/// swap measures it by the swap before.
#[test]
fn a_swap_that_is_undone_leaves_what_earlier_ones_wrote() {
    let compacted = "a0:0+100@0 r1=100 a1:0+70@1 r2=70 a2:0+80@2 k0:2=90 r3=80 a3:0+90@3 k0:3=120";
    let undone = |script: &str| {
        let mut found = replay(None, script).unwrap().remove(0);
        let new = found.compacted[0];
        let besides = if new.end == Offset(3) { vec![Offset(2)] } else { Vec::new() };
        let done: Vec<CompactedSegment> = found.undo(&new, besides).collect();
        let told = |base| found.told_length(Offset(base), &done);
        (found.segments.clone(), [told(0), told(1), told(2)])
    };
    let offsets = |bases: &[i64]| bases.iter().map(|base| Offset(*base)).collect::<Vec<_>>();
    assert_eq!(undone(compacted), (offsets(&[0, 2, 3]), [Some(90), Some(70), Some(80)]));
    let thrice = format!("{compacted} k0:3=110");
    assert_eq!(undone(&thrice).1[0], Some(120));
    // The log begins behind them.
    assert_eq!(replay(None, &format!("{thrice} s3")).unwrap()[0].superseded, []);
}

#[test]
fn a_dropped_partition_may_come_back() {
    check(known(1, 0, &[0], 64, 1), "d", "0 partitions");
    let script = "a0:0+100@0 d a0:0+70@0";
    check(known(1, 3, &[0], 64, 1), script, "0..1 [0] 0:64-70 0:64+6");
    check(known(1, 2, &[], 0, 0), script, "0..1 [0] 0:0-70 0:0+70 a0");
}

#[test]
fn extents_take_the_place_of_what_the_file_has_now() {
    check(None, "a0:0+70@0 e0:70+4096@1", "0..2 [0] 0:0-4176 0:0+70 0:4166+10 !0:70+4096 a0 e1+61");
    check(None, "a0:0+70@0 e0:0+4096@1", "0..2 [0] 0:0-4106 0:4096+10 !0:0+4096 a0 e1+61");
    check(known(1, 0, &[0], 1080, 1), "e0:70+4096@1", "0..2 [0] 0:1080-4176 0:4166+10 !0:1080+3086 e1+61");
    check(None, "e0:0+4096@0 t0=0:2000", "0..0 [0] 0:0-2000 !0:0+2000 e0+61 t0");
    check(None, "e0:0+4096@0 c0:4000+200@0", "0..1 [0] 0:0-4200 0:4000+200 !0:0+4000 e0+61");
}

#[test]
fn the_last_extents_end_is_told_whatever_stands_in_its_place_now() {
    let ends = |script: &str| {
        let partitions = replay(None, script).unwrap();
        let ends = partitions.iter().flat_map(|partition| &partition.extent_ends);
        ends.map(|(segment, end)| format!("{segment}:{end}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ends("a0:0+70@0"), "");
    assert_eq!(ends("e0:0+4196@0 c0:4096+200@0"), "0:4196");
    assert_eq!(ends("e0:0+4096@0 e0:4096+5000@1 c0:8192+1000@1"), "0:9096");
    assert_eq!(ends("e0:0+4096@0 t0=0:2000"), "0:2000");
    assert_eq!(ends("e0:0+4096@0 r1=4106 e1:0+4096@1"), "0:4096 1:4096");
}

#[test]
fn damage_is_named() {
    let partition = format!("partition {}", key(0));
    let gap = |segment, found, expected| {
        format!("{partition}: segment {segment} goes on at byte {found} where byte {expected} was due")
    };
    check(None, "a0:10+100@0", &gap(0, 10, 0));
    check(None, "a0:0+100@0 a0:101+100@1", &gap(0, 101, 100));
    check(known(1, 0, &[0], 64, 1), "a0:65+100@1", &gap(0, 65, 64));
    check(None, "a0:0+100@0 r1=120 a1:0+70@1", &gap(0, 120, 100));
    check(
        None,
        "a0:0+100@0 a1:0+70@1",
        &format!("{partition}: the end of segment 0, before segment 1, is unknown"),
    );
    check(
        known(2, 3, &[0], 64, 1),
        "a0:0+100@0 s0",
        "the checkpoint reflects frame 3, but the journal ends at frame 2",
    );
}
