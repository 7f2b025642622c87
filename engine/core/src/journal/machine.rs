//! The journal of one shard while it runs: seals frames into the ring, says what to write where,
//! and which slot to clean.
//!
//! The shard drives it: `seal` with what the turn gathered, `next_write` and `written` around each write in
//! flight, `cleaning_due` and `slots_released` around a checkpoint.
//! It begins empty at each start of the broker.

use super::frames::batches::HeaderDigest;
use super::frames::entry::{Entry, Payload};
use super::frames::frame::{BootNonce, FRAME_HEADER_BYTES, FrameHeader, FrameSequence};
use super::placement::geometry::JournalGeometry;
use super::placement::release::CarryLimits;
use super::placement::ring::RingSpace;
use super::placement::slots::SlotSpace;
use crate::base::ShardIndex;
use crate::base::limits::BLOCK_BYTES;
use std::collections::VecDeque;
use thiserror::Error;

/// What a frame is sealed for. A frame is a carry when all its entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Anything but carries: leaves the reserve free while a cleaning is due.
    Append,
    /// Carries of a cleaning: may use the reserve.
    Carry,
}

/// A frame that stands in the ring and has its place in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedFrame {
    pub sequence: FrameSequence,
    pub ring_at: usize,
    pub len: usize,
    pub slot: usize,
    pub slot_at: usize,
}

/// One write from the ring to a slot: every frame up to `through` that is not on the device yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameWrite {
    pub ring_at: usize,
    pub len: usize,
    pub slot: usize,
    pub slot_at: usize,
    pub through: FrameSequence,
}

/// So many writes may be in flight. Two at once take a device hardly longer than one; a frame that came while
/// the device was busy with another then waits for its own write only.
pub const WRITES_MAX: usize = 2;

/// A write in flight, or one that completed before an older one.
#[derive(Debug)]
struct Begun {
    through: FrameSequence,
    is_done: bool,
}

/// The slots to be cleaned, by one checkpoint: once no partition needs a frame up to `through`,
/// they can be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleaning {
    /// The oldest of them.
    pub slot: usize,
    /// How many follow one another, at least one.
    pub slots: usize,
    pub through: FrameSequence,
}

/// Why a frame cannot be sealed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoRoom {
    #[error("the ring is full until a write in flight completes")]
    Ring,
    #[error("the journal is full until its oldest slot is released")]
    Slots,
    #[error("the entries fit into no frame of this journal")]
    FrameTooLarge,
}

/// The journal of one shard, without its I/O.
///
/// Holds always: frames are sealed, begun to be written and hard in sequence, though a later write may
/// complete first; a frame keeps its place in the ring until it is hard; at most `WRITES_MAX` writes are in
/// flight; a slot is filled only when free.
#[derive(Debug)]
pub struct Journal {
    shard: ShardIndex,
    boot: BootNonce,
    geometry: JournalGeometry,
    ring: RingSpace,
    slots: SlotSpace,
    /// Sealed frames that are not hard, oldest first.
    unwritten: VecDeque<SealedFrame>,
    /// Writes of the first of them, oldest first.
    begun: VecDeque<Begun>,
    sealed: FrameSequence,
    hard: FrameSequence,
    /// Header checksum of the last sealed frame.
    last_checksum: u32,
    /// Header and entry heads of the frame being sealed; kept for its capacity.
    heads: Vec<u8>,
}

impl Journal {
    pub fn new(shard: ShardIndex, boot: BootNonce, geometry: JournalGeometry) -> Journal {
        Journal {
            shard,
            boot,
            geometry,
            ring: RingSpace::new(geometry.ring_bytes()),
            slots: SlotSpace::new(geometry),
            unwritten: VecDeque::new(),
            begun: VecDeque::with_capacity(WRITES_MAX),
            sealed: FrameSequence::NONE,
            hard: FrameSequence::NONE,
            last_checksum: 0,
            heads: Vec::new(),
        }
    }

    pub fn shard(&self) -> ShardIndex {
        self.shard
    }

    pub fn boot(&self) -> BootNonce {
        self.boot
    }

    pub fn geometry(&self) -> &JournalGeometry {
        &self.geometry
    }

    /// What always holds, in constant time.
    pub fn check(&self) {
        assert!(self.hard <= self.sealed, "only sealed frames are hard");
        assert!(self.begun.len() <= WRITES_MAX, "writes in flight are bounded");
        assert!(
            self.unwritten.front().is_none_or(|first| first.sequence == self.hard.next()),
            "frames become hard in turn"
        );
        assert!(
            self.unwritten.back().is_none_or(|last| last.sequence == self.sealed),
            "the last frame sealed is known"
        );
        assert!(
            self.begun.back().is_none_or(|last| last.through <= self.sealed),
            "only sealed frames are written"
        );
        assert!(self.slots.in_use() <= self.geometry.slot_count(), "no slot is used twice");
    }

