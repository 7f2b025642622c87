//! Compaction over whole logs: what must survive, what must go, and that offsets go on.

use crate::support::Choices;
use millrace_core::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::batch::{Batch, BatchHeader};
use millrace_core::log::compaction::{CompactedOutput, KeyMap, MapBuild, Mapped, Survival};
use millrace_core::log::compression::decompress;
use millrace_core::log::records::Records;
use millrace_core::log::{BatchBuilder, BatchRecord, BatchWalk, Codec};
use std::collections::BTreeMap;

const DELETE_RETENTION_MS: i64 = 100;

/// A record as readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: usize,
}

fn seen(log: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    for batch in BatchWalk::new(log) {
        let batch = batch.unwrap();
        batch.verify_checksum().unwrap();
        let header = batch.header;
        let plain = decompress(header.attributes.codec().unwrap(), batch.body(), 1 << 20).unwrap();
        for record in Records::new(&plain, header.records_count) {
            let record = record.unwrap();
            all.push(Seen {
                offset: header.base_offset.0 + i64::from(record.offset_delta),
                timestamp: header.base_timestamp.0 + record.timestamp_delta,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers.count(),
            });
        }
    }
    all
}

fn headers(log: &[u8]) -> Vec<BatchHeader> {
    BatchWalk::new(log).map(|batch| batch.unwrap().header).collect()
}

/// What one pass over a log leaves of it; keys are learnt from `start` on, `keys_max` of them.
struct Pass<'a> {
    start: i64,
    keys_max: usize,
    producers: &'a BTreeMap<ProducerId, Offset>,
    now: i64,
}

impl Pass<'_> {
    fn keys(&self, log: &[u8]) -> KeyMap {
        let mut build = MapBuild::new(Offset(self.start), KeyMap::new(2 * self.keys_max, self.keys_max));
        for batch in BatchWalk::new(log) {
            if build.take(&batch.unwrap()).unwrap() == Mapped::Full {
                break;
            }
        }
        build.finish()
    }

    fn over(&self, log: &[u8]) -> (Vec<u8>, CompactedOutput) {
        let keys = self.keys(log);
        let survival = Survival {
            keys: &keys,
            producers: self.producers,
            now: TimestampMs(self.now),
            delete_retention_ms: DELETE_RETENTION_MS,
        };
        let base = headers(log).first().map_or(Offset(0), |first| first.base_offset);
        let (mut out, mut output) = (Vec::new(), CompactedOutput::new(base));
        for batch in BatchWalk::new(log) {
            let batch: Batch<'_> = batch.unwrap();
            let outcome = survival.of(&batch).unwrap();
            output.take(&batch, &outcome, |piece| out.extend_from_slice(piece.bytes));
        }
        output.finish(|piece| out.extend_from_slice(piece.bytes));
        assert_eq!(output.totals().bytes_out, out.len() as u64);
        assert_eq!(output.totals().bytes_in, log.len() as u64);
        assert!(output.totals().is_changed || out == log, "what is not changed is the same");
        (out, output)
    }
}

/// Records as `key=value`, `key` alone for a tombstone, batches between bars; `P` before a batch gives it
/// producer 7 and the next sequence, `e` the next leader epoch.
fn log_of(text: &str) -> Vec<u8> {
    let (mut log, mut offset, mut sequence, mut epoch) = (Vec::new(), 0, 0, 0);
    for batch in text.split('|').map(str::trim) {
        let rest = batch.trim_start_matches(['P', 'e']);
        let flags = &batch[..batch.len() - rest.len()];
        epoch += i32::from(flags.contains('e'));
        let mut builder =
            BatchBuilder::new(Codec::None).base_offset(Offset(offset)).leader_epoch(LeaderEpoch(epoch));
        if flags.contains('P') {
            builder = builder.producer(ProducerId(7), ProducerEpoch(1), Sequence(sequence));
        }
        for word in rest.split_whitespace() {
            let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
            builder.push(BatchRecord {
                timestamp: TimestampMs(1000 + offset),
                key: (key != "-").then_some(key.as_bytes()),
                value: value.map(str::as_bytes),
                headers: &[(b"h", None)],
            });
            offset += 1;
            sequence += i32::from(flags.contains('P'));
        }
        log.extend(builder.build());
    }
    log
}

