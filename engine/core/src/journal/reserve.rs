//! The free-space reserve: what of a disk must stay free so that all that is only in memory and journal finds its
//! place, and whether appends are admitted.

/// What a partition takes besides its records when its tail goes to a file: directory, last block, index, and a block
/// of the file's own map.
const PARTITION_BYTES: u64 = 16 * 1024;
/// Metadata, manifest, and the directories of a start.
const SHARD_BYTES: u64 = 4 << 20;
/// Checkpoints on disk at once: two of each generation while a start switches to the next.
const CHECKPOINTS: u64 = 4;
/// What one shard may admit between two measures at the least: some of the largest appends.
pub const ADMISSION_BYTES: u64 = 8 << 20;
/// Appends are admitted again once this part of the reserve is free beyond it, so that the edge is not crossed to and
/// fro.
const RESUME_SHARE: u64 = 8;

/// What one shard may have to put on the disk without being asked again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaceNeed {
    pub journal_bytes: u64,
    pub partitions: u64,
    /// Length of its last checkpoint.
    pub checkpoint_bytes: u64,
}

impl SpaceNeed {
    /// A partition never holds more than the journal: so much goes to segments at most. As much again takes the journal
    /// that the next start makes beside the old one.
    pub fn bytes(&self) -> u64 {
        2 * self.journal_bytes
            + PARTITION_BYTES * self.partitions
            + CHECKPOINTS * self.checkpoint_bytes
            + SHARD_BYTES
    }

    /// What of it lies on the journal's disk, where that is another one (`millrace.journal.dir`).
    pub fn journal_disk_bytes(&self) -> u64 {
        self.journal_bytes + CHECKPOINTS * self.checkpoint_bytes + SHARD_BYTES
    }
}

/// Free space at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceMeasure {
    pub free_bytes: u64,
    /// Of all shards of the process.
    pub need_bytes: u64,
}

impl SpaceMeasure {
    /// Of two file systems the one that has less beyond what is needed.
    pub fn tighter(self, other: SpaceMeasure) -> SpaceMeasure {
        let spare = |it: &SpaceMeasure| i128::from(it.free_bytes) - i128::from(it.need_bytes);
        if spare(&other) < spare(&self) { other } else { self }
    }
}

/// Whether there is space for appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceState {
    Ample,
    /// Produce requests are refused; reads and deletions go on.
    Short,
}

/// The guard of one shard. Whoever measures the free space drives it, and the writers that find the disk full; admission
/// asks it.
///
/// Holds always: what was admitted since the last measure, by all shards together, is no more than what was free then
/// beyond the need. So free space never falls below what the journals hold, however slowly that goes to segments.
#[derive(Debug)]
pub struct SpaceGuard {
    shards: u64,
    /// `millrace.reserve.bytes`.
    wanted_bytes: u64,
    state: SpaceState,
    /// What this shard may admit until the next measure.
    share_bytes: u64,
    left_bytes: u64,
    /// Writers that wait for the device to take what it refused, whatever is said to be free.
    waiting_writers: u64,
    last: SpaceMeasure,
}

impl SpaceGuard {
    /// Admits nothing before the first measure.
    pub fn new(shards: u16, wanted_bytes: u64) -> SpaceGuard {
        SpaceGuard {
            shards: u64::from(shards),
            wanted_bytes,
            state: SpaceState::Ample,
            share_bytes: 0,
            left_bytes: 0,
            waiting_writers: 0,
            last: SpaceMeasure { free_bytes: 0, need_bytes: 0 },
        }
    }

    /// Answers the new state where it changes.
    pub fn handle_measure(&mut self, measure: SpaceMeasure) -> Option<SpaceState> {
        self.last = measure;
        let reserve = self.reserve_bytes();
        let needed = match self.state {
            SpaceState::Ample => reserve,
            SpaceState::Short => reserve.saturating_add(reserve / RESUME_SHARE),
        };
        let before = self.state;
        let is_short = self.waiting_writers > 0 || measure.free_bytes < needed;
        self.state = if is_short { SpaceState::Short } else { SpaceState::Ample };
        self.share_bytes = match self.state {
            SpaceState::Ample => measure.free_bytes.saturating_sub(measure.need_bytes) / self.shards,
            SpaceState::Short => 0,
        };
        self.left_bytes = self.share_bytes;
        (self.state != before).then_some(self.state)
    }

    /// How much is free cannot be told: appends are admitted, and only a write that the device refuses ends that.
    pub fn handle_unknown(&mut self) -> Option<SpaceState> {
        self.handle_measure(SpaceMeasure { free_bytes: u64::MAX, need_bytes: self.last.need_bytes })
    }

    /// The device refused a write for want of space; its writer waits. Answers the new state where it changes.
    pub fn handle_full_disk(&mut self) -> Option<SpaceState> {
        self.waiting_writers += 1;
        (self.share_bytes, self.left_bytes) = (0, 0);
        let before = std::mem::replace(&mut self.state, SpaceState::Short);
        (before == SpaceState::Ample).then_some(SpaceState::Short)
    }

    /// What the device had refused was written, or is not wanted any more. The next measure decides.
    pub fn handle_space_found(&mut self) {
        assert!(self.waiting_writers > 0, "only a writer that waits finds space");
        self.waiting_writers -= 1;
    }

