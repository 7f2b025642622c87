//! Where frames stand in the slots, and which slots are in use.

use super::geometry::JournalGeometry;
use crate::journal::frames::frame::FrameSequence;
use std::collections::VecDeque;

/// A slot in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsedSlot {
    pub(crate) slot: usize,
    /// Bytes taken by frames.
    pub(crate) filled: usize,
    /// The last frame in it.
    pub(crate) last: FrameSequence,
}

/// The slots in use, oldest first; the last one is being filled. Slots are used in turn and released in the
/// same order, so those in use always follow one another.
#[derive(Debug)]
pub(crate) struct SlotSpace {
    geometry: JournalGeometry,
    used: VecDeque<UsedSlot>,
    /// The slot after the newest.
    next: usize,
    /// Slots taken into use so far, each time anew.
    begun: u64,
}

impl SlotSpace {
    pub(crate) fn new(geometry: JournalGeometry) -> SlotSpace {
        SlotSpace { geometry, used: VecDeque::new(), next: 0, begun: 0 }
    }

    /// The longest frame that has a place when `reserve` bytes must stay free while a cleaning is due.
    pub(crate) fn room(&self, reserve: usize) -> usize {
        let (remainder, free) = (self.remainder(), self.free_slots() * self.geometry.slot_bytes());
        let here =
            remainder.min((remainder + free).saturating_sub(self.reserve_at(self.used.len(), reserve)));
        if free == 0 {
            return here;
        }
        let in_next = free.saturating_sub(self.reserve_at(self.used.len() + 1, reserve));
        here.max(in_next.min(self.geometry.slot_bytes()))
    }

    /// Slot and position for a frame of `len` bytes that `room` allows.
    pub(crate) fn place(&self, len: usize) -> (usize, usize) {
        match self.used.back() {
            Some(current) if len <= self.remainder() => (current.slot, current.filled),
            _ => (self.next, 0),
        }
    }

    /// Takes the place that `place` named for the frame `sequence`.
    pub(crate) fn take(&mut self, len: usize, sequence: FrameSequence) {
        if len > self.remainder() {
            assert!(self.free_slots() > 0, "a slot is only taken when free");
            self.used.push_back(UsedSlot { slot: self.next, filled: 0, last: FrameSequence::NONE });
            self.next = (self.next + 1) % self.geometry.slot_count();
            self.begun += 1;
        }
        if let Some(current) = self.used.back_mut() {
            current.filled += len;
            current.last = sequence;
            assert!(current.filled <= self.geometry.slot_bytes(), "no frame crosses a slot's end");
        }
    }

    /// The slots before the one being filled, oldest first, once at least half of all are in use.
    pub(crate) fn to_clean(&self) -> impl Iterator<Item = &UsedSlot> {
        let is_due = self.used.len() >= self.geometry.cleaning_slots();
        self.used.iter().take(if is_due { self.used.len() - 1 } else { 0 })
    }

    /// What the oldest slot holds is durable elsewhere.
    pub(crate) fn release(&mut self) {
        assert!(self.used.len() > 1, "the slot being filled is not released");
        self.used.pop_front();
    }

    /// Free bytes, and the number of slots they lie in.
    pub(crate) fn free(&self) -> (usize, usize) {
        let slots = self.free_slots();
        (self.remainder() + slots * self.geometry.slot_bytes(), slots + usize::from(self.remainder() > 0))
    }

    pub(crate) fn in_use(&self) -> usize {
        self.used.len()
    }

    /// How often a slot was filled again.
    pub(crate) fn reused(&self) -> u64 {
        self.begun.saturating_sub(self.geometry.slot_count() as u64)
    }

    fn reserve_at(&self, in_use: usize, reserve: usize) -> usize {
        if in_use >= self.geometry.cleaning_slots() { reserve } else { 0 }
    }

    /// Free bytes of the slot being filled.
    fn remainder(&self) -> usize {
        self.used.back().map_or(0, |current| self.geometry.slot_bytes() - current.filled)
    }

    fn free_slots(&self) -> usize {
        self.geometry.slot_count() - self.used.len()
    }
}
