//! One partition on the shard that owns it: its log's ends, segments, producers, epochs and waiting readers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::config::TopicConfig;
use millrace_core::base::ids::{LeaderEpoch, Offset, PartitionKey, Position, TimestampMs};
use millrace_core::journal::FrameSequence;
use millrace_core::log::segments::SegmentAge;
use millrace_core::log::{BatchHeader, EpochLineage, ProducerWindows};
use millrace_rt::Moment;

use crate::api::FetchError;
use crate::partition::delayed_fetch::DelayedFetches;
use crate::partition::segment::{Segment, Stage};

/// A partition as the shard's tasks share it. No borrow is held across an await.
pub(crate) type PartitionRef = Rc<RefCell<Partition>>;

/// Lives on one shard. `log_start <= high_watermark <= log_end`; the last segment is the active one; every
/// byte that is not released in its segment is in a frame that `marks` names.
pub(crate) struct Partition {
    pub(crate) key: PartitionKey,
    pub(crate) topic: Arc<str>,
    pub(crate) config: Arc<TopicConfig>,
    pub(crate) ends: LogEnds,
    pub(crate) segments: Vec<Segment>,
    pub(crate) history: LogHistory,
    pub(crate) marks: VecDeque<Mark>,
    pub(crate) delayed_fetches: DelayedFetches,
    pub(crate) directory: PartitionDirectory,
    pub(crate) lines: Lines,
    pub(crate) life: Life,
    pub(crate) traffic: Traffic,
}

/// Where a log begins and ends. `log_start_offset <= high_watermark <= log_end_offset`, and no start that is
/// sealed lies before the one that readers see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogEnds {
    pub(crate) log_start_offset: Offset,
    /// The newest start in the journal; readers see it once its frame is hard.
    pub(crate) sealed_start: SealedStart,
    /// Readers see what lies below.
    pub(crate) high_watermark: Offset,
    /// Where the high watermark lies in the log's bytes.
    pub(crate) visible: LogPosition,
    /// The next offset to be given.
    pub(crate) log_end_offset: Offset,
}

impl LogEnds {
    pub(crate) fn check(&self) {
        assert!(
            self.log_start_offset <= self.high_watermark && self.high_watermark <= self.log_end_offset,
            "log start offset {} <= high watermark {} <= log end offset {}",
            self.log_start_offset,
            self.high_watermark,
            self.log_end_offset
        );
        assert!(self.log_start_offset <= self.sealed_start.offset, "readers see no start that is not sealed");
        assert!(
            self.sealed_start.first_segment <= self.sealed_start.offset,
            "the first segment holds the start"
        );
    }

    /// Of a log without a record.
    fn empty() -> LogEnds {
        LogEnds {
            log_start_offset: Offset::ZERO,
            sealed_start: SealedStart::hard(Offset::ZERO, Offset::ZERO),
            high_watermark: Offset::ZERO,
            visible: LogPosition { segment: Offset::ZERO, position: 0 },
            log_end_offset: Offset::ZERO,
        }
    }
}

/// What a log remembers of those who led it and of those who wrote to it.
pub(crate) struct LogHistory {
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) epochs: EpochLineage,
    pub(crate) producers: ProducerWindows,
}

/// The directory of a partition, and what it says besides its segments.
pub(crate) struct PartitionDirectory {
    pub(crate) state: Directory,
    /// The partition had no record when a run ended cleanly, and no topic of its name was ever deleted: what
    /// lies under its name is not its own.
    pub(crate) owns_no_files: bool,
    /// The start of the log that a file's name says.
    pub(crate) noted_start: Offset,
    pub(crate) compacted: CompactedLog,
}

/// One segment at the time when it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SegmentAt {
    pub(crate) base: Offset,
    /// Where it has another one now, its bytes are others.
    pub(crate) number: u64,
}

/// Whether a partition takes appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Serving,
    /// Its last block is being read back; appends wait for it.
    Resuming,
    /// The end of the log could not be read back: one append is refused, the one after it tries again.
    Unreadable,
    /// The topic was deleted; appends and reads are refused, for ever.
    Removed,
}

/// Whether a partition has a directory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directory {
    /// What is there under its name a crash has left, and the journal has it.
    Missing,
    /// One task makes it.
    Coming,
    /// This run made it, or an earlier one.
    There,
}

