//! Replays the frames of a finished journal over its last checkpoint into partitions as they were at its end.
//!
//! Every frame from the checkpoint's `replay_from` on is replayed in order, also those the checkpoint already
//! reflects: each entry sets what it says, so that the last word on anything is the last frame's. In between
//! a partition may look odd (the checkpoint is ahead of the frames);
//! whether its bytes follow one another is judged at the end.

use super::observation::Observation;
use super::tails::{ExtentPiece, Piece, Place, TailPiece, Tails};
use crate::base::{LeaderEpoch, Offset, PartitionKey, Position};
use crate::journal::checkpoint::{PartitionCheckpoint, ProducerCheckpoint, SegmentFacts, ShardCheckpoint};
use crate::journal::frames::entry::{CompactedSegment, Entry, Span};
use crate::journal::frames::frame::{Frame, FrameSequence};
use bytes::Bytes;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why frames and checkpoint do not give whole logs. Each means damage that no crash explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReplayError {
    #[error("frame {found} follows where frame {expected} was due")]
    MissingFrame { expected: FrameSequence, found: FrameSequence },
    #[error("the checkpoint reflects frame {through}, but the journal ends at frame {last}")]
    JournalBehindCheckpoint { through: FrameSequence, last: FrameSequence },
    #[error("partition {key}: segment {segment} goes on at byte {found} where byte {expected} was due")]
    Gap { key: PartitionKey, segment: Offset, expected: Position, found: Position },
    #[error("partition {key}: the end of segment {segment}, before segment {next}, is unknown")]
    UnknownEnd { key: PartitionKey, segment: Offset, next: Offset },
    #[error("partition {key}: an entry in frame {sequence} ends past the largest position")]
    PositionOverflow { key: PartitionKey, sequence: FrameSequence },
}

/// A partition as checkpoint and journal leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredPartition {
    pub key: PartitionKey,
    pub log_start_offset: Offset,
    pub log_end_offset: Offset,
    /// Not above `log_end_offset`.
    pub high_watermark: Offset,
    /// Base offsets of the segments, ascending; none below `log_start_offset` but the one that holds it.
    /// Other segment files are leftovers.
    pub segments: Vec<Offset>,
    /// Final lengths of those before the last that were rolled behind the checkpoint:
    /// their files are cut to this.
    pub lengths: Vec<(Offset, Position)>,
    /// Final lengths of segments that swaps replaced behind the checkpoint;
    /// of those whose swap is undone they count.
    pub replaced: Vec<(Offset, Position)>,
    /// Segments before this one were durable whole when the checkpoint was taken:
    /// `facts` tell their final lengths.
    pub whole_before: Offset,
    /// Everything below is durable in its file: all earlier segments, and this one up to `durable`.
    /// None without segments.
    pub durable_segment: Option<Offset>,
    pub durable: Position,
    /// Where the last segment ends.
    pub end: Position,
    /// Bytes from `durable` on, in order; with `extents` they reach `end` without a gap.
    pub tails: Vec<TailPiece>,
    /// Parts of that range which are durable in the files already.
    pub extents: Vec<ExtentPiece>,
    /// Where the last extent of a segment ends, also where a later frame has its last bytes again: that frame
    /// may be lost by a power loss yet, and then the file alone has them.
    pub extent_ends: Vec<(Offset, Position)>,
    /// Segments that took the place of others behind the checkpoint: their files may not have their names
    /// yet. `facts` may tell of those others.
    pub compacted: Vec<CompactedSegment>,
    /// Earlier ones in whose place those stand: they stand again where that swap is undone.
    pub superseded: Vec<CompactedSegment>,
    /// Of segments in the checkpoint's state; `observed` goes on from it.
    pub facts: Vec<SegmentFacts>,
    /// Lineage of the checkpoint's state; `observed` goes on from it.
    pub epochs: Vec<(LeaderEpoch, Offset)>,
    /// Producers of the checkpoint's state; `observed` goes on from it.
    pub producers: Vec<ProducerCheckpoint>,
    pub observed: Vec<Observation>,
    /// The last frame with an entry of the partition, if one was replayed.
    pub last_frame: Option<FrameSequence>,
}

