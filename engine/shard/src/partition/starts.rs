//! Where a partition's log begins, by the journal and for readers.

use std::path::{Path, PathBuf};

use millrace_core::base::ids::Offset;

use crate::directory::layout::log_start_file;
use crate::partition::segment::Segment;
use crate::partition::state::Partition;

/// Whether the active segment ends before the log's start moves to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActiveSegment {
    Stays,
    Rolls,
}

impl Partition {
    /// The base of the first segment that does not lie wholly below `start`; the active one never does.
    pub(crate) fn first_staying(&self, start: Offset) -> Offset {
        let below = self.segments.iter().skip(1).take_while(|next| next.base <= start).last();
        below.or(self.segments.first()).map_or(start, |segment| segment.base)
    }

    /// Whether the journal already says all that a start at `to` means.
    pub(crate) fn has_sealed(&self, to: Offset, active: ActiveSegment) -> bool {
        let sealed = self.ends.sealed_start;
        sealed.offset >= to && sealed.first_segment >= self.first_staying(to) && !self.rolls_at(to, active)
    }

    /// Whether the active segment ends, so that it can go: all of it lies below `to`.
    pub(crate) fn rolls_at(&self, to: Offset, active: ActiveSegment) -> bool {
        active == ActiveSegment::Rolls && to == self.ends.log_end_offset && self.active().length() > 0
    }

    /// Whether the journal says that this segment is no part of the log any more.
    pub(crate) fn is_going(&self, base: Offset) -> bool {
        base < self.ends.sealed_start.first_segment
    }

    pub(crate) fn writes_what_goes(&self) -> bool {
        self.segments.iter().any(|segment| segment.file.writing && self.is_going(segment.base))
    }

    /// Lets readers see a start whose frame is hard, and takes out what lies below. Every frame before the
    /// newest sealed start's may be hard or not: what that one takes out goes with it, not before.
    pub(crate) fn begin_at(&mut self, start: Offset, first_segment: Offset) -> Vec<Segment> {
        assert!(start <= self.ends.high_watermark, "only what readers could see is deleted");
        if start > self.ends.log_start_offset {
            self.ends.log_start_offset = start;
            self.history.epochs.truncate_from_start(start);
        }
        let gone = self.segments.partition_point(|segment| segment.base < first_segment);
        let gone = self.segments.drain(..gone).collect();
        self.forget_released_marks();
        self.check();
        gone
    }

    pub(crate) fn has_start_to_note(&self) -> bool {
        !self.is_removed() && self.ends.sealed_start.offset > self.directory.noted_start
    }

    /// A name that a start found; returns which file goes: the lower of two, and one behind where the log
    /// begins. That was made by a start that did not succeed, of what only the ring still held;
    /// the log goes on below it.
    pub(crate) fn found_noted_start(&mut self, dir: &Path, found: Offset) -> Option<PathBuf> {
        if found > self.ends.log_start_offset {
            return Some(log_start_file(dir, found));
        }
        let goes = found.min(self.directory.noted_start);
        self.directory.noted_start = found.max(self.directory.noted_start);
        (goes > Offset::ZERO && goes < self.directory.noted_start).then(|| log_start_file(dir, goes))
    }
}