    /// Whether an append of so many bytes may come in; if so it is counted.
    pub fn admit(&mut self, bytes: u64) -> bool {
        match self.left_bytes.checked_sub(bytes) {
            Some(left) => {
                self.left_bytes = left;
                true
            }
            None => false,
        }
    }

    /// Half of what may be admitted is used up: it is time to measure, before the interval has passed.
    pub fn wants_measure(&self) -> bool {
        self.state == SpaceState::Ample && self.left_bytes <= self.share_bytes / 2
    }

    pub fn state(&self) -> SpaceState {
        self.state
    }

    /// Free space below which appends are refused.
    pub fn reserve_bytes(&self) -> u64 {
        self.wanted_bytes.max(self.last.need_bytes.saturating_add(self.shards * ADMISSION_BYTES))
    }

    pub fn free_bytes(&self) -> u64 {
        self.last.free_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const NEED: u64 = 92 * MIB;
    /// Of one shard: the need and what it may admit between two measures.
    const RESERVE: u64 = 100 * MIB;

    fn guard(free_mib: u64) -> SpaceGuard {
        let mut guard = SpaceGuard::new(1, 0);
        measure(&mut guard, free_mib);
        guard
    }

    fn measure(guard: &mut SpaceGuard, free_mib: u64) -> Option<SpaceState> {
        guard.handle_measure(SpaceMeasure { free_bytes: free_mib * MIB, need_bytes: NEED })
    }

    #[test]
    fn a_need_covers_journals_partitions_and_checkpoints() {
        let need = SpaceNeed { journal_bytes: 64 * MIB, partitions: 0, checkpoint_bytes: 0 };
        assert_eq!((need.bytes(), need.journal_disk_bytes()), (132 * MIB, 68 * MIB));
        let need = SpaceNeed { partitions: 10_000, checkpoint_bytes: MIB, ..need };
        assert_eq!(need.bytes(), 136 * MIB + 10_000 * 16 * 1024);
    }

    #[test]
    fn the_edges_lie_apart() {
        use SpaceState::{Ample, Short};
        // free MiB, the edge that is crossed
        let cases = [
            (1000, None),
            (100, None),
            (99, Some(Short)),
            (0, None),
            (100, None),
            (112, None),
            (113, Some(Ample)),
            (100, None),
            (99, Some(Short)),
        ];
        let mut guard = guard(1000);
        assert_eq!(guard.reserve_bytes(), RESERVE);
        for (free, edge) in cases {
            assert_eq!(measure(&mut guard, free), edge, "{free} MiB");
        }
    }

    #[test]
    fn no_more_is_admitted_than_was_free_beyond_the_need() {
        let mut guard = guard(102);
        let mut admitted = 0;
        while guard.admit(MIB) {
            admitted += 1;
            assert_eq!(guard.wants_measure(), admitted >= 5, "{admitted}");
        }
        assert_eq!(admitted, 10);
        assert_eq!(guard.state(), SpaceState::Ample, "only a measure says that space is short");
        // Nothing was written to segments meanwhile: all of it is in the journal, and what was free still is.
        assert_eq!(measure(&mut guard, 102), None);
        assert!(guard.admit(MIB));
    }

    #[test]
    fn shards_share_what_is_free() {
        let mut guard = SpaceGuard::new(3, 0);
        assert!(!guard.admit(1), "nothing is admitted before the first measure");
        let need = SpaceMeasure { free_bytes: 200 * MIB, need_bytes: 50 * MIB };
        assert_eq!(guard.handle_measure(need), None);
        assert_eq!(guard.reserve_bytes(), 74 * MIB);
        assert!(guard.admit(50 * MIB) && !guard.admit(1));
    }

    #[test]
    fn a_wish_raises_the_reserve_and_never_lowers_it() {
        for (wish, reserve) in [(1, RESERVE), (RESERVE + 1, RESERVE + 1)] {
            let mut guard = SpaceGuard::new(1, wish);
            measure(&mut guard, 1000);
            assert_eq!(guard.reserve_bytes(), reserve);
        }
    }

    #[test]
    fn a_device_that_refuses_writes_is_believed_more_than_what_it_says_to_be_free() {
        let mut guard = guard(1000);
        assert_eq!(guard.handle_full_disk(), Some(SpaceState::Short));
        assert_eq!(guard.handle_full_disk(), None);
        assert_eq!(measure(&mut guard, 1000), None);
        guard.handle_space_found();
        assert_eq!(measure(&mut guard, 1000), None, "another writer waits");
        assert!(!guard.admit(1));
        guard.handle_space_found();
        assert_eq!(measure(&mut guard, 1000), Some(SpaceState::Ample));
        assert!(guard.admit(1));
    }

    #[test]
    fn what_cannot_be_measured_is_not_refused() {
        let mut guard = guard(10);
        assert_eq!(guard.state(), SpaceState::Short);
        assert_eq!(guard.handle_unknown(), Some(SpaceState::Ample));
        assert!(guard.admit(1 << 40));
    }

    #[test]
    fn of_two_file_systems_the_tighter_one_counts() {
        let roomy = SpaceMeasure { free_bytes: 100, need_bytes: 10 };
        let tight = SpaceMeasure { free_bytes: 1000, need_bytes: 990 };
        let over = SpaceMeasure { free_bytes: 5, need_bytes: 6 };
        assert_eq!(roomy.tighter(tight), tight);
        assert_eq!(tight.tighter(roomy), tight);
        assert_eq!(tight.tighter(over), over);
    }
}