impl RecoveredPartition {
    /// Takes back a swap whose old segments are all there, these besides the first; answers those swaps
    /// before it whose segments stand again.
    pub fn undo(
        &mut self,
        new: &CompactedSegment,
        besides: impl IntoIterator<Item = Offset>,
    ) -> impl Iterator<Item = CompactedSegment> {
        self.segments.extend(besides);
        self.segments.sort_unstable();
        self.superseded.iter().copied().filter(|old| new.replaces(old.segment))
    }

    /// Bytes of a segment that is durable whole, as far as checkpoint and frames tell: its file has them all,
    /// or lost some. Of swaps that have come to their end, `done`,
    /// the checkpoint may tell what stood in their place.
    pub fn told_length(&self, base: Offset, done: &[CompactedSegment]) -> Option<u64> {
        if let Some(new) = done.iter().find(|new| new.segment == base) {
            return Some(new.length.0);
        }
        let mut rolled = self.lengths.iter().chain(&self.replaced);
        let rolled = rolled.find(|(rolled, _)| *rolled == base).map(|(_, length)| length.0);
        let facts = || self.facts.iter().find(|facts| facts.base == base.0);
        rolled.or_else(|| facts().filter(|_| base < self.whole_before).map(|facts| facts.length))
    }
}

/// The replay of one shard's journal.
#[derive(Debug)]
pub struct Replay {
    from: FrameSequence,
    through: FrameSequence,
    last: FrameSequence,
    checkpoint: BTreeMap<PartitionKey, PartitionCheckpoint>,
    /// Partitions with an entry in a frame replayed.
    touched: BTreeMap<PartitionKey, Log>,
}

impl Replay {
    pub fn new(checkpoint: Option<ShardCheckpoint>) -> Replay {
        let (from, through, partitions) = match checkpoint {
            Some(checkpoint) => (checkpoint.replay_from, checkpoint.through, checkpoint.partitions),
            None => (FrameSequence::FIRST, FrameSequence::NONE, Vec::new()),
        };
        Replay {
            from,
            through,
            last: FrameSequence(from.0.saturating_sub(1)),
            checkpoint: partitions.into_iter().map(|one| (one.key(), one)).collect(),
            touched: BTreeMap::new(),
        }
    }

    /// The first frame needed.
    pub fn from(&self) -> FrameSequence {
        self.from
    }

    /// Applies the next frame; frames before the first one needed are skipped.
    pub fn apply(&mut self, frame: &Frame) -> Result<(), ReplayError> {
        let sequence = frame.header.sequence;
        if sequence < self.from {
            return Ok(());
        }
        let expected = self.last.next();
        if sequence != expected {
            return Err(ReplayError::MissingFrame { expected, found: sequence });
        }
        self.last = sequence;
        let news = if sequence > self.through { News::Unseen } else { News::Reflected };
        for entry in &frame.entries {
            if let Entry::Drop { key } = entry {
                self.forget(*key, news);
                continue;
            }
            let key = entry.key();
            let known = &self.checkpoint;
            let log = self.touched.entry(key).or_insert_with(|| Log::begin(known.get(&key).cloned()));
            log.last_frame = Some(sequence);
            log.apply(entry, news).map_err(|EndsTooFar| ReplayError::PositionOverflow { key, sequence })?;
        }
        Ok(())
    }

    /// A partition of which checkpoint or frames tell, and that `known` does not.
    pub fn stranger(&self, known: impl Fn(PartitionKey) -> bool) -> Option<PartitionKey> {
        self.checkpoint.keys().chain(self.touched.keys()).copied().find(|key| !known(*key))
    }

