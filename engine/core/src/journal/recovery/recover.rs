//! Finds the chain of valid frames in the slots of a finished journal, continued by its ring.
//!
//! Frames are looked for at every 4 KiB boundary and linked by boot, sequence and the previous frame's
//! checksum; where they stand plays no part, so stale frames of earlier laps and copies of frames inside
//! payloads cannot mislead it.

use crate::base::ShardIndex;
use crate::base::limits::BLOCK_BYTES;
use crate::journal::frames::frame::{BootNonce, Frame, FrameFault, FrameHeader, FrameSequence};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;

/// Which chain is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainStart {
    pub shard: ShardIndex,
    /// The journal's boot nonce as its checkpoint or the node's manifest names it. None: that of the newest
    /// frame in the slots; the ring counts only if the slots hold a frame,
    /// since it may belong to an older journal.
    pub boot: Option<BootNonce>,
    /// The first frame needed: the checkpoint's `replay_from`, `FIRST` without one.
    pub from: FrameSequence,
}

/// Every valid frame from `ChainStart::from` on, in sequence.
#[derive(Debug, Clone)]
pub struct Chain {
    /// None if neither the caller nor a frame named one.
    pub boot: Option<BootNonce>,
    pub frames: Vec<Frame>,
    /// What was dropped behind the chain, if a trace of it is left.
    pub torn: Option<TornTail>,
}

/// Frames behind the chain's end that a crash left unfinished; nobody was told that they are on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// The first frame missing.
    pub sequence: FrameSequence,
    /// Frames from that one on whose header was found.
    pub headers_found: usize,
}

/// Acknowledged data are damaged: a later frame says that frame `sequence` was on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corruption {
    /// Slot in which the frame should be; None for the ring.
    pub slot: Option<usize>,
    pub position: usize,
    pub sequence: FrameSequence,
    pub reason: CorruptionReason,
}

/// What is wrong with the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptionReason {
    #[error("no header of this frame is found")]
    Missing,
    #[error("it does not follow the frame before it")]
    Unlinked,
    #[error("{0}")]
    Fault(#[from] FrameFault),
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Corruption { slot, position, sequence, reason } = self;
        let place = slot.map_or_else(|| "the ring".to_owned(), |slot| format!("slot {slot}"));
        write!(
            f,
            "frame {sequence} at byte {position} of {place}, which was on the device, is damaged: {reason}"
        )
    }
}

impl std::error::Error for Corruption {}

/// What a finished journal holds, damaged or not.
#[derive(Debug, Clone)]
pub struct ChainSurvey {
    /// Up to the damage, if there is any.
    pub chain: Chain,
    pub corruption: Option<Corruption>,
    /// Frames behind the chain's end that are whole each for itself.
    pub whole_frames_behind: usize,
}

/// Reads a finished journal: its slot files in order, each whole, and the ring if it outlived the process.
pub fn recover_chain(start: ChainStart, slots: &[Bytes], ring: Option<&Bytes>) -> Result<Chain, Corruption> {
    let survey = survey_chain(start, slots, ring);
    survey.corruption.map_or(Ok(survey.chain), Err)
}

/// The same for who wants to know what could be saved.
pub fn survey_chain(start: ChainStart, slots: &[Bytes], ring: Option<&Bytes>) -> ChainSurvey {
    let mut found: Vec<Candidate<'_>> = Vec::new();
    for (slot, bytes) in slots.iter().enumerate() {
        scan(bytes, Some(slot), start.shard, &mut found);
    }
    let newest = found.iter().max_by_key(|candidate| candidate.header.sequence);
    let Some(boot) = start.boot.or(newest.map(|candidate| candidate.header.boot)) else {
        let chain = Chain { boot: None, frames: Vec::new(), torn: None };
        return ChainSurvey { chain, corruption: None, whole_frames_behind: 0 };
    };
    if let Some(ring) = ring {
        scan(ring, None, start.shard, &mut found);
    }
    let mut by_sequence: BTreeMap<FrameSequence, Vec<Candidate<'_>>> = BTreeMap::new();
    let mut walk = Walk { expected: start.from, checksum: None, end: None, frames: Vec::new() };
    for candidate in found {
        if candidate.header.boot == boot && candidate.header.sequence.next() == start.from {
            walk.end = candidate.end().or(walk.end);
        }
        if candidate.header.boot == boot && candidate.header.sequence >= start.from {
            by_sequence.entry(candidate.header.sequence).or_default().push(candidate);
        }
    }
    if start.from == FrameSequence::FIRST {
        walk.checksum = Some(0);
    }
    let mut reason = CorruptionReason::Missing;
    while let Some(candidates) = by_sequence.get(&walk.expected) {
        match walk.step(candidates) {
            Ok(()) => {}
            Err(found) => {
                reason = found;
                break;
            }
        }
    }
    let later: Vec<&Candidate<'_>> = by_sequence.range(walk.expected..).flat_map(|(_, them)| them).collect();
    let corruption = refuse_acknowledged(&walk, reason, &later, slots).err();
    let headers_found = by_sequence.range(walk.expected..).count();
    let torn = (headers_found > 0).then_some(TornTail { sequence: walk.expected, headers_found });
    let whole_frames_behind = match corruption {
        Some(_) => by_sequence.range(walk.expected..).filter(|(_, them)| them.iter().any(is_whole)).count(),
        None => 0,
    };
    ChainSurvey {
        chain: Chain { boot: Some(boot), frames: walk.frames, torn },
        corruption,
        whole_frames_behind,
    }
}

