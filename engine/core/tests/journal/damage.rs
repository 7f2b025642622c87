//! Torn tails, garbled frames, stale frames, and any bytes at all.

use crate::fixture::{BOOT, Bench, SHARD, Seeded, key, span, start};
use bytes::Bytes;
use millrace_core::base::{Offset, Position, TimestampMs};
use millrace_core::journal::{
    BootNonce, Chain, ChainStart, CompactedSegment, Corruption, CorruptionReason, Entry, Frame, FrameFault,
    FrameHeader, FrameSequence, Replay, ShardCheckpoint, recover_chain,
};

/// Frames sealed and written one by one: each says that all before it are on the device. The lengths of their
/// contents follow from header, heads and batches.
fn written_one_by_one(frames: u64) -> Bench {
    frames_of_one_partition(frames, Bench::write_all)
}

fn frames_of_one_partition(frames: u64, after_each: fn(&mut Bench)) -> Bench {
    let mut bench = Bench::small();
    let mut position = 0;
    for number in 0..frames {
        let body = vec![number as u8; 3000 + 600 * number as usize];
        bench.append(0, position, number as i64, &body);
        after_each(&mut bench);
        position += 61 + body.len() as u64;
    }
    bench
}

fn sequences(chain: &Chain) -> Vec<u64> {
    chain.frames.iter().map(|frame| frame.header.sequence.0).collect()
}

/// Start and end of the content of each frame in slot 0.
fn frames_of(bench: &Bench) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for at in (0..bench.slots[0].len()).step_by(4096) {
        if let Ok((header, _)) = FrameHeader::decode(&bench.slots[0][at..]) {
            found.push((at, at + 64 + (header.heads_bytes + header.payload_bytes) as usize));
        }
    }
    found
}

