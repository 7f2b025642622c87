//! Appends of much data to one partition: written once, named by the journal, whole behind crashes.

use bytes::Bytes;
use millrace_core::base::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::{BatchBuilder, BatchHeader, BatchRecord, Codec, ProducerFault};
use millrace_shard::{AppendError, AppendPartition, Appended, Shard};

use crate::bench::{Cost, append, batch, before_and_after_a_crash, fetch, fetch_records, key, on_a_shard};

const RECORDS: usize = 600;
const RECORD_BYTES: usize = 1024;

/// Counts extents, their bytes, and the journal's bytes so far.
async fn written(shard: &Shard) -> (u64, u64, u64) {
    let stats = shard.stats().await;
    (stats.extents, stats.extent_bytes, stats.journal.written_bytes)
}

#[test]
fn a_large_append_is_copied_and_written_once() {
    on_a_shard(async |shard| {
        append(&shard, 0, batch(Codec::None, 1, 3000)).await;
        let (_, _, journal_before) = written(&shard).await;
        let records = batch(Codec::None, RECORDS, RECORD_BYTES);
        let bytes = records.len() as u64;
        let ((), cost) = Cost::of(append(&shard, 0, records)).await;
        let (extents, extent_bytes, journal) = written(&shard).await;
        assert_eq!(extents, 1);
        assert!(extent_bytes.abs_diff(bytes) < 8192, "{extent_bytes} of {bytes}");
        assert!(journal - journal_before <= 8192, "the journal took {}", journal - journal_before);
        // Of the last block what is not whole goes to the ring, too.
        assert!(cost.copied_bytes <= bytes + 8192, "{} of {bytes} bytes were copied", cost.copied_bytes);
        assert!(cost.allocations < RECORDS as u64 / 2, "{} allocations", cost.allocations);
        let (_, read) = fetch(&shard, 0, Offset(1)).await;
        assert_eq!(read as u64, bytes);
    });
}

#[test]
fn small_and_large_appends_of_a_log_come_back_behind_a_crash() {
    const ROUNDS: usize = 5;
    before_and_after_a_crash(
        async |shard| {
            for round in 0..ROUNDS {
                append(&shard, 0, batch(Codec::None, RECORDS, RECORD_BYTES)).await;
                // Sometimes the last block is whole, sometimes the next extent begins in the middle of one.
                append(&shard, 0, batch(Codec::None, 1, 100 + 997 * round)).await;
            }
            assert_eq!(written(&shard).await.0, ROUNDS as u64);
        },
        async |shard| {
            let mut offset = 0;
            for round in 0..ROUNDS {
                for (records, bytes) in [(RECORDS, RECORD_BYTES), (1, 100 + 997 * round)] {
                    let sent = batch(Codec::None, records, bytes);
                    let stored = one_batch(&shard, offset).await;
                    // Behind the base offset and the epoch, which the broker sets.
                    assert_eq!(stored.slice(16..), sent.slice(16..), "the batch at {offset}");
                    offset += records as i64;
                }
            }
            // And the log goes on.
            append(&shard, 0, batch(Codec::None, RECORDS, RECORD_BYTES)).await;
        },
    );
}

/// The batch that begins at `offset`.
async fn one_batch(shard: &Shard, offset: i64) -> Bytes {
    let records = fetch_records(shard, 0, Offset(offset)).await;
    let whole = Bytes::from(records.concat());
    let size = BatchHeader::parse(&whole).unwrap().size();
    whole.slice(..size)
}

/// A large batch of producer 7 that begins at this sequence.
fn numbered(sequence: i32) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None);
    builder = builder.producer(ProducerId(7), ProducerEpoch(0), Sequence(sequence));
    for number in 0..RECORDS {
        let value = [number as u8; RECORD_BYTES];
        builder.push(BatchRecord::of_value(TimestampMs(1_700_000_000_000), &value));
    }
    builder.build().into()
}

#[test]
fn retries_and_gaps_are_seen_among_appends_that_wait_for_one_extent() {
    on_a_shard(async |shard| {
        let due = [0, RECORDS as i32, RECORDS as i32, 5 * RECORDS as i32, 2 * RECORDS as i32];
        let mut tickets = Vec::new();
        for sequence in due {
            let append = AppendPartition { key: key(0), records: numbered(sequence), produce_version: 9 };
            tickets.push(shard.admit_append(vec![append]).await);
        }
        let mut outcomes: Vec<Result<Appended, AppendError>> = Vec::new();
        for ticket in tickets {
            outcomes.extend(ticket.await);
        }
        let base = |number: usize| Offset((number * RECORDS) as i64);
        let offsets: Vec<Option<Offset>> =
            outcomes.iter().map(|outcome| outcome.as_ref().ok().map(|done| done.base_offset)).collect();
        assert_eq!(offsets, [Some(base(0)), Some(base(1)), Some(base(1)), None, Some(base(2))]);
        let is_gap = |outcome: &Result<Appended, AppendError>| {
            matches!(outcome, Err(AppendError::Producer(ProducerFault::OutOfOrder { .. })))
        };
        assert!(is_gap(&outcomes[3]), "{outcomes:?}");
        assert!(written(&shard).await.0 >= 2, "they are written as extents");
    });
}
