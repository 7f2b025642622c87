//! The batches of a compacted segment, in order, as they are to be written.
//!
//! Where batches are gone one without records stands for them, of 61 bytes for all that follow one another
//! under one leader epoch: so the offsets of a log's batches go on without a gap, compacted or not, and a
//! batch that is missing is always a damage. Kafka leaves gaps there,
//! and batches like this one only for producers.

use super::rewrite::{Outcome, filler, is_filler};
use crate::base::{LeaderEpoch, Offset, TimestampMs};
use crate::log::batches::batch::{Batch, BatchHeader};

/// What a compaction has done to the segments it took in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionTotals {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub records_in: u64,
    pub records_dropped: u64,
    /// Whether what comes out differs from what went in.
    pub is_changed: bool,
}

/// A batch to be written, whole.
#[derive(Debug)]
pub struct CleanedBatch<'a> {
    pub header: BatchHeader,
    pub bytes: &'a [u8],
}

/// Puts together what segments become. Driven by whoever reads them, batch by batch;
/// what it gives is written in that order.
#[derive(Debug)]
pub struct CompactedOutput {
    next: Offset,
    gone: Option<Gone>,
    totals: CompactionTotals,
    max_timestamp: TimestampMs,
}

/// Batches that follow one another and are gone.
#[derive(Debug, Clone, Copy)]
struct Gone {
    from: Offset,
    to: Offset,
    like: BatchHeader,
}

impl Gone {
    fn goes_on_with(&self, epoch: LeaderEpoch) -> bool {
        self.like.leader_epoch == epoch
    }
}

impl CompactedOutput {
    /// Of a segment that begins with `base`.
    pub fn new(base: Offset) -> CompactedOutput {
        CompactedOutput {
            next: base,
            gone: None,
            totals: CompactionTotals::default(),
            max_timestamp: TimestampMs::NONE,
        }
    }

    /// The offset behind what was taken so far.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// Of all records that stay.
    pub fn max_timestamp(&self) -> TimestampMs {
        self.max_timestamp
    }

    pub fn totals(&self) -> CompactionTotals {
        self.totals
    }

    /// The next batch and what becomes of it; `write` gets what is to be written.
    /// The batch follows the one before.
    pub fn take(&mut self, batch: &Batch<'_>, outcome: &Outcome, mut write: impl FnMut(CleanedBatch<'_>)) {
        let header = batch.header;
        assert_eq!(header.base_offset, self.next, "batches follow one another");
        self.next = header.next_offset();
        self.totals.bytes_in += batch.bytes.len() as u64;
        self.totals.records_in += u64::try_from(header.records_count).unwrap_or(0);
        match outcome {
            Outcome::Kept => {
                self.fill(&mut write);
                self.put(CleanedBatch { header, bytes: batch.bytes }, &mut write);
            }
            Outcome::Rewritten { bytes, dropped } => {
                self.fill(&mut write);
                self.totals.is_changed = true;
                self.totals.records_dropped += dropped;
                let parsed = BatchHeader::parse(bytes);
                assert!(parsed.is_ok(), "a rewritten batch has a header");
                self.put(CleanedBatch { header: parsed.unwrap_or(header), bytes }, &mut write);
            }
            Outcome::Dropped { dropped } => {
                self.totals.records_dropped += dropped;
                self.drop_batch(header, &mut write);
            }
        }
    }

    /// There are no more batches.
    pub fn finish(&mut self, mut write: impl FnMut(CleanedBatch<'_>)) {
        self.fill(&mut write);
    }

    fn drop_batch(&mut self, header: BatchHeader, write: &mut impl FnMut(CleanedBatch<'_>)) {
        if self.gone.is_some_and(|gone| !gone.goes_on_with(header.leader_epoch)) {
            self.fill(write);
        }
        // One that stood alone in the place of others comes out as it went in.
        self.totals.is_changed |= self.gone.is_some() || !is_filler(&header);
        let (from, to) = (header.base_offset, header.next_offset());
        let from = self.gone.map_or(from, |gone| gone.from);
        self.gone = Some(Gone { from, to, like: header });
    }

    fn fill(&mut self, write: &mut impl FnMut(CleanedBatch<'_>)) {
        if let Some(gone) = self.gone.take() {
            let (header, bytes) = filler(gone.from, gone.to, &gone.like);
            self.put(CleanedBatch { header, bytes: &bytes }, write);
        }
    }

    fn put(&mut self, piece: CleanedBatch<'_>, write: &mut impl FnMut(CleanedBatch<'_>)) {
        self.totals.bytes_out += piece.bytes.len() as u64;
        if piece.header.records_count > 0 {
            self.max_timestamp = self.max_timestamp.max(piece.header.max_timestamp);
        }
        write(piece);
    }
}