/// Every way in which one byte of a file goes wrong.
fn wrongs(slot: &[u8], at: usize) -> [(&'static str, Vec<u8>); 3] {
    let (mut cut, mut zeroed, mut garbled) = (slot.to_vec(), slot.to_vec(), slot.to_vec());
    cut[at..].fill(0);
    zeroed[at..(at / 512 + 1) * 512].fill(0);
    garbled[at] ^= 0x10;
    [("cut", cut), ("zeroed", zeroed), ("garbled", garbled)]
}

#[test]
fn a_damaged_last_frame_gives_exactly_the_frames_before_it() {
    let bench = written_one_by_one(3);
    let (begin, end) = frames_of(&bench)[2];
    let mut slots = bench.slot_files();
    for at in begin..end + 20 {
        for (wrong, bytes) in wrongs(&bench.slots[0], at) {
            let changed = bytes[begin..end] != bench.slots[0][begin..end];
            slots[0] = Bytes::from(bytes);
            let chain = recover_chain(start(1), &slots, None).unwrap();
            let expected: &[u64] = if changed { &[1, 2] } else { &[1, 2, 3] };
            assert_eq!(sequences(&chain), expected, "{wrong} at {at}");
        }
    }
}

#[test]
fn the_ring_makes_up_for_a_damaged_last_frame() {
    let bench = written_one_by_one(3);
    let (begin, end) = frames_of(&bench)[2];
    let (ring, mut slots) = (bench.ring_file(), bench.slot_files());
    for at in (begin..end).step_by(7) {
        for (wrong, bytes) in wrongs(&bench.slots[0], at) {
            slots[0] = Bytes::from(bytes);
            let chain = recover_chain(start(1), &slots, Some(&ring)).unwrap();
            assert_eq!(sequences(&chain), [1, 2, 3], "{wrong} at {at}");
        }
    }
}

#[test]
fn a_damaged_acknowledged_frame_is_named() {
    let bench = written_one_by_one(4);
    let mut slots = bench.slot_files();
    for (number, (begin, end)) in frames_of(&bench).into_iter().enumerate().take(3) {
        for at in begin..end {
            let mut bytes = bench.slots[0].clone();
            bytes[at] ^= 1;
            slots[0] = Bytes::from(bytes);
            let corruption = recover_chain(start(1), &slots, None).unwrap_err();
            assert_eq!(corruption.sequence, FrameSequence(number as u64 + 1), "byte {at}");
            assert_eq!(corruption.slot, Some(0));
            if number > 0 || at >= begin + 64 {
                assert_eq!(corruption.position, begin, "byte {at}: {corruption}");
            }
        }
    }
}

#[test]
fn reasons_are_told_apart() {
    let bench = written_one_by_one(3);
    let (begin, end) = frames_of(&bench)[1];
    let cases = [
        (begin, CorruptionReason::Missing),
        (begin + 30, CorruptionReason::Missing),
        (begin + 64 + 40, CorruptionReason::Fault(FrameFault::ContentChecksum)),
        (begin + 128 + 5, CorruptionReason::Fault(FrameFault::ContentChecksum)),
        (end - 1, CorruptionReason::Fault(FrameFault::BatchChecksum)),
    ];
    for (at, reason) in cases {
        let mut slots = bench.slots.clone();
        slots[0][at] ^= 1;
        let slots: Vec<Bytes> = slots.into_iter().map(Bytes::from).collect();
        let corruption = recover_chain(start(1), &slots, None).unwrap_err();
        let expected = Corruption { slot: Some(0), position: begin, sequence: FrameSequence(2), reason };
        assert_eq!(corruption, expected, "byte {at}");
    }
}

#[test]
fn frames_of_one_torn_write_are_dropped_together() {
    let mut bench = written_one_by_one(2);
    for number in 2..5 {
        bench.append(0, 0, number, &[9; 5000]);
    }
    let write = bench.journal.next_write().unwrap();
    bench.apply(write);
    // The first frame of the write did not reach the device; the two behind it did.
    bench.slots[0][write.slot_at + 4096] ^= 1;
    let (slots, ring) = (bench.slot_files(), bench.ring_file());
    let chain = recover_chain(start(1), &slots, None).unwrap();
    assert_eq!(sequences(&chain), [1, 2]);
    let torn = chain.torn.unwrap();
    assert_eq!((torn.sequence, torn.headers_found), (FrameSequence(3), 3));
    // In the ring they are whole.
    let chain = recover_chain(start(1), &slots, Some(&ring)).unwrap();
    assert_eq!((sequences(&chain), chain.torn), (vec![1, 2, 3, 4, 5], None));
}

#[test]
fn a_chain_begins_where_it_is_needed() {
    let bench = written_one_by_one(4);
    let slots = bench.slot_files();
    for from in 1..=5 {
        let chain = recover_chain(start(from), &slots, None).unwrap();
        assert_eq!(sequences(&chain), (from..=4).collect::<Vec<_>>());
    }
    let mut without_second = bench.slots.clone();
    without_second[0][frames_of(&bench)[1].0] ^= 1;
    let slots: Vec<Bytes> = without_second.into_iter().map(Bytes::from).collect();
    assert!(
        recover_chain(start(3), &slots, None).is_ok(),
        "frames before the first one needed do not matter"
    );
    assert_eq!(recover_chain(start(2), &slots, None).unwrap_err().sequence, FrameSequence(2));
}

#[test]
fn other_boots_and_shards_do_not_count() {
    let bench = written_one_by_one(2);
    let (slots, ring) = (bench.slot_files(), bench.ring_file());
    let other_boot = ChainStart { boot: Some(BootNonce(1)), ..start(1) };
    let other_shard = ChainStart { shard: millrace_core::base::ShardIndex(0), ..start(1) };
    for other in [other_boot, other_shard] {
        assert!(recover_chain(other, &slots, Some(&ring)).unwrap().frames.is_empty());
    }
    let unnamed = ChainStart { boot: None, ..start(1) };
    let chain = recover_chain(unnamed, &slots, None).unwrap();
    assert_eq!((chain.boot, sequences(&chain)), (Some(BOOT), vec![1, 2]));
    let empty = [Bytes::from(vec![0; 65_536])];
    let chain = recover_chain(unnamed, &empty, Some(&ring)).unwrap();
    assert_eq!((chain.boot, chain.frames.len()), (None, 0), "a ring alone may be an older journal's");
    let sealed_only = frames_of_one_partition(2, |_| {}).ring_file();
    let chain = recover_chain(start(1), &empty, Some(&sealed_only)).unwrap();
    assert_eq!(sequences(&chain), [1, 2]);
}

#[test]
fn a_frame_inside_a_payload_is_not_taken_for_one() {
    let mut bench = Bench::small();
    let inner = bench.append(0, 0, 0, &[5; 100]);
    // A record that holds the copy of a frame, at a block boundary of its own frame.
    let copy = bench.ring[inner.ring_at..inner.ring_at + inner.len].to_vec();
    let body = [vec![0; 4096 - 64 - 64 - 61], copy].concat();
    bench.append(0, 161, 1, &body);
    bench.append(0, 161, 2, b"behind it");
    bench.write_all();
    let chain = recover_chain(start(1), &bench.slot_files(), None).unwrap();
    assert_eq!(sequences(&chain), [1, 2, 3]);
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    let mut random = Seeded(1);
    let bench = written_one_by_one(4);
    for round in 0..3000 {
        let mut slots = bench.slots.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(30_000);
            slots[0][at] = random.next() as u8;
        }
        if round % 4 != 0 {
            // Past the checksums: what a header and heads say is wrong, but signed.
            forge(&mut slots[0], &mut random);
        }
        read_everything(&slots);
    }
    for _ in 0..200 {
        let mut slots = vec![vec![0; 8192]; 2];
        slots.iter_mut().for_each(|slot| random.fill(slot));
        read_everything(&slots);
        let _ = ShardCheckpoint::decode(&slots[0]);
        let _ = Frame::decode(&Bytes::from(slots.remove(0)));
    }
}