fn is_whole(candidate: &Candidate<'_>) -> bool {
    candidate.frame().is_ok()
}

/// A valid frame header, and the bytes from it on.
pub(in crate::journal) struct Candidate<'a> {
    pub(in crate::journal) slot: Option<usize>,
    pub(in crate::journal) position: usize,
    pub(in crate::journal) header: FrameHeader,
    /// The header's own.
    pub(in crate::journal) checksum: u32,
    source: &'a Bytes,
}

impl Candidate<'_> {
    pub(in crate::journal) fn frame(&self) -> Result<Frame, FrameFault> {
        Frame::decode(&self.source.slice(self.position..))
    }

    /// Slot and place behind the frame, if it stands in one.
    pub(in crate::journal) fn end(&self) -> Option<(usize, usize)> {
        Some((self.slot?, self.position + self.header.frame_bytes as usize))
    }
}

/// The chain as far as it was followed.
struct Walk {
    expected: FrameSequence,
    /// Header checksum of the last frame; None while there is none to compare with.
    checksum: Option<u32>,
    /// Slot and end of the last frame, if it was read from a slot.
    end: Option<(usize, usize)>,
    frames: Vec<Frame>,
}

impl Walk {
    /// Takes the first of the candidates, all of the expected sequence, that is valid.
    fn step(&mut self, candidates: &[Candidate<'_>]) -> Result<(), CorruptionReason> {
        let mut reason = None;
        for candidate in candidates {
            match self.accept(candidate) {
                Ok(()) => return Ok(()),
                Err(found) => reason = reason.or(Some(found)),
            }
        }
        Err(reason.unwrap_or(CorruptionReason::Missing))
    }

    fn accept(&mut self, candidate: &Candidate<'_>) -> Result<(), CorruptionReason> {
        if self.checksum.is_some_and(|checksum| checksum != candidate.header.previous_checksum) {
            return Err(CorruptionReason::Unlinked);
        }
        let frame = candidate.frame()?;
        self.expected = self.expected.next();
        self.checksum = Some(frame.checksum);
        self.end = candidate.end();
        self.frames.push(frame);
        Ok(())
    }

    /// Where the expected frame should stand: behind the last one, or at the start of the next slot where it
    /// did not fit. The frame after it tells.
    fn expected_place(&self, slots: &[Bytes], after: Option<(usize, usize)>) -> Option<(usize, usize)> {
        if self.expected == FrameSequence::FIRST {
            return Some((0, 0));
        }
        let (slot, end) = self.end?;
        let length = slots.get(slot).map_or(0, Bytes::len);
        let next = (slot + 1) % slots.len().max(1);
        let is_next =
            end >= length || after.is_some_and(|(found, at)| found == next && found != slot && at > 0);
        Some(if is_next { (next, 0) } else { (slot, end) })
    }
}

/// Fails if one of the later frames says that the expected one was on the device.
fn refuse_acknowledged(
    walk: &Walk,
    reason: CorruptionReason,
    later: &[&Candidate<'_>],
    slots: &[Bytes],
) -> Result<(), Corruption> {
    let Some(witness) = later.iter().find(|candidate| {
        candidate.header.sequence > walk.expected && candidate.header.flushed >= walk.expected
    }) else {
        return Ok(());
    };
    let damaged = later.iter().find(|candidate| candidate.header.sequence == walk.expected);
    let after = later.iter().find(|candidate| candidate.header.sequence == walk.expected.next());
    let after = after.and_then(|after| Some((after.slot?, after.position)));
    let (slot, position) = match (damaged, walk.expected_place(slots, after)) {
        (Some(damaged), _) => (damaged.slot, damaged.position),
        (None, Some((slot, position))) => (Some(slot), position),
        (None, None) => (witness.slot, witness.position),
    };
    Err(Corruption { slot, position, sequence: walk.expected, reason })
}

/// Whether a slot has a frame, of whatever journal.
pub fn holds_frames(slot: &[u8]) -> bool {
    slot.chunks(BLOCK_BYTES).any(|block| FrameHeader::decode(block).is_ok())
}

/// Finds every valid header of a shard's frames in a slot, or in the ring, in the order in which they stand.
pub(in crate::journal) fn scan<'a>(
    source: &'a Bytes,
    slot: Option<usize>,
    shard: ShardIndex,
    found: &mut Vec<Candidate<'a>>,
) {
    for (block, bytes) in source.chunks(BLOCK_BYTES).enumerate() {
        match FrameHeader::decode(bytes) {
            Ok((header, checksum)) if header.shard == shard => {
                found.push(Candidate { slot, position: block * BLOCK_BYTES, header, checksum, source });
            }
            _ => {}
        }
    }
}