/// Where a partition is listed, once each: in the queues of appends and of flushes,
/// in lines of `TailMemory`, and in `Unreleased`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lines {
    /// Bytes of its appends in the queue of the commit path.
    pub(crate) queued_bytes: usize,
    /// Its appends go to its segment first (`extent_choice`).
    pub(crate) writes_extents: bool,
    pub(crate) flush_queued: bool,
    pub(crate) dirty: bool,
    pub(crate) parked: bool,
    /// Also known to `Unreleased`.
    pub(crate) unreleased: bool,
}

/// What producers brought since the shard opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) bytes_in: u64,
    pub(crate) messages_in: u64,
}

/// A byte of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPosition {
    pub(crate) segment: Offset,
    pub(crate) position: u64,
}

/// Where a log begins by the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedStart {
    pub(crate) offset: Offset,
    /// Replay takes out the segments before this one;
    /// those that begin at or before `offset` by a later roll stay.
    pub(crate) first_segment: Offset,
    pub(crate) frame: FrameSequence,
}

impl SealedStart {
    /// One that needs no frame of this run.
    pub(crate) fn hard(offset: Offset, first_segment: Offset) -> SealedStart {
        SealedStart { offset, first_segment, frame: FrameSequence::NONE }
    }
}

/// The bytes of the log up to `end` that no earlier mark covers lie in this frame of the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) frame: FrameSequence,
    pub(crate) end: LogPosition,
}

/// What compaction knows of one log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CompactedLog {
    /// Below, it was compacted; none until the directory was asked.
    pub(crate) to: Option<Offset>,
    /// It holds a damaged batch; the next start tries again.
    pub(crate) is_damaged: bool,
    /// Not before: what it was given up for may be over by then.
    pub(crate) again: Option<Moment>,
}

impl Partition {
    /// A partition without a record.
    pub(crate) fn empty(
        key: PartitionKey,
        topic: Arc<str>,
        config: Arc<TopicConfig>,
        epoch: LeaderEpoch,
    ) -> Partition {
        Partition {
            key,
            topic,
            config,
            ends: LogEnds::empty(),
            segments: vec![Segment::new(Offset::ZERO)],
            history: LogHistory {
                leader_epoch: epoch,
                epochs: EpochLineage::default(),
                producers: ProducerWindows::default(),
            },
            marks: VecDeque::new(),
            delayed_fetches: DelayedFetches::default(),
            directory: PartitionDirectory {
                state: Directory::Missing,
                owns_no_files: false,
                noted_start: Offset::ZERO,
                compacted: CompactedLog::default(),
            },
            lines: Lines::default(),
            life: Life::Serving,
            traffic: Traffic::default(),
        }
    }

    /// In constant time, at each transition: the ends of the log, and its active segment.
    pub(crate) fn check(&self) {
        self.ends.check();
        let active = self.active();
        active.check();
        assert!(active.base <= self.ends.log_end_offset, "the active segment begins within the log");
        assert_eq!(active.stage, Stage::Active, "the last segment takes the appends");
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.life == Life::Removed
    }

    /// Its topic was deleted.
    pub(crate) fn remove(&mut self) {
        self.life = Life::Removed;
    }

    /// Whether its last block is to be read back now: it is needed, and nobody is at it or has just failed.
    pub(crate) fn begin_resuming(&mut self) -> bool {
        let begins = self.life == Life::Serving && self.active().needs_last_block();
        if begins {
            self.life = Life::Resuming;
        }
        begins
    }

    /// The last block was read back, or could not be.
    pub(crate) fn resumed<E>(&mut self, result: &Result<(), E>) {
        if self.life == Life::Resuming {
            self.life = if result.is_ok() { Life::Serving } else { Life::Unreadable };
        }
    }

    /// Whether an append is to be refused because the end of the log could not be read back;
    /// true once for each try.
    pub(crate) fn take_unreadable(&mut self) -> bool {
        let was_unreadable = self.life == Life::Unreadable;
        if was_unreadable {
            self.life = Life::Serving;
        }
        was_unreadable
    }

    pub(crate) fn active(&self) -> &Segment {
        // A partition is made with a segment and only a roll adds one: the list is never empty.
        &self.segments[self.segments.len() - 1]
    }

    pub(crate) fn active_mut(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    /// Bytes of all segments, in files or not yet.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::length).sum()
    }

    pub(crate) fn end(&self) -> LogPosition {
        LogPosition { segment: self.active().base, position: self.active().length() }
    }

    pub(crate) fn segment_mut(&mut self, base: Offset) -> Option<&mut Segment> {
        let place = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        self.segments.get_mut(place)
    }