/// `offsets:count` of each batch, with `P` where it has a producer and `!` where it has a time for its
/// tombstones, then the records.
fn text_of(log: &[u8]) -> String {
    let batches = headers(log).into_iter().map(|header| {
        let producer = if header.has_producer() { "P" } else { "" };
        let horizon = if header.attributes.has_delete_horizon() { "!" } else { "" };
        format!("{producer}{horizon}{}-{}:{}", header.base_offset, header.last_offset(), header.records_count)
    });
    let text =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let records = seen(log).into_iter().map(|record| {
        assert_eq!((record.timestamp, record.headers), (1000 + record.offset, 1), "{record:?}");
        let key = text(&record.key).unwrap_or("-".to_owned());
        match text(&record.value) {
            Some(value) => format!("{}/{key}={value}", record.offset),
            None => format!("{}/{key}", record.offset),
        }
    });
    let (batches, records): (Vec<String>, Vec<String>) = (batches.collect(), records.collect());
    format!("{} {}", batches.join(" "), records.join(" "))
}

#[test]
fn the_last_record_of_each_key_stays_where_it_is() {
    // The log, the first dirty offset, keys at most; what is left.
    let cases = [
        ("a=1 b=1 | a=2 c=1 | d=1", 0, 9, "0-1:1 2-3:2 4-4:1 1/b=1 2/a=2 3/c=1 4/d=1"),
        ("a=1 | b=1 | a=2 | b=2", 0, 9, "0-1:0 2-2:1 3-3:1 2/a=2 3/b=2"),
        // Epochs keep their places.
        ("a=1 | b=1 | ea=2 | eb=2", 0, 9, "0-1:0 2-2:1 3-3:1 2/a=2 3/b=2"),
        ("a=1 | eb=1 | ea=2 b=2", 0, 9, "0-0:0 1-1:0 2-3:2 2/a=2 3/b=2"),
        // Only what is dirty takes the place of others.
        ("a=1 | a=2 | b=1 | b=2", 2, 9, "0-0:1 1-1:1 2-2:0 3-3:1 0/a=1 1/a=2 3/b=2"),
        ("a=1 | b=1 | a=2", 2, 9, "0-0:0 1-1:1 2-2:1 1/b=1 2/a=2"),
        // Behind what the keys were learnt from nothing is touched.
        ("a=1 b=1 | a=2 c=1 | a=3 | a=4", 0, 3, "0-1:1 2-3:2 4-4:1 5-5:1 1/b=1 2/a=2 3/c=1 4/a=3 5/a=4"),
        // What has no key has no place in such a log.
        ("-=1 a=1 | -=2", 0, 9, "0-1:1 2-2:0 1/a=1"),
        // The last batch of a producer stays, empty.
        ("Pa=1 | Pa=2 | a=3", 0, 9, "0-0:0 P1-1:0 2-2:1 2/a=3"),
        ("Pa=1 b=1 | a=3", 0, 9, "P0-1:1 2-2:1 1/b=1 2/a=3"),
        // Tombstones are given the time of their end.
        ("a=1 | a", 0, 9, "0-0:0 !1-1:1 1/a"),
        ("a=1 b=1 c=1 | a b=2", 0, 9, "0-2:1 !3-4:2 2/c=1 3/a 4/b=2"),
    ];
    let producers = BTreeMap::from([(ProducerId(7), Offset(1))]);
    for (log, start, keys_max, expected) in cases {
        let pass = Pass { start, keys_max, producers: &producers, now: 5000 };
        let log_bytes = log_of(log);
        let (out, output) = pass.over(&log_bytes);
        assert_eq!(text_of(&out), expected, "{log}");
        // A second time nothing happens, and nothing is called a change.
        let (again, _) = pass.over(&out);
        assert_eq!(text_of(&again), expected, "{log} again");
        let largest = seen(&out).iter().map(|record| record.timestamp).max();
        assert!(largest.is_none_or(|largest| output.max_timestamp().0 >= largest), "{log}");
    }
}

#[test]
fn tombstones_stay_for_their_time_and_then_go() {
    let nobody = BTreeMap::new();
    let pass = |now| Pass { start: 0, keys_max: 9, producers: &nobody, now };
    let (first, _) = pass(5000).over(&log_of("a=1 | a | b=1 c"));
    assert_eq!(text_of(&first), "0-0:0 !1-1:1 !2-3:2 1/a 2/b=1 3/c");
    let horizons: Vec<i64> = headers(&first).iter().map(|header| header.base_timestamp.0).collect();
    assert_eq!(horizons, [-1, 5100, 5100]);
    let (before, _) = pass(5099).over(&first);
    assert_eq!(before, first);
    let (after, output) = pass(5100).over(&first);
    assert_eq!(text_of(&after), "0-1:0 !2-3:1 2/b=1");
    assert_eq!(output.totals().records_dropped, 2);
}