/// Writes random fields into the headers and heads of frames and makes header checksum and content checksum
/// match.
fn forge(slot: &mut [u8], random: &mut Seeded) {
    for at in (0..32_768).step_by(4096) {
        let Ok((header, _)) = FrameHeader::decode(&slot[at..]) else { continue };
        let head = at + 64 + random.below(64);
        slot[head] = random.next() as u8;
        if random.one_in(3) {
            let field = at + 8 + random.below(48);
            slot[field] = random.next() as u8;
        }
        let heads_end = at + 64 + header.heads_bytes as usize;
        let content = crc32c::crc32c(&slot[at + 64..heads_end + 61]);
        slot[at + 56..at + 60].copy_from_slice(&content.to_le_bytes());
        let checksum = crc32c::crc32c(&slot[at..at + 60]);
        slot[at + 60..at + 64].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn read_everything(slots: &[Vec<u8>]) {
    let slots: Vec<Bytes> = slots.iter().map(|slot| Bytes::copy_from_slice(slot)).collect();
    for boot in [Some(BOOT), None] {
        let Ok(chain) =
            recover_chain(ChainStart { shard: SHARD, boot, from: FrameSequence(1) }, &slots, slots.last())
        else {
            continue;
        };
        let mut replay = Replay::new(None);
        if chain.frames.iter().try_for_each(|frame| replay.apply(frame)).is_ok() {
            let _ = replay.finish();
        }
    }
}

#[test]
fn any_entries_are_replayed_without_a_panic() {
    let mut random = Seeded(2);
    let numbers = [i64::MIN, -1, 0, 1, 5, 4096, i64::MAX];
    for _ in 0..3000 {
        let mut bench = Bench::small();
        let mut replay = Replay::new(None);
        for _ in 0..random.below(12) {
            let mut number = || numbers[random.below(numbers.len())];
            let span = span(number() as i32, number(), number() as u64, number(), number());
            let (segment, position, offset) = (span.segment, span.position, Offset(number()));
            let (key, length) = (key((number() & 1) as i32), number() as u64);
            let bytes = [Bytes::from_static(b"some bytes")];
            let ends = &bytes[..];
            let entry = match number() & 15 {
                0 => Entry::Carry { span, payload: ends },
                1 => Entry::Extent { span, length, header_bytes: 0, payload: ends },
                2 | 3 => Entry::Roll { key, segment, previous_length: Position(length) },
                4 => Entry::LogStart { key, offset },
                5 => Entry::Drop { key },
                6 | 7 => {
                    let (end, length) = (Offset(number()), Position(length));
                    let (max_timestamp, number) = (TimestampMs(number()), number() as u64);
                    let new = CompactedSegment { segment, end, length, max_timestamp, number };
                    Entry::Compact { key, new }
                }
                _ => Entry::Truncate { key, to: offset, segment, position },
            };
            if bench.seal(&[entry]).is_err() {
                break;
            }
        }
        let chain = recover_chain(start(1), &[bench.ring_file()], None).unwrap();
        if chain.frames.iter().try_for_each(|frame| replay.apply(frame)).is_ok() {
            let _ = replay.finish();
        }
    }
}