    /// The last frame sealed.
    pub fn sealed(&self) -> FrameSequence {
        self.sealed
    }

    /// The last frame that is on the device with all before it.
    pub fn hard(&self) -> FrameSequence {
        self.hard
    }

    pub fn slots_in_use(&self) -> usize {
        self.slots.in_use()
    }

    /// How often a slot was filled again since the journal began.
    pub fn slots_reused(&self) -> u64 {
        self.slots.reused()
    }

    /// Bytes of heads and payloads (`Entry::sealed_bytes`) that one frame sealed now may hold; 0: wait until
    /// a write completes or a slot is released.
    pub fn room(&self, purpose: Purpose) -> usize {
        if purpose == Purpose::Carry && self.carries_wait_for_ring() {
            return 0;
        }
        let frame = self.ring.room().min(self.slots.room(self.reserve(purpose)));
        let frame = match purpose {
            Purpose::Append => frame.min(self.geometry.frame_bytes_max()),
            Purpose::Carry => frame,
        };
        frame.saturating_sub(FRAME_HEADER_BYTES)
    }

    /// Writes one frame with `entries`, in order, through `sink` (offset in the ring, bytes) and gives it its
    /// places. Each payload byte passes `sink` once. Nothing changes on an error.
    pub fn seal<P: Payload>(
        &mut self,
        entries: &[Entry<P>],
        sink: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<SealedFrame, NoRoom> {
        assert!(!entries.is_empty(), "a frame has entries");
        let content: usize = entries.iter().map(Entry::sealed_bytes).sum();
        let len = (FRAME_HEADER_BYTES + content).next_multiple_of(BLOCK_BYTES);
        let frame = self.place(len, purpose_of(entries))?;
        let header = self.encode_heads(entries, frame);
        sink(frame.ring_at, &self.heads);
        let mut at = frame.ring_at + self.heads.len();
        for piece in entries.iter().filter_map(Entry::payload).flat_map(Payload::pieces) {
            sink(at, piece);
            at += piece.len();
        }
        let padding = frame.ring_at + len - at;
        sink(at, ZEROS.get(..padding).unwrap_or(&ZEROS));
        self.ring.take(frame.ring_at, len);
        self.slots.take(len, frame.sequence);
        self.unwritten.push_back(frame);
        self.sealed = frame.sequence;
        self.last_checksum = header;
        Ok(frame)
    }

    /// Writes in flight, those included that completed before an older one.
    pub fn writes_in_flight(&self) -> usize {
        self.begun.len()
    }

    /// Sealed frames that no write was begun for, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &SealedFrame> {
        let begun = self.begun.back().map_or(self.hard, |write| write.through);
        let count = (self.sealed.0 - begun.0) as usize;
        self.unwritten.iter().skip(self.unwritten.len() - count)
    }

    /// The slot that the next write goes to; None while there are as many in flight as may be,
    /// or nothing is to be written.
    pub fn next_slot(&self) -> Option<usize> {
        let first = self.waiting().next().filter(|_| self.begun.len() < WRITES_MAX)?;
        Some(first.slot)
    }

    /// The write to be started now: every frame sealed and not written that follows the first in ring and
    /// slot. None while there are as many in flight as may be, or nothing is to be written.
    pub fn next_write(&mut self) -> Option<FrameWrite> {
        if self.begun.len() == WRITES_MAX {
            return None;
        }
        let mut frames = self.waiting();
        let first = frames.next()?;
        let mut write = FrameWrite {
            ring_at: first.ring_at,
            len: first.len,
            slot: first.slot,
            slot_at: first.slot_at,
            through: first.sequence,
        };
        for frame in frames {
            let in_ring = frame.ring_at == write.ring_at + write.len;
            let in_slot = frame.slot == write.slot && frame.slot_at == write.slot_at + write.len;
            if !in_ring || !in_slot {
                break;
            }
            write.len += frame.len;
            write.through = frame.sequence;
        }
        self.begun.push_back(Begun { through: write.through, is_done: false });
        Some(write)
    }

    /// The write in flight that went up to `through` is on the device.
    /// Its frames are hard once all before them are.
    pub fn written(&mut self, through: FrameSequence) {
        let done = self.begun.iter_mut().find(|write| write.through == through && !write.is_done);
        let Some(done) = done else { panic!("a write in flight completes, once") };
        done.is_done = true;
        while let Some(oldest) = self.begun.pop_front_if(|write| write.is_done) {
            self.harden(oldest.through);
        }
        self.check();
    }

    fn harden(&mut self, through: FrameSequence) {
        while self.unwritten.pop_front_if(|frame| frame.sequence <= through).is_some() {
            self.ring.free_oldest();
        }
        self.hard = through;
    }

