//! The running journal by tables: places, writes, room, cleaning.

use crate::fixture::{Bench, batch, key, span};
use bytes::Bytes;
use millrace_core::base::Offset;
use millrace_core::journal::{
    APPEND_HEAD_BYTES, Cleaning, Entry, FRAME_HEADER_BYTES, FrameSequence, FrameWrite, Journal,
    JournalGeometry, NoRoom, Purpose,
};

const KIB: usize = 1024;

/// Seals a frame of exactly `kib`: an append whose batch fills it.
fn seal(bench: &mut Bench, kib: usize) -> Result<String, NoRoom> {
    let body = vec![7; kib * KIB - FRAME_HEADER_BYTES - APPEND_HEAD_BYTES - 61];
    let payload = [Bytes::from(batch(0, &body))];
    let frame = bench.seal(&[Entry::Append { span: span(0, 0, 0, 0, 1), payload: &payload }])?;
    assert_eq!(frame.len, kib * KIB);
    Ok(format!("{}:{}@{}", frame.slot, frame.slot_at / KIB, frame.ring_at / KIB))
}

/// `n` seals a frame of n KiB and names its `slot:KiB@KiB of the ring`, or why not; `w` writes everything;
/// `r` releases the first slot to be cleaned and names it, or `-`.
fn check(bench: &mut Bench, script: &str, expected: &str) {
    let mut found = Vec::new();
    for step in script.split(' ') {
        match step {
            "w" => bench.write_all(),
            "r" => found.push(match bench.journal.cleaning_due() {
                Some(cleaning) => {
                    bench.journal.slots_released(Cleaning { slots: 1, ..cleaning });
                    cleaning.slot.to_string()
                }
                None => "-".to_owned(),
            }),
            kib => found.push(match seal(bench, kib.parse().unwrap()) {
                Ok(places) => places,
                Err(no_room) => format!("{no_room:?}"),
            }),
        }
    }
    assert_eq!(found.join(" "), expected, "{script}");
}

#[test]
fn frames_take_ring_and_slots_in_turn() {
    // 4 slots of 64 KiB, ring of 128 KiB, cleaning from 2 slots on, reserve 60 KiB.
    let eight_slots = JournalGeometry::with_slots(8, 64 * KIB, 128 * KIB).unwrap();
    check(&mut Bench::new(eight_slots), "40 40 40 40 w 40", "0:0@0 1:0@40 2:0@80 Ring 3:0@0");
    check(&mut Bench::small(), "40 40 40 40", "0:0@0 1:0@40 2:0@80 Slots");
    check(&mut Bench::small(), "40 40 w 24 w 60", "0:0@0 1:0@40 1:40@0 2:0@0");
    check(&mut Bench::small(), "64 w 64 w 64 w 64", "0:0@0 1:0@0 2:0@0 Slots");
    check(&mut Bench::small(), "64 w 64 w 64 w r 64 w r r r", "0:0@0 1:0@0 2:0@0 0 3:0@0 1 2 -");
    check(
        &mut Bench::small(),
        "64 w 64 w 64 w r r 64 w 64 w r r 64 w",
        "0:0@0 1:0@0 2:0@0 0 1 3:0@0 0:0@0 2 3 1:0@0",
    );
    check(&mut Bench::small(), "68", "FrameTooLarge");
}

#[test]
fn a_cleaning_waits_until_its_slot_is_on_the_device() {
    check(&mut Bench::small(), "64 64 r w r", "0:0@0 1:0@64 - 0");
}

#[test]
fn one_write_covers_what_lies_together() {
    let mut bench = Bench::small();
    let through = FrameSequence;
    for kib in [8, 8, 44] {
        seal(&mut bench, kib).unwrap();
    }
    let first = bench.journal.next_write().unwrap();
    let whole = FrameWrite { ring_at: 0, len: 60 * KIB, slot: 0, slot_at: 0, through: through(3) };
    assert_eq!(first, whole);
    for kib in [4, 40] {
        seal(&mut bench, kib).unwrap();
    }
    // The next frame ends its slot; the one after it begins another.
    let next = bench.journal.next_write().unwrap();
    assert_eq!(bench.journal.next_write(), None, "two writes are in flight");
    assert_eq!((bench.journal.hard(), bench.journal.sealed()), (through(0), through(5)));
    bench.journal.written(through(3));
    assert_eq!((bench.journal.hard(), bench.journal.sealed()), (through(3), through(5)));
    assert_eq!(
        (next.ring_at, next.len, next.slot_at, next.through),
        (60 * KIB, 4 * KIB, 60 * KIB, through(4))
    );
    // It also goes around the ring's end.
    bench.journal.written(through(4));
    assert_eq!(seal(&mut bench, 40), Ok("2:0@0".to_owned()));
    let next = bench.journal.next_write().unwrap();
    assert_eq!((next.ring_at, next.slot, next.through), (64 * KIB, 1, through(5)));
    bench.journal.written(through(5));
    assert_eq!(bench.journal.next_write().unwrap().ring_at, 0);
}

