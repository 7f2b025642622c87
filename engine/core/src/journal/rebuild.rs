//! What a checkpoint would say of a log, learnt from its segment files: for a start whose checkpoints are damaged.
//!
//! Driven by whoever reads the files, oldest segment first: `begin`, each stretch of its scan, `end`. The frames that the
//! journal still has are replayed over the result, as over a checkpoint.

use super::checkpoint::{PartitionCheckpoint, ProducerCheckpoint, SegmentFacts};
use super::entry::Entry;
use super::frame::Frame;
use crate::base::{LeaderEpoch, Offset, PartitionKey, Position, TimestampMs};
use crate::log::{BatchFault, EpochLineage, ProducerWindows, Scanned, StoredFault};
use std::collections::BTreeMap;

/// Where the appends end that frames hold, by partition: what its files have behind that, nobody was told of.
pub fn journaled_ends(frames: &[Frame]) -> BTreeMap<PartitionKey, (Offset, Position)> {
    let mut ends = BTreeMap::new();
    for entry in frames.iter().flat_map(|frame| &frame.entries) {
        let (span, bytes) = match entry {
            Entry::Append { span, payload } | Entry::Carry { span, payload } => (span, payload.len() as u64),
            Entry::Extent { span, length, header_bytes, payload } => {
                (span, length.saturating_add(payload.len() as u64 - u64::from(*header_bytes)))
            }
            _ => continue,
        };
        let end = Position(span.position.0.saturating_add(bytes));
        ends.insert(span.key, (span.segment, end));
    }
    ends
}

/// One log, as far as its files tell.
#[derive(Debug)]
pub struct LogRebuild {
    key: PartitionKey,
    /// Where the log ends by the journal's frames, if they know it.
    journaled: Option<(Offset, Position)>,
    segments: Vec<SegmentFacts>,
    /// Where the last of `segments` ends, as far as it is whole.
    end: Position,
    next_offset: Offset,
    /// Of the segment that is being read: where its last good batch ends, and what came behind that.
    behind: Behind,
    /// No later segment is looked at: the journal has to tell what follows.
    stopped: bool,
    epochs: EpochLineage,
    producers: ProducerWindows,
}

/// What followed the last good batch of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// A batch that is not there whole: the journal has it.
    Unfinished,
    /// Bytes that are no batch, or a bad one.
    Bad(Position),
    /// And good ones behind those.
    Hole(Position),
}

impl LogRebuild {
    pub fn new(key: PartitionKey, journaled: Option<(Offset, Position)>) -> LogRebuild {
        LogRebuild {
            key,
            journaled,
            segments: Vec::new(),
            end: Position::ZERO,
            next_offset: Offset::ZERO,
            behind: Behind::Nothing,
            stopped: false,
            epochs: EpochLineage::new(),
            producers: ProducerWindows::new(),
        }
    }

    /// The next segment's file; false if it adds nothing, and none behind it.
    pub fn begin(&mut self, base: Offset) -> bool {
        if self.segments.is_empty() {
            self.next_offset = base;
        }
        let follows = base == self.next_offset;
        if self.stopped || !follows {
            self.stopped = true;
            return false;
        }
        self.segments.push(SegmentFacts { base: base.0, max_timestamp: TimestampMs::NONE.0, indexed: 0 });
        (self.end, self.behind) = (Position::ZERO, Behind::Nothing);
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
            // The rest of the last block, or room taken ahead.
            Scanned::Zeros { .. } => self.stopped = true,
        }
    }

    /// The segment has no more bytes; `is_last` of the log's files. Fails with the place of a damage where nothing says how
    /// the log went on. Where the journal goes on behind it, a power loss left holes of blocks that were not hard, and the
    /// journal has to fill them: the replay finds out.
    pub fn end(&mut self, is_last: bool) -> Result<(), Position> {
        let base = self.segments.last().map_or(0, |segment| segment.base);
        let goes_on = |at: Position| self.journaled.is_some_and(|end| end > (Offset(base), at));
        match self.behind {
            Behind::Hole(at) if !goes_on(at) => return Err(at),
            Behind::Bad(at) if !is_last && !goes_on(at) => return Err(at),
            Behind::Nothing => {}
            _ => self.stopped = true,
        }
        Ok(())
    }

    /// What a checkpoint would say.
    pub fn finish(self) -> PartitionCheckpoint {
        PartitionCheckpoint {
            topic: self.key.topic.0,
            partition: self.key.partition.0,
            log_start: self.segments.first().map_or(0, |first| first.base),
            segments: self.segments.iter().map(|segment| segment.base).collect(),
            position: self.end.0,
            facts: self.segments,
            log_end: self.next_offset.0,
            high_watermark: self.next_offset.0,
            epochs: self.epochs.entries().iter().map(|entry| (entry.epoch.0, entry.start.0)).collect(),
            producers: self.producers.snapshot().iter().map(ProducerCheckpoint::from).collect(),
        }
    }
}