    /// Once at least half of the slots are in use: all that are filled and on the device. A checkpoint costs
    /// as much for one slot as for several.
    pub fn cleaning_due(&self) -> Option<Cleaning> {
        let filled = self.slots.to_clean().take_while(|used| used.last <= self.hard);
        filled.fold(None, |due: Option<Cleaning>, used| match due {
            None => Some(Cleaning { slot: used.slot, slots: 1, through: used.last }),
            Some(due) => Some(Cleaning { slots: due.slots + 1, through: used.last, ..due }),
        })
    }

    /// What a cleaning begun now may carry; beyond that tails are flushed to their segments.
    pub fn carry_limits(&self) -> CarryLimits {
        let (free, parts) = self.slots.free();
        let reserve = self.geometry.reserve_bytes();
        let total = if free >= reserve {
            // Appends stop at the reserve, wherever in the slots that then lies.
            let parts = 1 + reserve.div_ceil(self.geometry.slot_bytes());
            self.geometry.carry_bytes_within(reserve, parts)
        } else {
            self.geometry.carry_bytes_within(free, parts)
        };
        let total = total.min(self.geometry.cleaning_carry_bytes_max());
        CarryLimits { tail_bytes_max: self.geometry.carry_tail_bytes_max(), total_bytes_max: total }
    }

    /// A checkpoint is durable that needs no frame of these slots: they may be filled again.
    pub fn slots_released(&mut self, cleaned: Cleaning) {
        // Others may have been filled since.
        let due = self.cleaning_due().filter(|due| due.slots >= cleaned.slots);
        assert_eq!(due.map(|due| due.slot), Some(cleaned.slot), "only slots that were to be cleaned");
        for _ in 0..cleaned.slots {
            self.slots.release();
        }
    }

    fn place(&self, len: usize, purpose: Purpose) -> Result<SealedFrame, NoRoom> {
        let longest = match purpose {
            Purpose::Append => self.geometry.frame_bytes_max(),
            Purpose::Carry => self.geometry.slot_bytes().min(self.geometry.ring_bytes()),
        };
        if len > longest {
            return Err(NoRoom::FrameTooLarge);
        }
        if len > self.slots.room(self.reserve(purpose)) {
            return Err(NoRoom::Slots);
        }
        let ring_at = self.ring.place(len).ok_or(NoRoom::Ring)?;
        let (slot, slot_at) = self.slots.place(len);
        Ok(SealedFrame { sequence: self.sealed.next(), ring_at, len, slot, slot_at })
    }

    /// Fills `heads` with the frame's header and entry heads; returns the header's checksum.
    fn encode_heads<P: Payload>(&mut self, entries: &[Entry<P>], frame: SealedFrame) -> u32 {
        self.heads.clear();
        self.heads.resize(FRAME_HEADER_BYTES, 0);
        let mut payload_bytes = 0;
        for entry in entries {
            entry.encode_head(&mut self.heads);
            payload_bytes += entry.payload_bytes();
        }
        let (placeholder, heads) = self.heads.split_at_mut(FRAME_HEADER_BYTES);
        let mut content = crc32c::crc32c(heads);
        for entry in entries {
            if let Entry::Append { span, payload } = entry {
                let mut digest = HeaderDigest::new(content);
                payload.pieces().for_each(|piece| digest.feed(piece));
                let (checksum, base_offset) = digest.finish();
                assert_eq!(base_offset, Some(span.base_offset.0), "an append begins at its base offset");
                content = checksum;
            }
        }
        let header = FrameHeader {
            shard: self.shard,
            boot: self.boot,
            sequence: frame.sequence,
            flushed: self.hard,
            entry_count: entries.len() as u32,
            heads_bytes: heads.len() as u32,
            payload_bytes: payload_bytes as u32,
            frame_bytes: frame.len as u32,
            previous_checksum: self.last_checksum,
            content_checksum: content,
        };
        let encoded = header.encode();
        placeholder.copy_from_slice(&encoded);
        encoded.last_chunk().map_or(0, |checksum| u32::from_le_bytes(*checksum))
    }

    fn reserve(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Append => self.geometry.reserve_bytes(),
            Purpose::Carry => 0,
        }
    }

    /// Small carry frames would waste the reserve on padding: better wait for the ring.
    fn carries_wait_for_ring(&self) -> bool {
        !self.ring.is_empty() && self.ring.room() < self.geometry.carry_frame_bytes_min()
    }
}

static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

fn purpose_of<P>(entries: &[Entry<P>]) -> Purpose {
    let carries = entries.iter().all(|entry| matches!(entry, Entry::Carry { .. }));
    if carries { Purpose::Carry } else { Purpose::Append }
}
