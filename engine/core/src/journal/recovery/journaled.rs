//! What the frames of a journal hold of each log, for a start that has no checkpoint to replay them over.

use super::tails::{Piece, Tails};
use crate::base::{Offset, PartitionKey, Position};
use crate::journal::frames::entry::{CompactedSegment, Entry};
use crate::journal::frames::frame::Frame;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// One log, as far as frames tell.
///
/// Frames that follow one another hold every append since the first of them, so what they hold of a segment
/// is one run of bytes up to the segment's end; what lies before it was durable in the segment's file before
/// the first frame was.
#[derive(Debug, Default)]
pub struct JournaledLog {
    tails: Tails,
    /// Segments of which the frames tell.
    segments: BTreeSet<Offset>,
    compacted: BTreeMap<Offset, CompactedSegment>,
    log_start_offset: Offset,
}

/// The bytes of one segment that frames hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub from: Position,
    /// In order, without a gap.
    pub stretches: Vec<Stretch>,
}

/// A part of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stretch {
    Journaled(Bytes),
    /// So many bytes that went to the file before they were journaled.
    InFile(u64),
}

impl Stretch {
    /// In bytes.
    pub fn length(&self) -> u64 {
        match self {
            Stretch::Journaled(bytes) => bytes.len() as u64,
            Stretch::InFile(length) => *length,
        }
    }
}

impl Run {
    /// Where it lies in the segment.
    pub fn range(&self) -> Range<Position> {
        let end = self.stretches.iter().fold(self.from.0, |at, stretch| at.saturating_add(stretch.length()));
        self.from..Position(end)
    }
}

impl JournaledLog {
    /// Every log of which the frames tell.
    pub fn of_frames(frames: &[Frame]) -> BTreeMap<PartitionKey, JournaledLog> {
        let mut logs: BTreeMap<PartitionKey, JournaledLog> = BTreeMap::new();
        for entry in frames.iter().flat_map(|frame| &frame.entries) {
            match entry {
                Entry::Drop { key } => {
                    logs.remove(key);
                }
                _ => logs.entry(entry.key()).or_default().apply(entry),
            }
        }
        logs
    }

    /// Where the log begins, as far as frames tell.
    pub fn log_start_offset(&self) -> Offset {
        self.log_start_offset
    }

    /// Segments that took the place of others: their files may not have their names yet.
    pub fn compacted(&self) -> impl Iterator<Item = &CompactedSegment> {
        self.compacted.values()
    }

    /// The segments, in order, of a log that begins at `start`: `files`, and those of which frames hold
    /// bytes. Files behind the last of these were made for frames that are lost,
    /// and those before the log's start are on their way out.
    pub fn segments(&self, files: impl IntoIterator<Item = Offset>, start: Offset) -> Vec<Offset> {
        let journaled: BTreeSet<Offset> = self.tails.iter().map(|((segment, _), _)| segment).collect();
        let last = journaled.last().copied();
        let mut segments = journaled;
        segments.extend(files.into_iter().filter(|file| last.is_none_or(|last| *file <= last)));
        // One that was rolled may have neither bytes nor a file.
        let first = segments.union(&self.segments).take_while(|segment| **segment <= start).last().copied();
        segments.into_iter().filter(|segment| first.is_none_or(|first| *segment >= first)).collect()
    }

    /// What frames hold of a segment; of several runs the last one, since the file has what is between them.
    pub fn run(&self, segment: Offset) -> Option<Run> {
        let mut run: Option<(Run, Position)> = None;
        for ((of, position), piece) in self.tails.iter() {
            if of != segment {
                continue;
            }
            let stretch = match piece {
                Piece::Inline(bytes) => Stretch::Journaled(bytes.clone()),
                Piece::InFile(length) => Stretch::InFile(*length),
            };
            let mut longer = match run.take() {
                Some((run, end)) if end == position => run,
                _ => Run { from: position, stretches: Vec::new() },
            };
            longer.stretches.push(stretch);
            run = Some((longer, Position(position.0 + piece.len())));
        }
        run.map(|(run, _)| run)
    }

    fn apply(&mut self, entry: &Entry<Bytes>) {
        match entry {
            Entry::Append { span, payload } | Entry::Carry { span, payload } => {
                self.put(span.segment, span.position, Piece::Inline(payload.clone()));
            }
            Entry::Extent { span, length, header_bytes, payload } => {
                let end = payload.slice((*header_bytes as usize).min(payload.len())..);
                let behind = Position(span.position.0.saturating_add(*length));
                self.put(span.segment, span.position, Piece::InFile(*length));
                self.put(span.segment, behind, Piece::Inline(end));
            }
            Entry::Roll { segment, .. } => {
                self.segments.insert(*segment);
            }
            Entry::LogStart { offset, .. } => {
                self.log_start_offset = self.log_start_offset.max(*offset);
                if let Some(first) = self.segments.range(..=*offset).next_back() {
                    self.tails.cut_before((*first, Position::ZERO));
                }
            }
            Entry::Truncate { segment, position, .. } => self.tails.cut_from((*segment, *position)),
            Entry::Compact { new, .. } => {
                self.tails.cut_before((new.end, Position::ZERO));
                self.segments.retain(|base| *base == new.segment || !new.replaces(*base));
                self.compacted.retain(|base, _| !new.replaces(*base));
                self.compacted.insert(new.segment, *new);
            }
            Entry::Drop { .. } => {}
        }
    }

    /// A place that no segment has is the replay's to refuse.
    fn put(&mut self, segment: Offset, position: Position, piece: Piece) {
        self.segments.insert(segment);
        if position.0.checked_add(piece.len()).is_some() {
            self.tails.put((segment, position), piece);
        }
    }
}
