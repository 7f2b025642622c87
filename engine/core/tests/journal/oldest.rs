//! Where a chain begins that no checkpoint places: behind what was reused, never behind what is damaged.

use crate::fixture::{BOOT, Bench, SHARD, start};
use bytes::Bytes;
use millrace_core::journal::{CheckpointBounds, Corruption, FrameSequence, oldest_frame, recover_chain};

const KIB: usize = 1024;
/// Three frames fill a slot of 64 KiB but for a block.
const FRAME: usize = 20 * KIB;
const PER_SLOT: u64 = 3;

/// Seals frame `number` of the journal.
fn seal(bench: &mut Bench, number: u64) {
    let body = vec![number as u8; FRAME - 64 - 64 - 61];
    let frame = bench.append(0, 0, number as i64 - 1, &body);
    assert_eq!((frame.sequence.0, frame.len), (number, FRAME));
}

/// Frames written one by one into four slots, of which two are in use at most; the others are released.
fn journal(frames: u64) -> Bench {
    let mut bench = Bench::small();
    for number in 1..=frames {
        seal(&mut bench, number);
        bench.write_all();
        if let Some(cleaning) = bench.journal.cleaning_due() {
            bench.journal.slots_released(cleaning);
        }
    }
    bench
}

/// Slot and position of a frame of the first lap.
fn place(number: u64) -> (usize, usize) {
    (((number - 1) / PER_SLOT) as usize, ((number - 1) % PER_SLOT) as usize * FRAME)
}

fn bounds(replay_from: u64, through: u64) -> CheckpointBounds {
    CheckpointBounds { replay_from: FrameSequence(replay_from), through: FrameSequence(through) }
}

fn oldest(bench: &Bench, ring: Option<&Bytes>, bounds: CheckpointBounds) -> Result<u64, Corruption> {
    let slots = bench.slot_files();
    let from = oldest_frame(SHARD, BOOT, &slots, ring, bounds)?;
    recover_chain(start(from.0), &slots, ring).map(|_| from.0)
}

fn unbounded(bench: &Bench) -> Result<u64, Corruption> {
    oldest(bench, None, CheckpointBounds::default())
}

/// The next write arrives without its first sectors: what stood there keeps its header.
fn tear(bench: &mut Bench, missing: usize) {
    let write = bench.journal.next_write().unwrap();
    let kept = bench.slots[write.slot][write.slot_at..write.slot_at + missing].to_vec();
    bench.apply(write);
    bench.slots[write.slot][write.slot_at..write.slot_at + missing].copy_from_slice(&kept);
}

#[test]
fn a_chain_begins_behind_what_was_overwritten() {
    // frames, the oldest: slots 0 to 3 hold 1 to 12, then 13 takes the place of 1
    for (frames, first) in [(0, 1), (1, 1), (12, 1), (13, 2), (14, 3), (15, 4), (18, 7)] {
        assert_eq!(unbounded(&journal(frames)), Ok(first), "{frames} frames");
    }
}

#[test]
fn an_older_frame_that_a_torn_write_half_overwrote_is_needless() {
    let mut bench = journal(13);
    seal(&mut bench, 14);
    tear(&mut bench, 512);
    let slots = bench.slot_files();
    let damaged = recover_chain(start(2), &slots, None).unwrap_err();
    assert_eq!((damaged.sequence, damaged.slot), (FrameSequence(2), Some(0)), "its header stands");
    assert_eq!(unbounded(&bench), Ok(3));
    let chain = recover_chain(start(3), &slots, None).unwrap();
    assert_eq!(chain.frames.last().unwrap().header.sequence, FrameSequence(13));
}

#[test]
fn where_no_newer_frame_tells_that_a_slot_was_reused_a_checkpoint_must() {
    for missing in [512, 4096] {
        let mut bench = journal(12);
        seal(&mut bench, 13);
        tear(&mut bench, missing);
        let damaged = unbounded(&bench).unwrap_err();
        let found = (damaged.sequence, damaged.slot, damaged.position);
        assert_eq!(found, (FrameSequence(1), Some(0), 0));
        assert_eq!(oldest(&bench, None, bounds(4, 9)), Ok(2));
        assert_eq!(oldest(&bench, None, bounds(1, 9)), Err(damaged));
    }
}

#[test]
fn damage_of_what_no_checkpoint_calls_needless_is_refused() {
    for number in 1..12 {
        let (slot, position) = place(number);
        for at in [0, 30, 64, 200, FRAME / 2] {
            let mut bench = journal(12);
            bench.slots[slot][position + at] ^= 1;
            let damaged = unbounded(&bench).unwrap_err();
            let found = (damaged.sequence, damaged.slot, damaged.position);
            assert_eq!(found, (FrameSequence(number), Some(slot), position), "frame {number} at {at}");
            for needed in [1, 6, 7, 12] {
                let expected = if number < needed { Ok(number + 1) } else { Err(damaged) };
                let found = oldest(&bench, None, bounds(needed, 0));
                assert_eq!(found, expected, "frame {number} at {at}, {needed} is needed");
            }
        }
    }
}

#[test]
fn a_torn_write_that_left_its_last_frame_hides_none_before_it() {
    let mut bench = journal(1);
    seal(&mut bench, 2);
    seal(&mut bench, 3);
    tear(&mut bench, 512);
    let slots = bench.slot_files();
    assert_eq!(unbounded(&bench), Ok(1));
    let chain = recover_chain(start(1), &slots, None).unwrap();
    assert_eq!(chain.frames.len(), 1, "frame 3 stands there whole, and 2 does not");
}

#[test]
fn a_checkpoint_is_a_witness_of_the_frames_before_it() {
    let mut bench = journal(3);
    let (slot, position) = place(3);
    bench.slots[slot][position + 200] ^= 1;
    assert_eq!(unbounded(&bench), Ok(1), "nobody tells that frame 3 was on the device");
    assert_eq!(oldest(&bench, None, bounds(2, 3)).unwrap_err().sequence, FrameSequence(3));
    assert_eq!(oldest(&bench, None, bounds(4, 3)), Ok(4), "and what it holds is durable elsewhere");
}

#[test]
fn a_copy_inside_a_payload_does_not_make_what_is_before_it_needless() {
    let mut bench = Bench::small();
    bench.append(0, 0, 0, &[1; 100]);
    let inner = bench.append(0, 161, 1, &[2; 100]);
    let copy = bench.ring[inner.ring_at..inner.ring_at + inner.len].to_vec();
    bench.append(0, 322, 2, &[vec![0; 4096 - 64 - 64 - 61], copy].concat());
    bench.write_all();
    bench.append(0, 9000, 3, b"says that all before it are on the device");
    bench.write_all();
    assert_eq!(unbounded(&bench), Ok(1));
    bench.slots[0][0] ^= 1;
    assert_eq!(unbounded(&bench).unwrap_err().sequence, FrameSequence(1));
}

#[test]
fn the_ring_goes_on_behind_the_slots_and_makes_up_for_damage() {
    let mut bench = journal(13);
    seal(&mut bench, 14);
    let ring = bench.ring_file();
    assert_eq!(oldest(&bench, Some(&ring), CheckpointBounds::default()), Ok(2));
    // Frame 13 is still in the ring, where the last write was taken from.
    let mut bench = journal(13);
    let ring = bench.ring_file();
    bench.slots[0][200] ^= 1;
    seal(&mut bench, 14);
    bench.write_all();
    assert!(unbounded(&bench).is_err());
    assert_eq!(oldest(&bench, Some(&ring), CheckpointBounds::default()), Ok(3));
}
