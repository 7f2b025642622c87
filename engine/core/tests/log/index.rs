//! The offset index against a plain list of batches.

use millrace_core::base::{Offset, Position, TimestampMs};
use millrace_core::log::{BatchBuilder, BatchHeader, BatchRecord, Codec, Noted, OffsetIndex, Summed};

use crate::support::Choices;

const BASE: Offset = Offset(500);

/// Headers of batches that follow one another, up to 40 KiB each, and the positions at which they begin.
fn batches(choices: &mut Choices, count: usize) -> Vec<(u64, BatchHeader)> {
    let (mut at, mut next) = (0, BASE);
    let mut out = Vec::new();
    for _ in 0..count {
        let value = vec![0; choices.below(40 << 10) as usize];
        let timestamp = TimestampMs(choices.below(1000) as i64);
        let mut builder = BatchBuilder::new(Codec::None).base_offset(next);
        for _ in 0..1 + choices.below(3) {
            builder.push(BatchRecord::of_value(timestamp, &value));
        }
        let header = BatchHeader::parse(&builder.build()).unwrap();
        out.push((at, header));
        at += header.size() as u64;
        next = header.next_offset();
    }
    out
}

fn index_of(batches: &[(u64, BatchHeader)]) -> OffsetIndex {
    let mut index = OffsetIndex::new(BASE);
    for (_, header) in batches {
        index.note(header);
    }
    index
}

#[test]
fn lookups_lead_to_a_batch_shortly_before() {
    let mut choices = Choices::new(21);
    for _ in 0..50 {
        let batches = batches(&mut choices, 40);
        let index = index_of(&batches);
        let end = batches.last().unwrap().1.next_offset();
        for offset in BASE.0..end.0 {
            let (at, _) = batches.iter().find(|(_, header)| header.last_offset().0 >= offset).unwrap();
            let found = index.lookup(Offset(offset)).0;
            assert!(found <= *at && at - found <= 200 << 10, "{found} {at}");
            assert!(batches.iter().any(|(at, _)| *at == found), "{found} is no batch");
            let (holding, header) = batches.iter().find(|(begins, _)| begins == at).unwrap();
            let behind = holding + header.size() as u64;
            match index.bound(Offset(offset)) {
                Some(bound) => {
                    assert!(bound.0 >= behind && batches.iter().any(|(at, _)| *at == bound.0), "{bound}");
                }
                None => assert_eq!(found, u64::from(index.entries().last().unwrap().position)),
            }
        }
        assert_eq!(index.lookup(Offset(0)), Position::ZERO);
    }
}

/// From any batch on, the intervals that the index names hold every batch of the time, and the first such
/// batch lies in the first of them.
#[test]
fn times_are_never_missed() {
    let mut choices = Choices::new(22);
    for _ in 0..50 {
        let batches = batches(&mut choices, 40);
        let index = index_of(&batches);
        for time in (0..1100).step_by(7) {
            let (start, _) = batches[choices.below(40) as usize];
            let wanted = |(at, header): &&(u64, BatchHeader)| *at >= start && header.max_timestamp.0 >= time;
            let first = batches.iter().find(wanted).map(|(at, _)| *at);
            let mut found = index.interval_at_time(TimestampMs(time), Position(start));
            // The interval that holds the start may have its time from a batch before.
            while let Some(interval) = found
                && first.is_none_or(|at| at >= interval.to.0)
                && interval.from.0 <= start
            {
                assert!(interval.to.0 > start);
                found = index.interval_at_time(TimestampMs(time), interval.to);
                found = found.filter(|next| next.from.0 >= interval.to.0);
            }
            match (first, found) {
                (None, None) => {}
                (Some(at), Some(interval)) => {
                    assert!(
                        (interval.from.0..interval.to.0).contains(&at),
                        "{time} from {start}: {interval:?}"
                    );
                    assert!(interval.to.0 - interval.from.0 <= 200 << 10);
                }
                other => panic!("{time} from {start}: {other:?}"),
            }
        }
        let max = batches.iter().map(|(_, header)| header.max_timestamp).max().unwrap();
        assert_eq!(index.max_timestamp(), max);
    }
}