    /// Forgets partitions of topics that are deleted. A checkpoint written since leaves them out, while
    /// frames that still stand tell of some of their appends:
    /// those begin in the middle of a log that nobody needs.
    pub fn keep(&mut self, known: impl Fn(PartitionKey) -> bool) {
        self.touched.retain(|key, _| known(*key));
        self.checkpoint.retain(|key, _| known(*key));
    }

    /// Every partition, by key.
    pub fn finish(mut self) -> Result<Vec<RecoveredPartition>, ReplayError> {
        if self.last < self.through {
            return Err(ReplayError::JournalBehindCheckpoint { through: self.through, last: self.last });
        }
        for (key, checkpoint) in self.checkpoint {
            self.touched.entry(key).or_insert_with(|| Log::begin(Some(checkpoint)));
        }
        self.touched.into_iter().map(|(key, log)| log.recovered(key)).collect()
    }

    /// A partition that the checkpoint knows although it reflects the drop came back later,
    /// with the state it has there.
    fn forget(&mut self, key: PartitionKey, news: News) {
        self.touched.remove(&key);
        if news == News::Unseen {
            self.checkpoint.remove(&key);
        }
    }
}

/// Whether the checkpoint's epochs and producers reflect an entry already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Reflected,
    Unseen,
}

struct EndsTooFar;

/// One partition during the replay.
#[derive(Debug, Default)]
struct Log {
    log_start_offset: Offset,
    log_end_offset: Offset,
    high_watermark: Offset,
    segments: Vec<Offset>,
    lengths: BTreeMap<Offset, Position>,
    replaced: BTreeMap<Offset, Position>,
    whole_before: Offset,
    durable: Option<Place>,
    tails: Tails,
    extent_ends: BTreeMap<Offset, Position>,
    compacted: BTreeMap<Offset, CompactedSegment>,
    superseded: Vec<CompactedSegment>,
    facts: Vec<SegmentFacts>,
    epochs: Vec<(LeaderEpoch, Offset)>,
    producers: Vec<ProducerCheckpoint>,
    observed: Vec<Observation>,
    last_frame: Option<FrameSequence>,
}

impl Log {
    fn begin(checkpoint: Option<PartitionCheckpoint>) -> Log {
        let Some(checkpoint) = checkpoint else { return Log::default() };
        Log {
            log_start_offset: Offset(checkpoint.log_start_offset),
            log_end_offset: Offset(checkpoint.log_end_offset),
            high_watermark: Offset(checkpoint.high_watermark),
            durable: checkpoint.last_segment().map(|segment| (segment, Position(checkpoint.position))),
            whole_before: checkpoint.last_segment().unwrap_or_default(),
            segments: checkpoint.segments.into_iter().map(Offset).collect(),
            facts: checkpoint.facts,
            epochs: checkpoint
                .epochs
                .into_iter()
                .map(|(epoch, at)| (LeaderEpoch(epoch), Offset(at)))
                .collect(),
            producers: checkpoint.producers,
            ..Log::default()
        }
    }

    fn apply(&mut self, entry: &Entry<Bytes>, news: News) -> Result<(), EndsTooFar> {
        match entry {
            Entry::Append { span, payload } => {
                self.observe(news, || Observation::Append {
                    base_offset: span.base_offset,
                    next_offset: span.next_offset,
                    batches: payload.clone(),
                });
                self.extend(span, [Piece::Inline(payload.clone())])?;
            }
            Entry::Carry { span, payload } => self.extend(span, [Piece::Inline(payload.clone())])?,
            Entry::Extent { span, length, header_bytes, payload } => {
                let mut headers = payload.clone();
                let end = headers.split_off((*header_bytes as usize).min(payload.len()));
                self.observe(news, || Observation::Extent {
                    base_offset: span.base_offset,
                    next_offset: span.next_offset,
                    headers,
                });
                self.extend(span, [Piece::InFile(*length), Piece::Inline(end)])?;
                let ends_at = span.position.0.checked_add(*length).map(Position).ok_or(EndsTooFar)?;
                let end = self.extent_ends.entry(span.segment).or_default();
                *end = (*end).max(ends_at);
            }
            Entry::Roll { segment, previous_length, .. } => self.roll(*segment, *previous_length),
            Entry::LogStart { offset, .. } => self.start_at(*offset),
            Entry::Truncate { to, segment, position, .. } => {
                self.observe(news, || Observation::Truncate { to: *to });
                self.truncate(*to, (*segment, *position));
            }
            Entry::Compact { new, .. } => self.compact(*new),
            Entry::Drop { .. } => {}
        }
        Ok(())
    }

