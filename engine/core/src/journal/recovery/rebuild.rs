//! What a checkpoint would say of a log, learnt from its segments: for a start whose checkpoints are damaged.
//!
//! Driven by whoever reads the segments, oldest first: `begin`, each stretch of a scan, `end`. What is
//! scanned is a segment as file and journal together have it, so every batch is seen, also one that begins in
//! the file and ends in a carry. The frames that the journal still has are replayed over the result,
//! as over a checkpoint.

use crate::base::{LeaderEpoch, Offset, PartitionKey, Position, TimestampMs};
use crate::journal::checkpoint::{PartitionCheckpoint, ProducerCheckpoint, SegmentFacts};
use crate::log::{BatchFault, EpochLineage, ProducerWindows, Scanned, StoredFault};
use std::ops::Range;

/// One log, as far as its segments tell.
#[derive(Debug)]
pub struct LogRebuild {
    key: PartitionKey,
    /// No batch was written under a later one.
    leader_epoch: LeaderEpoch,
    segments: Vec<SegmentFacts>,
    /// How many of `segments` a checkpoint names, and how many bytes of the last of them are in its file,
    /// once there is one that is not there whole or may be longer than it should.
    named: Option<(usize, Position)>,
    /// Of the segment that is being read: where the journal's bytes are.
    journaled: Option<Range<Position>>,
    /// Where its last good batch ends, and what came behind that.
    end: Position,
    behind: Behind,
    next_offset: Offset,
    epochs: EpochLineage,
    producers: ProducerWindows,
}

/// What followed the last good batch of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// The rest of the last block, or room taken ahead.
    Zeros,
    /// A batch that is not there whole, perhaps with others behind it:
    /// of writes that are under way together each may arrive alone.
    Unfinished,
    /// Bytes that are no batch, or a bad one.
    Bad(Position),
    /// What no torn write leaves: bad ones with good ones behind,
    /// or a batch whose leader epoch cannot be its own.
    Hole(Position),
}

impl LogRebuild {
    /// Of a partition whose leader epoch is, or was until this start, `leader_epoch`.
    pub fn new(key: PartitionKey, leader_epoch: LeaderEpoch) -> LogRebuild {
        LogRebuild {
            key,
            leader_epoch,
            segments: Vec::new(),
            named: None,
            journaled: None,
            end: Position::ZERO,
            behind: Behind::Nothing,
            next_offset: Offset::ZERO,
            epochs: EpochLineage::new(),
            producers: ProducerWindows::new(),
        }
    }

    /// The next segment, of which the journal tells these bytes, its last;
    /// false if it does not follow the one before.
    pub fn begin(&mut self, base: Offset, journaled: Option<Range<Position>>) -> bool {
        if self.segments.is_empty() {
            self.next_offset = base;
        }
        if base != self.next_offset {
            return false;
        }
        let (length, max_timestamp) = (0, TimestampMs::NONE.0);
        self.segments.push(SegmentFacts { base: base.0, length, max_timestamp, indexed: 0 });
        if let Some(journaled) = &journaled {
            self.named.get_or_insert((self.segments.len(), journaled.start));
        }
        (self.end, self.behind, self.journaled) = (Position::ZERO, Behind::Nothing, journaled);
        true
    }

    /// A stretch of the segment.
    pub fn take(&mut self, scanned: &Scanned) {
        match scanned {
            Scanned::Batch { fault: None, .. } if self.behind != Behind::Nothing => {
                if let Behind::Bad(at) = self.behind {
                    self.behind = Behind::Hole(at);
                }
            }
            Scanned::Batch { position, header, fault: None, .. } if !self.may_lead(header.leader_epoch) => {
                self.behind = Behind::Hole(*position);
            }
            Scanned::Batch { position, header, fault: None, .. } => {
                self.epochs.assign(header.leader_epoch, header.base_offset);
                if header.has_producer() {
                    self.producers.record(header, header.base_offset, header.max_timestamp);
                }
                self.next_offset = header.next_offset();
                self.end = Position(position.0 + header.size() as u64);
                if let Some(segment) = self.segments.last_mut() {
                    segment.max_timestamp = segment.max_timestamp.max(header.max_timestamp.0);
                    segment.length = self.end.0;
                }
            }
            Scanned::Lost { fault: StoredFault::Batch(BatchFault::Incomplete { .. }), .. }
            | Scanned::Lost { has_blank_sector: true, .. }
            | Scanned::Batch { has_blank_sector: true, .. }
                if self.behind == Behind::Nothing =>
            {
                self.behind = Behind::Unfinished;
            }
            Scanned::Batch { position, .. } | Scanned::Lost { position, .. } => {
                if self.behind == Behind::Nothing {
                    self.behind = Behind::Bad(*position);
                }
            }
            Scanned::Zeros { .. } if self.behind == Behind::Nothing => self.behind = Behind::Zeros,
            Scanned::Zeros { .. } => {}
        }
    }

    /// No checksum covers a batch's leader epoch. It never goes down along a log, and ends at the
    /// partition's; one that fits between those of its neighbours is believed.
    fn may_lead(&self, epoch: LeaderEpoch) -> bool {
        let before = self.epochs.latest().map_or(LeaderEpoch(0), |latest| latest.epoch);
        (before..=self.leader_epoch).contains(&epoch)
    }

    /// The segment has no more bytes; `is_last` of the log's. Fails with the place of a damage: bytes that no
    /// frame holds were durable in the file, up to its end where another segment follows. Behind the last
    /// segment's last good batch may be what was written ahead of a frame, and lost with it:
    /// nobody was told of that.
    pub fn end(&mut self, is_last: bool) -> Result<(), Position> {
        let is_whole = !is_last || self.journaled.is_some();
        match self.behind {
            // Also an extent whose file was cut between two batches.
            Behind::Nothing if self.journaled.as_ref().is_some_and(|run| self.end < run.end) => {
                return Err(self.end);
            }
            Behind::Nothing => {}
            Behind::Zeros if self.journaled.is_some() => return Err(self.end),
            Behind::Zeros => {
                self.named.get_or_insert((self.segments.len(), self.end));
            }
            Behind::Unfinished if is_whole => return Err(self.end),
            Behind::Bad(at) if is_whole => return Err(at),
            Behind::Hole(at) => return Err(at),
            Behind::Unfinished | Behind::Bad(_) => {}
        }
        Ok(())
    }

    /// What a checkpoint would say of a log that begins at `start`, or where its first segment does. A log
    /// that is known to have reached further than its segments do, all of them deleted,
    /// begins and ends there.
    pub fn finish(mut self, start: Offset) -> PartitionCheckpoint {
        if self.next_offset < start {
            self = LogRebuild { next_offset: start, ..LogRebuild::new(self.key, self.leader_epoch) };
        }
        let first = self.segments.first().map_or(start, |first| Offset(first.base));
        self.epochs.truncate_from_start(start);
        let (named, position) = self.named.unwrap_or((self.segments.len(), self.end));
        PartitionCheckpoint {
            topic: self.key.topic.0,
            partition: self.key.partition.0,
            log_start_offset: first.max(start).0,
            segments: self.segments.iter().take(named).map(|segment| segment.base).collect(),
            position: position.0,
            facts: self.segments,
            log_end_offset: self.next_offset.0,
            high_watermark: self.next_offset.0,
            epochs: self.epochs.entries().iter().map(|entry| (entry.epoch.0, entry.start.0)).collect(),
            producers: self.producers.snapshot().iter().map(ProducerCheckpoint::from).collect(),
        }
    }
}