#[test]
fn a_write_that_completes_first_hardens_nothing_before_those_ahead_of_it() {
    let mut bench = Bench::small();
    let through = FrameSequence;
    let begin = |bench: &mut Bench, kib| {
        seal(bench, kib).unwrap();
        bench.journal.next_write().map(|write| write.through)
    };
    assert_eq!(begin(&mut bench, 8), Some(through(1)));
    assert_eq!(begin(&mut bench, 8), Some(through(2)));
    assert_eq!(begin(&mut bench, 8), None, "two writes are in flight");
    bench.journal.written(through(2));
    assert_eq!(bench.journal.hard(), through(0));
    assert_eq!(bench.journal.next_write(), None, "the oldest is still in flight");
    assert_eq!(bench.journal.waiting().map(|frame| frame.sequence).collect::<Vec<_>>(), [through(3)]);
    bench.journal.written(through(1));
    assert_eq!(bench.journal.hard(), through(2));
    assert_eq!(bench.journal.next_write().map(|write| write.through), Some(through(3)));
}

#[test]
fn room_is_what_seal_accepts() {
    let mut bench = Bench::small();
    for kib in [40, 24, 60, 20, 8, 48, 4, 32, 4] {
        for purpose in [Purpose::Append, Purpose::Carry] {
            let room = bench.journal.room(purpose);
            for (bytes, fits) in [(room, room > 0), (room + 1, false)] {
                assert_eq!(fits_a_frame(&bench, purpose, bytes), fits, "{purpose:?} {bytes} of {room}");
            }
        }
        let _ = seal(&mut bench, kib);
        bench.write_all();
    }
}

/// Whether a copy of the journal seals `bytes` of heads and payload.
fn fits_a_frame(bench: &Bench, purpose: Purpose, bytes: usize) -> bool {
    let mut copy = replica(bench);
    if bytes < APPEND_HEAD_BYTES + 61 {
        return false;
    }
    let payload = [Bytes::from(batch(0, &vec![1; bytes - APPEND_HEAD_BYTES - 61]))];
    let span = span(0, 0, 0, 0, 1);
    let entry = match purpose {
        Purpose::Append => Entry::Append { span, payload: &payload[..] },
        Purpose::Carry => Entry::Carry { span, payload: &payload[..] },
    };
    assert_eq!(entry.sealed_bytes(), bytes);
    copy.seal(&[entry]).is_ok()
}

/// A bench that went through the same frames.
fn replica(bench: &Bench) -> Bench {
    let mut copy = Bench::new(*bench.journal.geometry());
    let mut frames: Vec<(u64, usize)> = Vec::new();
    for slot in &bench.slots {
        for block in slot.chunks(4 * KIB) {
            if let Ok((header, _)) = millrace_core::journal::FrameHeader::decode(block) {
                frames.push((header.sequence.0, header.frame_bytes as usize));
            }
        }
    }
    frames.sort_unstable();
    for (_, bytes) in frames {
        seal(&mut copy, bytes / KIB).unwrap();
        copy.write_all();
    }
    copy
}

#[test]
fn carries_may_use_what_appends_leave() {
    let mut bench = Bench::small();
    check(&mut bench, "64 w 64 w 64 w 64", "0:0@0 1:0@0 2:0@0 Slots");
    assert!(bench.journal.room(Purpose::Append) < 4 * KIB);
    assert_eq!(bench.journal.room(Purpose::Carry), 64 * KIB - FRAME_HEADER_BYTES);
    let limits = bench.journal.carry_limits();
    assert!(limits.total_bytes_max > 8 * KIB, "{limits:?}");
    let payload = [Bytes::from(vec![1; 40 * KIB])];
    let carry = Entry::Carry { span: span(0, 0, 0, 0, 1), payload: &payload[..] };
    assert_eq!(bench.seal(&[carry, Entry::Drop { key: key(0) }]), Err(NoRoom::Slots), "not a carry alone");
    assert_eq!(bench.seal(&[carry]).map(|frame| frame.slot), Ok(3));
    assert_eq!(bench.journal.cleaning_due(), Some(Cleaning { slot: 0, slots: 3, through: FrameSequence(3) }));
}

#[test]
fn a_default_batch_always_finds_room_in_the_smallest_journal() {
    let geometry = JournalGeometry::new(4 << 20, 16 << 20).unwrap();
    let mut bench = Bench::new(geometry);
    for turn in 0..50 {
        let payload = [Bytes::from(batch(0, &vec![3; (1 << 20) + 12 - 61]))];
        let entry = Entry::Append { span: span(0, 0, 0, 0, 1), payload: &payload[..] };
        while bench.journal.room(Purpose::Append) < entry.sealed_bytes() {
            let cleaning = bench.journal.cleaning_due().expect("a full journal has a slot to clean");
            bench.journal.slots_released(cleaning);
        }
        bench.seal(&[entry]).unwrap_or_else(|error| panic!("turn {turn}: {error}"));
        bench.write_all();
    }
    assert!(bench.journal.slots_in_use() <= 2);
    // Each batch takes a slot; the first two were new.
    assert_eq!(bench.journal.slots_reused(), 48);
}

#[test]
fn each_payload_byte_is_copied_once() {
    let mut journal = Journal::new(
        crate::fixture::SHARD,
        crate::fixture::BOOT,
        JournalGeometry::with_slots(2, 64 * KIB, 64 * KIB).unwrap(),
    );
    let payload = [Bytes::from(batch(0, &[1; 500])), Bytes::from(batch(1, &[2; 700]))];
    let entries = [
        Entry::Append { span: span(0, 0, 0, 0, 2), payload: &payload[..] },
        Entry::LogStart { key: key(1), offset: Offset(1) },
    ];
    let mut next = 0;
    let frame = journal
        .seal(&entries, &mut |at, bytes| {
            assert_eq!(at, next, "from the front, without a gap");
            next = at + bytes.len();
        })
        .unwrap();
    assert_eq!(next, frame.len);
}
