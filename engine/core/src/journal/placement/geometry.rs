//! The sizes of a journal: slots, ring, and what they allow a frame, an append and a carry to be.

use crate::base::limits::BLOCK_BYTES;
use crate::journal::frames::entry::APPEND_HEAD_BYTES;
use crate::journal::frames::frame::FRAME_HEADER_BYTES;
use thiserror::Error;

/// The smallest journal: two slots, each of which takes a frame with Kafka's largest default batch (1 MiB +
/// 12).
pub const JOURNAL_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// A smaller slot would not take one default batch beside the space that cleaning needs.
pub const SLOT_BYTES_MIN: usize = 2 * 1024 * 1024;

/// More slots clean in finer steps but write more checkpoints; an eighth of the journal a step is enough.
pub const SLOTS_MAX: usize = 8;

/// A tail of this size or more is flushed to its segment by a cleaning instead of being logged again. A write
/// of its own costs the device about as much as 64 KiB of journal, and whoever appends so much at a time to
/// thousands of partitions comes back to each so late that it would be carried several times.
pub const CARRY_TAIL_BYTES_MAX: usize = 16 * 1024;

/// A slot holds at least this many carries, so that the end of a slot that no carry fits into wastes little.
const CARRIES_PER_SLOT: usize = 16;

const BLOCK: usize = BLOCK_BYTES;

/// Why no journal has the sizes asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GeometryError {
    #[error("a journal of {journal_bytes} bytes is below the minimum of {JOURNAL_BYTES_MIN}")]
    JournalTooSmall { journal_bytes: u64 },
    #[error("a journal of {journal_bytes} bytes is more than this machine can address")]
    JournalTooLarge { journal_bytes: u64 },
    #[error("a ring of {ring_bytes} bytes does not hold a frame of one batch; it needs {needed} bytes")]
    RingTooSmall { ring_bytes: u64, needed: u64 },
    #[error("{slots} slots of {slot_bytes} bytes: at least 2, each a multiple of 4 KiB and at least 64 KiB")]
    BadSlots { slots: usize, slot_bytes: usize },
}

/// Sizes of one shard's journal; the same for its whole generation.
///
/// Holds always: at least two slots; slots, ring and every frame are multiples of 4 KiB; a frame of
/// `frame_bytes_max` fits into the ring, and into a fresh slot beside the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalGeometry {
    slot_count: usize,
    slot_bytes: usize,
    ring_bytes: usize,
}

impl JournalGeometry {
    /// The sizes for a journal of `journal_bytes` per shard (`millrace.journal.bytes`) and a ring of
    /// `ring_bytes`, both rounded down to what slots and 4 KiB blocks allow.
    pub fn new(journal_bytes: u64, ring_bytes: u64) -> Result<JournalGeometry, GeometryError> {
        if journal_bytes < JOURNAL_BYTES_MIN {
            return Err(GeometryError::JournalTooSmall { journal_bytes });
        }
        let total =
            usize::try_from(journal_bytes).map_err(|_| GeometryError::JournalTooLarge { journal_bytes })?;
        // A frame's length is 32 bits in its header.
        let eighth = (total / SLOTS_MAX).min(u32::MAX as usize) / BLOCK * BLOCK;
        let slot_bytes = eighth.max(SLOT_BYTES_MIN);
        let ring = usize::try_from(ring_bytes).unwrap_or(usize::MAX);
        JournalGeometry::with_slots(total / slot_bytes, slot_bytes, ring)
    }

    /// Exact sizes, also below what a broker accepts: for simulated journals that must wrap often.
    pub fn with_slots(
        slot_count: usize,
        slot_bytes: usize,
        ring_bytes: usize,
    ) -> Result<JournalGeometry, GeometryError> {
        let aligned = slot_bytes.is_multiple_of(BLOCK) && slot_bytes >= CARRIES_PER_SLOT * BLOCK;
        if slot_count < 2 || !aligned || u32::try_from(slot_bytes).is_err() {
            return Err(GeometryError::BadSlots { slots: slot_count, slot_bytes });
        }
        let needed = slot_bytes.min(SLOT_BYTES_MIN);
        if ring_bytes < needed {
            return Err(GeometryError::RingTooSmall { ring_bytes: ring_bytes as u64, needed: needed as u64 });
        }
        Ok(JournalGeometry { slot_count, slot_bytes, ring_bytes: ring_bytes / BLOCK * BLOCK })
    }

    pub fn slot_count(&self) -> usize {
        self.slot_count
    }

    pub fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    pub fn ring_bytes(&self) -> usize {
        self.ring_bytes
    }

    /// Bytes of all slots.
    pub fn journal_bytes(&self) -> usize {
        self.slot_count * self.slot_bytes
    }

    /// Slots in use at which the oldest one is to be cleaned: half of them.
    /// The slot being written is never cleaned, so at least two.
    pub fn cleaning_slots(&self) -> usize {
        self.slot_count.div_ceil(2).max(2)
    }