#[test]
fn an_index_that_resumed_joins_what_lies_before() {
    let mut choices = Choices::new(25);
    for _ in 0..50 {
        let batches = batches(&mut choices, 30);
        let place = 1 + choices.below(29) as usize;
        let mut older = index_of(&batches[..place]);
        let (at, first) = (batches[place].0, batches[place].1.base_offset);
        let mut newer = OffsetIndex::resuming(BASE, Position(at), first);
        assert_eq!(newer.lookup(first), Position(at), "what is not there yet begins where it will");
        batches[place..].iter().for_each(|(_, header)| newer.note(header));
        assert!(newer.knows(first) && !newer.knows(Offset(first.0 - 1)));
        for (at, header) in &batches[place..] {
            assert!((newer.begins()..=*at).contains(&newer.lookup(header.base_offset).0));
        }
        older.join(&newer);
        let whole = index_of(&batches);
        assert_eq!((older.covered(), older.max_timestamp()), (whole.covered(), whole.max_timestamp()));
        for (at, header) in &batches {
            let found = older.lookup(header.base_offset).0;
            assert!(found <= *at && at - found <= 200 << 10, "{found} {at}");
        }
        assert_eq!(OffsetIndex::decode(&older.encode()), Ok(older));
    }
}

#[test]
fn what_is_appended_behind_an_earlier_run_begins_an_interval() {
    let batches = batches(&mut Choices::new(30), 2);
    let (at, header) = batches[1];
    let mut older = index_of(&batches[..1]);
    older.join(&OffsetIndex::resuming(BASE, Position(at), header.base_offset));
    older.note(&header);
    assert_eq!(older.lookup(header.base_offset), Position(at));
}

#[test]
fn a_cut_index_equals_a_new_one() {
    let mut choices = Choices::new(23);
    for _ in 0..50 {
        let batches = batches(&mut choices, 30);
        let keep = choices.below(31) as usize;
        let end = batches.get(keep).map_or(u64::MAX, |(at, _)| *at);
        let mut index = index_of(&batches);
        let from = index.truncate(Position(end));
        for (at, header) in &batches[..keep] {
            if *at >= from.0 {
                index.note(header);
            }
        }
        assert_eq!(index, index_of(&batches[..keep]));
    }
}

#[test]
fn a_written_index_is_read_back_and_damage_is_found() {
    let mut choices = Choices::new(24);
    for round in 0..200 {
        let index = index_of(&batches(&mut choices, round % 20));
        let bytes = index.encode();
        assert_eq!(OffsetIndex::decode(&bytes), Ok(index));
        let mut damaged = bytes.clone();
        choices.damage(&mut damaged);
        assert!(damaged == bytes || OffsetIndex::decode(&damaged).is_err());
    }
}

#[test]
fn the_file_of_a_small_index() {
    let header = BatchHeader::parse(
        &BatchBuilder::new(Codec::None)
            .base_offset(BASE)
            .record(BatchRecord::of_value(TimestampMs(9), &[0; 70_000]))
            .build(),
    )
    .unwrap();
    let mut index = OffsetIndex::new(BASE);
    index.note(&header);
    index.note(&BatchHeader { base_offset: Offset(501), ..header });
    let golden = "4d52494e4445583302000000f401000000000000\
                  7023020000000000 f601000000000000\
                  0000000000000000 0900000000000000\
                  01000000b8110100 0900000000000000";
    let text = crate::support::to_hex(&index.encode());
    assert_eq!(text[..text.len() - 8], golden.replace(' ', ""));
}

/// A batch as a file has it, by place, and what the index makes of it.
fn noted(batches: &[(u64, BatchHeader)], damage: impl Fn(usize, &mut BatchHeader) -> Summed) -> OffsetIndex {
    let mut index = OffsetIndex::new(BASE);
    for (place, (_, header)) in batches.iter().enumerate() {
        let mut header = *header;
        let summed = damage(place, &mut header);
        let whole = summed == Summed::Fits && header == batches[place].1;
        let noted = index.note_stored(&header, summed);
        assert!(whole || noted == Some(Noted::Damaged), "batch {place}: {noted:?}");
    }
    index
}