#[test]
fn a_producers_empty_batch_tells_its_sequences_until_it_is_not_the_last() {
    let log = log_of("Pa=1 b=1 | a=2 b=2");
    let last = |offset| BTreeMap::from([(ProducerId(7), Offset(offset))]);
    let producers = last(1);
    let pass = Pass { start: 0, keys_max: 9, producers: &producers, now: 0 };
    let (out, _) = pass.over(&log);
    let kept = headers(&out)[0];
    assert_eq!((kept.records_count, kept.base_sequence, kept.last_sequence()), (0, Sequence(0), Sequence(1)));
    assert_eq!((kept.producer_id, kept.producer_epoch), (ProducerId(7), ProducerEpoch(1)));
    let producers = last(9);
    let (out, _) = Pass { producers: &producers, ..pass }.over(&out);
    assert_eq!(text_of(&out), "0-1:0 2-3:2 2/a=2 3/b=2");
}

/// A log of batches in every codec, of few keys.
fn any_log(choices: &mut Choices) -> Vec<u8> {
    let (mut log, mut offset, mut epoch) = (Vec::new(), 0, 0);
    let mut sequences = [0; 2];
    for _ in 0..1 + choices.below(20) {
        epoch += i32::from(choices.one_in(5));
        let mut builder = BatchBuilder::new(choices.pick(&Codec::ALL))
            .base_offset(Offset(offset))
            .leader_epoch(LeaderEpoch(epoch));
        let producer = choices.below(3);
        let count = 1 + choices.below(6);
        if let Some(sequence) = sequences.get_mut(producer as usize) {
            builder = builder.producer(ProducerId(producer as i64), ProducerEpoch(0), Sequence(*sequence));
            *sequence += count as i32;
        }
        for _ in 0..count {
            let key = [b'a' + choices.below(8) as u8];
            let value = choices.bytes(30);
            builder.push(BatchRecord {
                timestamp: TimestampMs(choices.below(1000) as i64),
                key: Some(&key),
                value: (!choices.one_in(4)).then_some(&value),
                headers: &[],
            });
            offset += 1;
        }
        log.extend(builder.build());
    }
    log
}

/// The last record of each key, tombstones included.
fn last_of_keys(records: &[Seen]) -> BTreeMap<Vec<u8>, Seen> {
    records.iter().map(|record| (record.key.clone().unwrap(), record.clone())).collect()
}

#[test]
fn any_log_keeps_its_last_values_offsets_and_order() {
    let mut choices = Choices::new(11);
    for round in 0..400 {
        let mut log = any_log(&mut choices);
        let last = last_of_keys(&seen(&log));
        let all = seen(&log);
        let end = headers(&log).last().unwrap().next_offset();
        let producers: BTreeMap<ProducerId, Offset> = headers(&log)
            .iter()
            .filter(|header| header.has_producer())
            .map(|header| (header.producer_id, header.last_offset()))
            .collect();
        let (mut start, mut now) = (0, 10_000);
        while start < end.0 {
            let pass = Pass { start, keys_max: 1 + choices.below(9) as usize, producers: &producers, now };
            let learnt = pass.keys(&log).latest().unwrap();
            let (out, _) = pass.over(&log);
            let left = seen(&out);
            // Nothing is new or elsewhere, and nothing above what was learnt is gone.
            assert!(left.iter().all(|record| all.contains(record)), "round {round}");
            let above = |records: &[Seen]| {
                records.iter().filter(|record| record.offset > learnt.0).cloned().collect::<Vec<_>>()
            };
            assert_eq!(above(&left), above(&seen(&log)), "round {round}");
            // Offsets go on, epochs and sequences are what they were.
            let mut due = Offset(0);
            for header in headers(&out) {
                assert_eq!(header.base_offset, due, "round {round}");
                due = header.next_offset();
            }
            assert_eq!(due, end, "round {round}");
            let of_producer = |log: &[u8], id: i64| {
                let all = headers(log).into_iter().rev();
                let mut own = all.filter(|header| header.producer_id == ProducerId(id));
                own.next().map(|header| (header.base_sequence, header.last_sequence()))
            };
            assert!((0..2).all(|id| of_producer(&out, id) == of_producer(&log, id)), "round {round}");
            (start, log) = (learnt.0 + 1, out);
            now += choices.below(150) as i64;
        }
        let left = last_of_keys(&seen(&log));
        assert_eq!(seen(&log).len(), left.len(), "round {round}: one record of each key");
        for (key, record) in &last {
            match left.get(key) {
                Some(kept) => assert_eq!(kept, record, "round {round}"),
                None => assert!(record.value.is_none(), "round {round}: {record:?} is gone"),
            }
        }
        // Once their time is over no tombstone is left.
        let over = Pass { start: 0, keys_max: 9, producers: &producers, now: now + DELETE_RETENTION_MS };
        let (out, _) = over.over(&over.over(&log).0);
        let late = Pass { now: over.now + DELETE_RETENTION_MS, ..over };
        let (out, _) = late.over(&out);
        assert!(seen(&out).iter().all(|record| record.value.is_some()), "round {round}");
    }
}
