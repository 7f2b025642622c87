//! One segment of a partition on its shard: which of its bytes are in memory, in the file, and hard.

use millrace_core::base::ids::{Offset, Position, TimestampMs};
use millrace_core::log::OffsetIndex;
use millrace_core::log::segments::SegmentAge;

use crate::device::open_files::FileSlot;
use crate::partition::tail::{Tail, block_floor};

/// Bytes `[0, length)` of consecutive batches. `released <= in_file <= length`; bytes from `written` on are
/// in memory, in the tail. Behind them may stand those of an extent: on their way to the file,
/// and not of the log until a frame says so.
pub(crate) struct Segment {
    pub(crate) base: Offset,
    /// Of the file that compaction wrote in the place of others; 0 for one that grew by appends.
    /// Another number means other bytes.
    pub(crate) number: u64,
    pub(crate) tail: Tail,
    /// Bytes at the tail's end that belong to an extent on its way.
    pub(crate) extent_bytes: u64,
    /// Of the whole segment, or of what this run appended until what lies before is asked for.
    pub(crate) index: OffsetIndex,
    /// What is known so far of what lies before `index`, while it is being learnt.
    pub(crate) older: Option<OffsetIndex>,
    /// Bytes that the index file tells of.
    pub(crate) index_stored: u64,
    pub(crate) file: SegmentFile,
    pub(crate) stage: Stage,
    /// Of all its records, by the checkpoint and what came since; `NONE` if none has a time.
    pub(crate) max_timestamp: TimestampMs,
    /// Known once it has a batch of this run; the roll by time counts from it.
    pub(crate) age: Option<SegmentAge>,
    /// `TailMemory` knows that its last chunk can shrink.
    pub(crate) shrink_queued: bool,
}

/// A segment's file, and which bytes it has.
pub(crate) struct SegmentFile {
    pub(crate) slot: FileSlot,
    pub(crate) state: FileState,
    /// Bytes that the file holds in whole blocks, or all of them once it is cut to its length.
    pub(crate) written: u64,
    /// Up to here the file holds bytes in a last block that is padded with zeros and will be written again.
    pub(crate) padded: u64,
    /// Bytes that survive a power loss in the file; the journal must keep the others.
    pub(crate) released: u64,
    /// Bytes that an earlier run wrote: this one has not checked them.
    pub(crate) inherited: u64,
    /// A write to the file is under way; one at a time keeps `written` meaningful.
    pub(crate) writing: bool,
}

impl SegmentFile {
    /// One that is not there yet.
    fn missing() -> SegmentFile {
        SegmentFile {
            slot: FileSlot::default(),
            state: FileState::Missing,
            written: 0,
            padded: 0,
            released: 0,
            inherited: 0,
            writing: false,
        }
    }
}

/// How far a segment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Takes appends.
    Active,
    /// Takes no more; its last block is still to be written and the file to be cut.
    Rolled,
    /// Whole in its file, which has its exact length.
    Finished,
}

/// What is certain of a segment's file; each state has what those before it have. It never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileState {
    Missing,
    /// It was made, by this run or an earlier one.
    Made,
    /// That there is a file survives a power loss.
    Linked,
    /// That it ends where the segment ends survives a power loss;
    /// only then may a checkpoint rely on its length.
    Exact,
}

impl Segment {
    /// A segment that begins here and now.
    pub(crate) fn new(base: Offset) -> Segment {
        Segment {
            base,
            number: 0,
            tail: Tail::default(),
            extent_bytes: 0,
            index: OffsetIndex::new(base),
            older: None,
            index_stored: 0,
            file: SegmentFile::missing(),
            stage: Stage::Active,
            max_timestamp: TimestampMs::NONE,
            age: None,
            shrink_queued: false,
        }
    }

    /// A segment of an earlier run whose bytes `[0, length)` are hard in its file.
    pub(crate) fn on_disk(base: Offset, length: u64, stage: Stage) -> Segment {
        Segment {
            tail: Tail::ending_at(length),
            file: SegmentFile {
                written: length,
                released: length,
                inherited: length,
                state: if stage == Stage::Finished { FileState::Exact } else { FileState::Linked },
                ..SegmentFile::missing()
            },
            stage,
            ..Segment::new(base)
        }
    }

    /// What always holds, between two turns of tasks.
    pub(crate) fn check(&self) {
        let file = &self.file;
        assert!(
            file.released <= self.in_file() && self.in_file() <= self.length(),
            "segment {}: released {} <= in file {} <= length {}",
            self.base,
            file.released,
            self.in_file(),
            self.length()
        );
        assert!(
            self.stage != Stage::Finished || file.written == self.length(),
            "a finished segment is in its file"
        );
        assert!(file.released == 0 || self.has_file(), "bytes are hard in a file that is there");
    }

    pub(crate) fn has_file(&self) -> bool {
        self.file.state >= FileState::Made
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.file.state >= FileState::Linked
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.file.state == FileState::Exact
    }

    /// This much is certain of the file now, or more.
    pub(crate) fn file_is(&mut self, state: FileState) {
        self.file.state = self.file.state.max(state);
    }

    pub(crate) fn length(&self) -> u64 {
        self.tail.end() - self.extent_bytes
    }

    /// Whether the partial last block must be read back from the file before more can be appended.
    pub(crate) fn needs_last_block(&self) -> bool {
        self.stage == Stage::Active && self.tail.start() != block_floor(self.tail.start())
    }

    /// Whole blocks that are in memory only.
    pub(crate) fn unwritten_blocks(&self) -> u64 {
        block_floor(self.length()).saturating_sub(self.file.written)
    }

    /// Leaves what it holds now to be learnt from its files when it is asked for;
    /// `end` is the offset behind it.
    pub(crate) fn forget_index(&mut self, end: Offset) {
        self.index = OffsetIndex::resuming(self.base, Position(self.length()), end);
        self.older = None;
    }

    /// Whether nothing would be lost with its memory, the partial last block among it:
    /// the file has that padded.
    pub(crate) fn is_parked(&self) -> bool {
        let length = self.length();
        self.stage == Stage::Active
            && !self.tail.is_empty()
            && self.extent_bytes == 0
            && self.file.padded == length
            && length != block_floor(length)
    }

    /// Bytes `[0, in_file)` are in the file: the written blocks, and perhaps the last one padded.
    pub(crate) fn in_file(&self) -> u64 {
        self.file.written.max(self.file.padded)
    }

    /// Its largest timestamp, or else, as Kafka goes by the file's last change,
    /// a moment that is surely not before that.
    pub(crate) fn latest_time(
        &self,
        next: Option<&Segment>,
        now: TimestampMs,
        opened: TimestampMs,
    ) -> TimestampMs {
        match next {
            _ if self.max_timestamp.0 >= 0 => self.max_timestamp,
            Some(next) => next.age.map_or(opened, |age| age.created),
            // Appended to in this run, with records that bear no time.
            None if self.age.is_some() => now,
            None => opened,
        }
    }
}