    /// Whether nothing of a segment is of the log any more: it begins behind all that the state has. A start
    /// noted that where it had more frames in its ring than a power loss left.
    fn lies_before(&self, segment: Offset) -> bool {
        self.segments.is_empty() && segment < self.log_start_offset
    }

    fn observe(&mut self, news: News, observation: impl FnOnce() -> Observation) {
        if news == News::Unseen {
            self.observed.push(observation());
        }
    }

    fn extend<const N: usize>(&mut self, span: &Span, pieces: [Piece; N]) -> Result<(), EndsTooFar> {
        if self.lies_before(span.segment) {
            return Ok(());
        }
        if self.segments.is_empty() {
            self.segments.push(span.segment);
            self.log_start_offset = span.segment;
        }
        self.log_end_offset = span.next_offset;
        let mut at = span.position;
        for piece in pieces {
            let end = at.0.checked_add(piece.len()).map(Position).ok_or(EndsTooFar)?;
            self.put((span.segment, at), piece);
            at = end;
        }
        Ok(())
    }

    /// Keeps what of a piece is not durable in its file.
    fn put(&mut self, place: Place, piece: Piece) {
        let (segment, position) = place;
        match self.durable {
            Some((durable_segment, _)) if segment < durable_segment => {}
            Some((durable_segment, durable)) if segment == durable_segment && position < durable => {
                let known = durable.0 - position.0;
                if known < piece.len() {
                    self.tails.put((segment, durable), piece.split(known).1);
                }
            }
            _ => self.tails.put(place, piece),
        }
    }

    fn roll(&mut self, segment: Offset, previous_length: Position) {
        if self.lies_before(segment) {
            return;
        }
        match self.segments.last() {
            // The checkpoint knows this one already.
            Some(last) if segment <= *last => {}
            Some(last) => {
                self.lengths.insert(*last, previous_length);
                self.segments.push(segment);
            }
            None => self.segments.push(segment),
        }
    }

    fn start_at(&mut self, offset: Offset) {
        if offset < self.log_start_offset {
            // The state begins where the log's directory says:
            // a start may have noted there what only the ring still held.
            return;
        }
        self.log_start_offset = offset;
        let gone = self.segments.iter().skip(1).take_while(|next| **next <= offset).count();
        self.segments.drain(..gone);
        let Some(&first) = self.segments.first() else { return };
        if gone == 0 {
            return;
        }
        self.lengths = self.lengths.split_off(&first);
        self.extent_ends = self.extent_ends.split_off(&first);
        self.compacted = self.compacted.split_off(&first);
        self.superseded.retain(|old| old.segment >= first);
        let start = (first, Position::ZERO);
        self.tails.cut_before(start);
        self.durable = self.durable.map(|durable| durable.max(start));
    }

