//! Where a replay begins that no checkpoint places: for a start whose checkpoints are damaged.
//!
//! What is lost must not look like what was never needed. So a frame that is missing or damaged counts as
//! needless only where something says so: its slot was begun anew, which happens after a checkpoint that
//! needs none of its frames, or the header of a checkpoint names a later one.
//! Anything else is damage of acknowledged data.

use super::recover::{Candidate, Corruption, CorruptionReason, scan};
use crate::base::ShardIndex;
use crate::journal::checkpoint::CheckpointBounds;
use crate::journal::frames::frame::{BootNonce, FrameSequence};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The first frame of the longest chain that has every frame needed.
pub fn oldest_frame(
    shard: ShardIndex,
    boot: BootNonce,
    slots: &[Bytes],
    ring: Option<&Bytes>,
    bounds: CheckpointBounds,
) -> Result<FrameSequence, Corruption> {
    let frames = Frames::find(shard, boot, slots, ring);
    // Newer ones may be a torn write's, without those before them.
    let hard = frames.hard().max(bounds.through);
    let whole = frames.whole_up_to(hard);
    let may_be_first = |first: &FrameSequence| {
        *first == FrameSequence::FIRST || *first <= bounds.replay_from || frames.follows_needless(*first)
    };
    match (whole.0..=hard.next().0).map(FrameSequence).find(may_be_first) {
        Some(first) => Ok(first),
        None => Err(frames.damage_before(whole)),
    }
}

/// The frames of one boot, whole or not; of one frame there may be copies in the ring and in payloads.
struct Frames<'a> {
    found: BTreeMap<FrameSequence, Vec<Candidate<'a>>>,
    /// Of each slot: positions of frames, and the newest frame up to there.
    newest: Vec<Vec<(usize, FrameSequence)>>,
}

impl<'a> Frames<'a> {
    fn find(shard: ShardIndex, boot: BootNonce, slots: &'a [Bytes], ring: Option<&'a Bytes>) -> Frames<'a> {
        let mut candidates = Vec::new();
        for (slot, bytes) in slots.iter().enumerate() {
            scan(bytes, Some(slot), shard, &mut candidates);
        }
        if let Some(ring) = ring {
            scan(ring, None, shard, &mut candidates);
        }
        let mut frames = Frames { found: BTreeMap::new(), newest: vec![Vec::new(); slots.len()] };
        for candidate in candidates.into_iter().filter(|candidate| candidate.header.boot == boot) {
            let sequence = candidate.header.sequence;
            // They were found in the order in which they stand.
            if let Some(newest) = candidate.slot.and_then(|slot| frames.newest.get_mut(slot)) {
                let before = newest.last().map_or(FrameSequence::NONE, |(_, sequence)| *sequence);
                newest.push((candidate.position, before.max(sequence)));
            }
            frames.found.entry(sequence).or_default().push(candidate);
        }
        frames
    }

    /// Every frame up to this one was on the device.
    fn hard(&self) -> FrameSequence {
        let flushed = self.found.values().flatten().map(|candidate| candidate.header.flushed);
        flushed.max().unwrap_or(FrameSequence::NONE)
    }

    /// The first of those that are whole and follow one another up to `last`;
    /// the one after `last` if that is not whole.
    fn whole_up_to(&self, last: FrameSequence) -> FrameSequence {
        let mut first = last.next();
        let mut linked = None;
        while first > FrameSequence::FIRST
            && let Some(before) = self.found.get(&FrameSequence(first.0 - 1))
        {
            let links = |candidate: &&Candidate<'_>| linked.is_none_or(|linked| linked == candidate.checksum);
            let Some(frame) = before.iter().filter(links).find(|candidate| candidate.frame().is_ok()) else {
                break;
            };
            (first, linked) = (frame.header.sequence, Some(frame.header.previous_checksum));
        }
        first
    }

    /// Whether the slot in which the frame before this one stood was begun anew since. Copies in payloads
    /// stand behind newer frames; where the frame itself stands, too, has to say the same.
    fn follows_needless(&self, sequence: FrameSequence) -> bool {
        let mut places = self.places(sequence).peekable();
        places.peek().is_some()
            && places.all(|(slot, position)| match position {
                0 => self.newest_in(self.slot_before(slot), usize::MAX) > sequence,
                _ => self.newest_in(slot, position) > sequence,
            })
    }

    /// Slots and positions of a frame.
    fn places(&self, sequence: FrameSequence) -> impl Iterator<Item = (usize, usize)> {
        let copies = self.found.get(&sequence).into_iter().flatten();
        copies.filter_map(|candidate| Some((candidate.slot?, candidate.position)))
    }

    fn newest_in(&self, slot: usize, before: usize) -> FrameSequence {
        let Some(newest) = self.newest.get(slot) else { return FrameSequence::NONE };
        let end = newest.partition_point(|(position, _)| *position < before);
        newest.get(..end).and_then(|front| front.last()).map_or(FrameSequence::NONE, |(_, newest)| *newest)
    }

    fn slot_before(&self, slot: usize) -> usize {
        slot.checked_sub(1).unwrap_or(self.newest.len().saturating_sub(1))
    }

    /// Names the frame before `first`, which should be there and is not whole.
    fn damage_before(&self, first: FrameSequence) -> Corruption {
        let sequence = FrameSequence(first.0 - 1);
        if let Some(damaged) = self.found.get(&sequence).and_then(|copies| copies.first()) {
            let reason = damaged.frame().err().map_or(CorruptionReason::Unlinked, CorruptionReason::Fault);
            return Corruption { slot: damaged.slot, position: damaged.position, sequence, reason };
        }
        // Between the frames around it, as far as those are known.
        let before = self.found.range(..sequence).next_back().into_iter().flat_map(|(_, copies)| copies);
        let before = before.filter_map(Candidate::end).next();
        let behind = self.places(first).next().map(|(slot, position)| match position {
            0 => self.slot_before(slot),
            _ => slot,
        });
        let slot = behind.or(before.map(|(slot, _)| slot));
        let position = before.filter(|(of, _)| Some(*of) == slot).map_or(0, |(_, end)| end);
        Corruption { slot, position, sequence, reason: CorruptionReason::Missing }
    }
}