#[test]
fn what_is_read_back_whole_is_noted_as_what_was_appended() {
    let batches = batches(&mut Choices::new(26), 40);
    assert_eq!(noted(&batches, |_, _| Summed::Fits), index_of(&batches));
}

/// Whatever one field says, every entry leads to the batch of its offset, a search by time looks where the
/// damage is, and what lies behind is known.
#[test]
fn damaged_headers_lead_to_no_other_batch() {
    type Harm = fn(&mut BatchHeader) -> Summed;
    let harms: &[Harm] = &[
        |header| {
            header.base_offset.0 += 1;
            Summed::Fits
        },
        |header| {
            header.base_offset.0 -= 3;
            Summed::Fits
        },
        |header| {
            header.base_offset.0 ^= i64::MIN;
            Summed::Fits
        },
        |header| {
            header.last_offset_delta ^= 4;
            Summed::Differs
        },
        |header| {
            header.last_offset_delta ^= i32::MIN;
            Summed::Differs
        },
        |header| {
            header.max_timestamp = TimestampMs::NONE;
            Summed::Differs
        },
    ];
    let mut choices = Choices::new(27);
    for round in 0..200 {
        let batches = batches(&mut choices, 40);
        let place = choices.below(40) as usize;
        let harm = harms[round % harms.len()];
        let index =
            noted(&batches, |number, header| if number == place { harm(header) } else { Summed::Fits });
        for entry in index.entries() {
            let (_, header) = batches.iter().find(|(at, _)| *at == u64::from(entry.position)).unwrap();
            assert_eq!(BASE.plus(i64::from(entry.relative_offset)), header.base_offset);
        }
        if let Some((_, header)) = batches.get(place + 2) {
            assert!(
                index.lookup(header.base_offset).0 > batches[place].0,
                "nothing is looked for through it"
            );
        }
        let (at, header) = batches[place];
        let start = index.lookup(header.base_offset);
        let found = index.interval_at_time(TimestampMs(i64::MAX), start).unwrap();
        assert!((found.from.0..found.to.0).contains(&at), "round {round}: {found:?} {at}");
        let end = batches.last().unwrap().1.next_offset();
        assert!(place >= 38 || index.next_offset() == Some(end), "round {round}: {index:?}");
        let decoded = OffsetIndex::decode(&index.encode()).unwrap();
        assert_eq!((decoded.entries(), decoded.next_offset()), (index.entries(), index.next_offset()));
    }
}

/// The end of one batch and the beginning of the next lie in one sector.
#[test]
fn two_damaged_batches_in_a_row_do_not_vouch_for_each_other() {
    let batches = batches(&mut Choices::new(28), 12);
    let index = noted(&batches, |place, header| match place {
        4 => Summed::Differs,
        5 => {
            header.base_offset.0 += 7;
            Summed::Fits
        }
        _ => Summed::Fits,
    });
    for entry in index.entries() {
        let (_, header) = batches.iter().find(|(at, _)| *at == u64::from(entry.position)).unwrap();
        assert_eq!(BASE.plus(i64::from(entry.relative_offset)), header.base_offset);
    }
    assert_eq!(index.next_offset(), Some(batches[11].1.next_offset()));
}

#[test]
fn bytes_that_are_no_batch_of_the_segment_end_what_is_known() {
    let (_, header) = batches(&mut Choices::new(29), 1)[0];
    let mut index = OffsetIndex::new(BASE);
    let none = BatchHeader { last_offset_delta: -1, ..header };
    assert_eq!(index.note_stored(&none, Summed::Fits), None);
    assert_eq!(index.covered(), 0);
    let far = BatchHeader { last_offset_delta: i32::MAX, ..header };
    assert_eq!(index.note_stored(&far, Summed::Fits), Some(Noted::Whole));
    let next = BatchHeader { base_offset: far.next_offset(), ..header };
    assert_eq!(index.note_stored(&next, Summed::Fits), None, "a segment's offsets take 31 bits");
}