    /// What the segments below held is durable, and all of them are in their files.
    fn compact(&mut self, new: CompactedSegment) {
        // Otherwise the checkpoint knows of more: the log begins behind it,
        // or an earlier segment has it, too.
        if self.segments.binary_search(&new.segment).is_err() {
            return;
        }
        self.segments.retain(|base| *base == new.segment || !new.replaces(*base));
        let kept = self.lengths.split_off(&new.end);
        self.replaced.append(&mut std::mem::replace(&mut self.lengths, kept));
        self.extent_ends = self.extent_ends.split_off(&new.end);
        let behind = (new.end, Position::ZERO);
        self.tails.cut_before(behind);
        self.durable = Some(self.durable.map_or(behind, |durable| durable.max(behind)));
        // A swap begins when the one before it has its name:
        // of what came before that nothing stands any more.
        self.superseded.retain(|old| !new.replaces(old.segment));
        self.superseded
            .extend(self.compacted.extract_if(.., |base, _| new.replaces(*base)).map(|(_, old)| old));
        self.compacted.insert(new.segment, new);
    }

    fn truncate(&mut self, to: Offset, place: Place) {
        let (segment, _) = place;
        self.tails.cut_from(place);
        self.segments.retain(|existing| *existing <= segment);
        if self.segments.last() != Some(&segment) {
            self.segments.push(segment);
        }
        self.lengths.split_off(&segment);
        self.compacted.retain(|existing, _| *existing < segment);
        self.superseded.retain(|old| old.segment < segment);
        self.extent_ends.retain(|existing, _| *existing <= segment);
        if let Some(end) = self.extent_ends.get_mut(&segment) {
            *end = (*end).min(place.1);
        }
        self.durable = self.durable.map(|durable| durable.min(place));
        self.log_end_offset = to;
        self.log_start_offset = self.log_start_offset.min(to);
        self.high_watermark = self.high_watermark.min(to);
    }

    fn recovered(self, key: PartitionKey) -> Result<RecoveredPartition, ReplayError> {
        let durable = self.durable.or(self.segments.first().map(|first| (*first, Position::ZERO)));
        let end = match durable {
            Some(durable) => self.follow(key, durable)?,
            None => Position::ZERO,
        };
        let (tails, extents) = self.tails.into_pieces();
        Ok(RecoveredPartition {
            key,
            log_start_offset: self.log_start_offset,
            log_end_offset: self.log_end_offset,
            high_watermark: self.high_watermark.min(self.log_end_offset),
            segments: self.segments,
            lengths: self.lengths.into_iter().collect(),
            replaced: self.replaced.into_iter().collect(),
            whole_before: self.whole_before,
            durable_segment: durable.map(|(segment, _)| segment),
            durable: durable.map_or(Position::ZERO, |(_, position)| position),
            end,
            tails,
            extents,
            extent_ends: self.extent_ends.into_iter().collect(),
            compacted: self.compacted.into_values().collect(),
            superseded: self.superseded,
            facts: self.facts,
            epochs: self.epochs,
            producers: self.producers,
            observed: self.observed,
            last_frame: self.last_frame,
        })
    }

    /// Follows the pieces from `durable` through every later segment; returns the end of the last one.
    fn follow(&self, key: PartitionKey, durable: Place) -> Result<Position, ReplayError> {
        let (mut segment, mut at) = durable;
        let mut later = self.segments.iter().copied().filter(|one| *one > durable.0);
        let mut pieces = self.tails.iter().peekable();
        loop {
            while let Some(((_, found), piece)) = pieces.next_if(|((of, _), _)| *of == segment) {
                if found != at {
                    return Err(ReplayError::Gap { key, segment, expected: at, found });
                }
                at = Position(at.0 + piece.len());
            }
            let Some(next) = later.next() else { break };
            let length = self.lengths.get(&segment).copied();
            match length.ok_or(ReplayError::UnknownEnd { key, segment, next })? {
                length if length == at => {}
                length => return Err(ReplayError::Gap { key, segment, expected: at, found: length }),
            }
            (segment, at) = (next, Position::ZERO);
        }
        match pieces.next() {
            // A segment that no roll announced.
            Some(((next, _), _)) => Err(ReplayError::UnknownEnd { key, segment, next }),
            None => Ok(at),
        }
    }
}