    /// What appends leave free while a cleaning is due, for its carries: a quarter of the journal less a
    /// sixteenth of that, which lets a default batch of 1 MiB + 12 fit beside it in the smallest journal.
    pub fn reserve_bytes(&self) -> usize {
        let quarter = self.journal_bytes() / 4;
        (quarter - quarter / 16) / BLOCK * BLOCK
    }

    /// The longest frame that is sure to find a place once cleaning has caught up.
    pub fn frame_bytes_max(&self) -> usize {
        // With two slots the second is opened while the first waits to be cleaned:
        // the reserve lies in it too.
        let beside_reserve = (self.slot_count - 1) * self.slot_bytes - self.reserve_bytes();
        self.slot_bytes.min(self.ring_bytes).min(beside_reserve)
    }

    /// The payload that one append entry may hold, alone in its frame.
    pub fn append_bytes_max(&self) -> usize {
        self.frame_bytes_max() - FRAME_HEADER_BYTES - APPEND_HEAD_BYTES
    }

    /// Tails below this are carried by a cleaning, larger ones are flushed.
    pub fn carry_tail_bytes_max(&self) -> usize {
        CARRY_TAIL_BYTES_MAX.min(self.slot_bytes / CARRIES_PER_SLOT)
    }

    /// What the cleaning of one slot may carry at most: half of what it frees. With more, tails that fill a
    /// slot would be carried round and round, and the journal would never come to rest.
    pub fn cleaning_carry_bytes_max(&self) -> usize {
        self.slot_bytes / 2
    }

    /// Carry frames are sealed at least this long while carries remain,
    /// so that their padding stays small: two carries.
    pub(crate) fn carry_frame_bytes_min(&self) -> usize {
        (2 * self.carry_tail_bytes_max()).min(self.ring_bytes / 2) / BLOCK * BLOCK
    }

    /// What is sure to be carried into `bytes` of free journal that lie in `parts` slots: the end of each
    /// part may be too short for a carry, and each frame is padded.
    pub(crate) fn carry_bytes_within(&self, bytes: usize, parts: usize) -> usize {
        let wasted = parts * (self.carry_tail_bytes_max() + 2 * BLOCK);
        let usable = bytes.saturating_sub(wasted);
        // Two blocks of header and padding for each frame, which holds one carry of the largest size or more.
        let frame = self.carry_frame_bytes_min() / 2;
        usable / (frame + 2 * BLOCK) * frame
    }
}

const _: () = assert!(CARRY_TAIL_BYTES_MAX <= SLOT_BYTES_MIN / CARRIES_PER_SLOT);
const _: () = assert!(JOURNAL_BYTES_MIN as usize >= 2 * SLOT_BYTES_MIN);

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn sizes_follow_the_journal() {
        // journal MiB, slots, slot KiB, cleaning at
        let cases = [
            (4, 2, 2048, 2),
            (5, 2, 2048, 2),
            (6, 3, 2048, 2),
            (8, 4, 2048, 2),
            (15, 7, 2048, 4),
            (16, 8, 2048, 4),
            (64, 8, 8192, 4),
            (1024, 8, 131_072, 4),
        ];
        for (journal, slots, slot_kib, cleaning) in cases {
            let geometry = JournalGeometry::new(journal * MIB, 16 * MIB).unwrap();
            let found = (geometry.slot_count(), geometry.slot_bytes() / 1024, geometry.cleaning_slots());
            assert_eq!(found, (slots, slot_kib, cleaning), "{journal} MiB");
            assert!(geometry.frame_bytes_max().is_multiple_of(BLOCK));
            assert!(geometry.append_bytes_max() >= MIB as usize + 12, "{journal} MiB: a default batch fits");
            let carried = geometry.cleaning_carry_bytes_max();
            let padded = carried + carried / geometry.carry_frame_bytes_min() * 2 * BLOCK + 2 * BLOCK;
            assert!(padded < geometry.slot_bytes(), "{journal} MiB: a cleaning frees more than it takes");
            assert!(geometry.carry_bytes_within(geometry.reserve_bytes(), 2) > geometry.reserve_bytes() / 2);
        }
    }

    #[test]
    fn impossible_sizes_are_named() {
        use GeometryError::*;
        let new = JournalGeometry::new;
        assert_eq!(new(4 * MIB - 1, MIB), Err(JournalTooSmall { journal_bytes: 4 * MIB - 1 }));
        assert_eq!(new(4 * MIB, MIB), Err(RingTooSmall { ring_bytes: MIB, needed: 2 * MIB }));
        let with = JournalGeometry::with_slots;
        assert_eq!(with(1, 1 << 20, 1 << 20), Err(BadSlots { slots: 1, slot_bytes: 1 << 20 }));
        assert_eq!(with(2, 70_000, 1 << 20), Err(BadSlots { slots: 2, slot_bytes: 70_000 }));
        assert!(with(2, 65_536, 65_536).is_ok());
    }
}