    /// The segment that begins with `base`, as it is now.
    pub(crate) fn segment_at(&self, base: Offset) -> SegmentAt {
        let place = self.segments.binary_search_by_key(&base, |segment| segment.base).ok();
        let segment = place.and_then(|place| self.segments.get(place));
        SegmentAt { base, number: segment.map_or(0, |segment| segment.number) }
    }

    /// Whether a segment still has the bytes that it had.
    pub(crate) fn check_segment(&self, at: SegmentAt) -> Result<(), FetchError> {
        let segment = self.segment_holding(at.base).and_then(|place| self.segments.get(place));
        match segment {
            Some(segment) if segment.base == at.base && segment.number == at.number => Ok(()),
            Some(_) => Err(FetchError::Compacted),
            None => Err(FetchError::OffsetOutOfRange),
        }
    }

    /// The place in `segments` of the one that holds `offset`.
    pub(crate) fn segment_holding(&self, offset: Offset) -> Option<usize> {
        self.segments.partition_point(|segment| segment.base <= offset).checked_sub(1)
    }

    /// Ends the active segment; the next append goes to a new one that begins at the log's end.
    pub(crate) fn roll(&mut self) {
        self.active_mut().stage = Stage::Rolled;
        let base = self.ends.log_end_offset;
        self.segments.push(Segment::new(base));
        self.check();
    }

    /// Moves the high watermark up and wakes readers that have waited for as much.
    pub(crate) fn advance_high_watermark(&mut self, offset: Offset, visible: LogPosition) {
        if offset <= self.ends.high_watermark {
            return;
        }
        let bytes = self.bytes_between(self.ends.visible, visible);
        self.ends.high_watermark = offset;
        self.ends.visible = visible;
        self.ends.check();
        self.delayed_fetches.count(bytes);
    }

    /// The log's last batch, which begins at `position` of the active segment, is this one.
    pub(crate) fn note_appended(&mut self, appended: &BatchHeader, position: Position, now: TimestampMs) {
        let active = self.active_mut();
        if active.index.covered() == position.0 {
            active.index.note(appended);
        }
        active.max_timestamp = active.max_timestamp.max(appended.max_timestamp);
        active.age.get_or_insert(SegmentAge { created: now, first_timestamp: appended.max_timestamp });
        let epoch = self.history.leader_epoch;
        self.history.epochs.assign(epoch, appended.base_offset);
        self.ends.log_end_offset = appended.next_offset();
    }

    /// Whether a reader's leader epoch is this partition's.
    pub(crate) fn check_epoch(&self, asked: Option<LeaderEpoch>) -> Result<(), FetchError> {
        match asked {
            Some(epoch) if epoch < self.history.leader_epoch => Err(FetchError::FencedLeaderEpoch),
            Some(epoch) if epoch > self.history.leader_epoch => Err(FetchError::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// The journal holds all bytes up to the log's end in `frame` or an earlier one.
    pub(crate) fn mark(&mut self, frame: FrameSequence) {
        let end = self.end();
        match self.marks.back_mut() {
            Some(mark) if mark.frame == frame => mark.end = end,
            _ => self.marks.push_back(Mark { frame, end }),
        }
    }

    /// Forgets marks whose bytes are released; the journal no longer needs to keep them.
    pub(crate) fn forget_released_marks(&mut self) {
        while let Some(mark) = self.marks.front() {
            let released = match self.segments.binary_search_by_key(&mark.end.segment, |segment| segment.base)
            {
                Ok(place) => self.segments[place].file.released >= mark.end.position,
                Err(_) => true,
            };
            if !released {
                return;
            }
            self.marks.pop_front();
        }
    }

    /// Whether as much waits as is worth a write, or a rolled segment has to be finished.
    pub(crate) fn wants_flush(&self, flush_bytes: u64) -> bool {
        self.active().unwritten_blocks() >= flush_bytes || self.next_rolled().is_some()
    }

    pub(crate) fn next_rolled(&self) -> Option<Offset> {
        // Rolled segments stand right before the active one.
        let rolled =
            self.segments.iter().rev().skip(1).take_while(|segment| segment.stage != Stage::Finished);
        rolled.last().map(|segment| segment.base)
    }

    fn bytes_between(&self, from: LogPosition, to: LogPosition) -> usize {
        let bytes: u64 = self
            .segments
            .iter()
            .filter(|segment| segment.base >= from.segment && segment.base <= to.segment)
            .map(|segment| {
                let start = if segment.base == from.segment { from.position } else { 0 };
                let end = if segment.base == to.segment { to.position } else { segment.length() };
                end.saturating_sub(start)
            })
            .sum();
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}
