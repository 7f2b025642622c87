//! What a checkpoint would say of a log, learnt from its segments: for a start whose checkpoints are damaged.
//!
//! Driven by whoever reads the segments, oldest first: `begin`, each stretch of a scan, `end`. What is scanned is a segment
//! as file and journal together have it, so every batch is seen, also one that begins in the file and ends in a carry. The
//! frames that the journal still has are replayed over the result, as over a checkpoint.

use super::checkpoint::{PartitionCheckpoint, ProducerCheckpoint, SegmentFacts};
use crate::base::{LeaderEpoch, Offset, PartitionKey, Position, TimestampMs};
use crate::log::{BatchFault, EpochLineage, ProducerWindows, Scanned, StoredFault};

/// One log, as far as its segments tell.
#[derive(Debug)]
pub struct LogRebuild {
    key: PartitionKey,
    segments: Vec<SegmentFacts>,
    /// How many of `segments` a checkpoint names, and how many bytes of the last of them are in its file, once there is
    /// one that is not there whole or may be longer than it should.
    named: Option<(usize, Position)>,
    /// Of the segment that is being read: where the journal's bytes begin.
    journaled: Option<Position>,
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
    /// A batch that is not there whole.
    Unfinished,
    /// Bytes that are no batch, or a bad one.
    Bad(Position),
    /// And good ones behind those.
    Hole(Position),
}

impl LogRebuild {
    pub fn new(key: PartitionKey) -> LogRebuild {
        LogRebuild {
            key,
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

    /// The next segment, whose bytes from `journaled` on are the journal's; false if it does not follow the one before.
    pub fn begin(&mut self, base: Offset, journaled: Option<Position>) -> bool {
        if self.segments.is_empty() {
            self.next_offset = base;
        }
        if base != self.next_offset {
            return false;
        }
        self.segments.push(SegmentFacts { base: base.0, max_timestamp: TimestampMs::NONE.0, indexed: 0 });
        if let Some(from) = journaled {
            self.named.get_or_insert((self.segments.len(), from));
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
            Scanned::Batch { position, header, fault: None } => {
                self.epochs.assign(header.leader_epoch.max(LeaderEpoch(0)), header.base_offset);
                if header.has_producer() {
                    self.producers.record(header, header.base_offset, header.max_timestamp);
                }
                if let Some(segment) = self.segments.last_mut() {
                    segment.max_timestamp = segment.max_timestamp.max(header.max_timestamp.0);
                }
                self.next_offset = header.next_offset();
                self.end = Position(position.0 + header.size() as u64);
            }
            Scanned::Lost { fault: StoredFault::Batch(BatchFault::Incomplete { .. }), .. }
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

    /// The segment has no more bytes; `is_last` of the log's. Fails with the place of a damage: bytes that no frame holds
    /// were durable in the file, up to its end where another segment follows. Behind the last segment's last good batch may
    /// be what was written ahead of a frame, and lost with it: nobody was told of that.
    pub fn end(&mut self, is_last: bool) -> Result<(), Position> {
        let is_whole = !is_last || self.journaled.is_some();
        match self.behind {
            Behind::Nothing if self.journaled.is_some_and(|from| self.end < from) => return Err(self.end),
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

    /// What a checkpoint would say.
    pub fn finish(self) -> PartitionCheckpoint {
        let (named, position) = self.named.unwrap_or((self.segments.len(), self.end));
        PartitionCheckpoint {
            topic: self.key.topic.0,
            partition: self.key.partition.0,
            log_start: self.segments.first().map_or(0, |first| first.base),
            segments: self.segments.iter().take(named).map(|segment| segment.base).collect(),
            position: position.0,
            facts: self.segments,
            log_end: self.next_offset.0,
            high_watermark: self.next_offset.0,
            epochs: self.epochs.entries().iter().map(|entry| (entry.epoch.0, entry.start.0)).collect(),
            producers: self.producers.snapshot().iter().map(ProducerCheckpoint::from).collect(),
        }
    }
}
