//! The free-space reserve: what of a disk must stay free so that all that is only in memory and journal finds
//! its place, and whether appends are admitted.

/// What a partition takes besides its records when its tail goes to a file: directory, last block, index, and
/// a block of the file's own map.
const PARTITION_BYTES: u64 = 16 * 1024;
/// The same in inodes: a directory, a segment and its index; or, of a partition that has them, the next
/// segment, its index, and an index on its way.
const PARTITION_INODES: u64 = 3;
/// What is made of a new partition at once: a directory, and its first segment.
const FIRST_BYTES: u64 = 4 * 1024;
const FIRST_INODES: u64 = 2;
/// Metadata, manifest, and the directories of a start.
const SHARD_BYTES: u64 = 4 << 20;
/// These, and the slots and checkpoints of the journal that the next start makes.
const SHARD_INODES: u64 = 64;
/// Checkpoints on disk at once: two of each generation while a start switches to the next.
const CHECKPOINTS: u64 = 4;
/// What one shard may admit between two measures at the least: some of the largest appends.
pub const ADMISSION_BYTES: u64 = 8 << 20;
pub const ADMISSION_INODES: u64 = 256;
/// An append that rolls its segment makes files of it: the new one, and the index of the old.
const APPEND_INODES: u64 = 2;
/// Appends are admitted again once this part of the reserve is free beyond it,
/// so that the edge is not crossed to and fro.
const RESUME_SHARE: u64 = 8;

/// What one shard may have to put on the disk without being asked again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaceNeed {
    pub journal_bytes: u64,
    pub partitions: u64,
    /// Files that segments which stand in memory are given yet,
    /// beyond those that each partition is counted with.
    pub files_due: u64,
    /// Length of its last checkpoint.
    pub checkpoint_bytes: u64,
}

impl SpaceNeed {
    /// A partition never holds more than the journal: so much goes to segments at most. As much again takes
    /// the journal that the next start makes beside the old one.
    pub fn bytes(&self) -> u64 {
        2 * self.journal_bytes
            + PARTITION_BYTES * self.partitions
            + CHECKPOINTS * self.checkpoint_bytes
            + SHARD_BYTES
    }

    pub fn inodes(&self) -> u64 {
        PARTITION_INODES * self.partitions + self.files_due + SHARD_INODES
    }

    /// What of it lies on the journal's disk, where that is another one (`millrace.journal.dir`).
    pub fn journal_disk_bytes(&self) -> u64 {
        self.journal_bytes + CHECKPOINTS * self.checkpoint_bytes + SHARD_BYTES
    }

    pub fn journal_disk_inodes(&self) -> u64 {
        SHARD_INODES
    }
}

/// Of bytes or of inodes: how many a file system has left, and how many the shards of the process need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    pub free: u64,
    pub need: u64,
}

impl Stock {
    /// Of two file systems the one that has less beyond what is needed.
    fn tighter(self, other: Stock) -> Stock {
        let spare = |it: &Stock| i128::from(it.free) - i128::from(it.need);
        if spare(&other) < spare(&self) { other } else { self }
    }
}

/// Free space at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceMeasure {
    pub bytes: Stock,
    pub inodes: Stock,
}

impl SpaceMeasure {
    /// Of two file systems what either has less of beyond what is needed.
    pub fn tighter(self, other: SpaceMeasure) -> SpaceMeasure {
        SpaceMeasure { bytes: self.bytes.tighter(other.bytes), inodes: self.inodes.tighter(other.inodes) }
    }
}

/// What one shard may admit between two measures, and what of it is left.
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    share: u64,
    left: u64,
}

impl Allowance {
    fn of(share: u64) -> Allowance {
        Allowance { share, left: share }
    }

    fn is_half_used(self) -> bool {
        self.left <= self.share / 2
    }
}

/// Whether there is space for appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceState {
    Ample,
    /// Produce requests are refused; reads and deletions go on.
    Short,
}

/// The guard of one shard. Whoever measures the free space drives it,
/// and the writers that find the disk full; admission asks it.
///
/// Holds always: what was admitted since the last measure, by all shards together, is no more than what was
/// free then beyond the need. So free space never falls below what the journals hold,
/// however slowly that goes to segments.
#[derive(Debug)]
pub struct SpaceGuard {
    shards: u64,
    /// `millrace.reserve.bytes`.
    wanted_bytes: u64,
    state: SpaceState,
    /// What this shard may admit until the next measure.
    bytes: Allowance,
    inodes: Allowance,
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
            bytes: Allowance::default(),
            inodes: Allowance::default(),
            waiting_writers: 0,
            last: SpaceMeasure { bytes: Stock { free: 0, need: 0 }, inodes: Stock { free: 0, need: 0 } },
        }
    }

    /// Answers the new state where it changes.
    pub fn handle_measure(&mut self, measure: SpaceMeasure) -> Option<SpaceState> {
        self.last = measure;
        let before = self.state;
        let is_below = |free: u64, reserve: u64| match before {
            SpaceState::Ample => free < reserve,
            SpaceState::Short => free < reserve.saturating_add(reserve / RESUME_SHARE),
        };
        let is_short = self.waiting_writers > 0
            || is_below(measure.bytes.free, self.reserve_bytes())
            || is_below(measure.inodes.free, self.reserve_inodes());
        self.state = if is_short { SpaceState::Short } else { SpaceState::Ample };
        let allowance = |stock: Stock| match is_short {
            true => Allowance::default(),
            false => Allowance::of(stock.free.saturating_sub(stock.need) / self.shards),
        };
        (self.bytes, self.inodes) = (allowance(measure.bytes), allowance(measure.inodes));
        (self.state != before).then_some(self.state)
    }

    /// How much is free cannot be told: appends are admitted,
    /// and only a write that the device refuses ends that.
    pub fn handle_unknown(&mut self) -> Option<SpaceState> {
        let endless = |stock: Stock| Stock { free: u64::MAX, ..stock };
        self.handle_measure(SpaceMeasure {
            bytes: endless(self.last.bytes),
            inodes: endless(self.last.inodes),
        })
    }

    /// The device refused a write for want of space; its writer waits.
    /// Answers the new state where it changes.
    pub fn handle_full_disk(&mut self) -> Option<SpaceState> {
        self.waiting_writers += 1;
        (self.bytes, self.inodes) = (Allowance::default(), Allowance::default());
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
        let left = (self.bytes.left.checked_sub(bytes), self.inodes.left.checked_sub(APPEND_INODES));
        let (Some(bytes), Some(inodes)) = left else { return false };
        (self.bytes.left, self.inodes.left) = (bytes, inodes);
        true
    }

    /// Whether space is left for records once there are so many partitions more, with their first files: no
    /// creation makes space short by itself.
    pub fn has_room_for(&self, partitions: u64) -> bool {
        let fits = |free: u64, reserve: u64, each: u64| reserve.saturating_add(each * partitions) <= free;
        self.state == SpaceState::Ample
            && fits(self.last.bytes.free, self.reserve_bytes(), PARTITION_BYTES + FIRST_BYTES)
            && fits(self.last.inodes.free, self.reserve_inodes(), PARTITION_INODES + FIRST_INODES)
    }

    /// Half of what may be admitted is used up: it is time to measure, before the interval has passed.
    pub fn wants_measure(&self) -> bool {
        self.state == SpaceState::Ample && (self.bytes.is_half_used() || self.inodes.is_half_used())
    }

    pub fn state(&self) -> SpaceState {
        self.state
    }

    /// Free space below which appends are refused.
    pub fn reserve_bytes(&self) -> u64 {
        self.wanted_bytes.max(self.last.bytes.need.saturating_add(self.shards * ADMISSION_BYTES))
    }

    pub fn free_bytes(&self) -> u64 {
        self.last.bytes.free
    }

    /// Free inodes below which they are.
    pub fn reserve_inodes(&self) -> u64 {
        self.last.inodes.need.saturating_add(self.shards * ADMISSION_INODES)
    }

    pub fn free_inodes(&self) -> u64 {
        self.last.inodes.free
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

    const PLENTY: Stock = Stock { free: 1 << 20, need: 100 };

    fn measure(guard: &mut SpaceGuard, free_mib: u64) -> Option<SpaceState> {
        let bytes = Stock { free: free_mib * MIB, need: NEED };
        guard.handle_measure(SpaceMeasure { bytes, inodes: PLENTY })
    }

    #[test]
    fn a_need_covers_journals_partitions_and_checkpoints() {
        let need = SpaceNeed { journal_bytes: 64 * MIB, partitions: 0, files_due: 0, checkpoint_bytes: 0 };
        assert_eq!((need.bytes(), need.journal_disk_bytes()), (132 * MIB, 68 * MIB));
        let need = SpaceNeed { partitions: 10_000, checkpoint_bytes: MIB, ..need };
        assert_eq!(need.bytes(), 136 * MIB + 10_000 * 16 * 1024);
        assert_eq!((need.inodes(), need.journal_disk_inodes()), (30_064, 64));
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
        let bytes = Stock { free: 200 * MIB, need: 50 * MIB };
        assert_eq!(guard.handle_measure(SpaceMeasure { bytes, inodes: PLENTY }), None);
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
        let roomy = Stock { free: 100, need: 10 };
        let tight = Stock { free: 1000, need: 990 };
        let over = Stock { free: 5, need: 6 };
        assert_eq!(roomy.tighter(tight), tight);
        assert_eq!(tight.tighter(roomy), tight);
        assert_eq!(tight.tighter(over), over);
        let (data, journal) =
            (SpaceMeasure { bytes: roomy, inodes: over }, SpaceMeasure { bytes: tight, inodes: roomy });
        assert_eq!(data.tighter(journal), SpaceMeasure { bytes: tight, inodes: over });
    }

    #[test]
    fn inodes_run_out_as_bytes_do() {
        use SpaceState::{Ample, Short};
        let mut guard = SpaceGuard::new(1, 0);
        let measure = |guard: &mut SpaceGuard, free: u64| {
            let bytes = Stock { free: 1000 * MIB, need: NEED };
            guard.handle_measure(SpaceMeasure { bytes, inodes: Stock { free, need: 144 } })
        };
        // The need, and what one shard may admit: 400.
        for (free, edge) in [(400, None), (399, Some(Short)), (449, None), (450, Some(Ample)), (400, None)] {
            assert_eq!(measure(&mut guard, free), edge, "{free} inodes");
        }
        assert_eq!((guard.reserve_inodes(), guard.free_inodes()), (400, 400));
        let mut admitted = 0;
        while guard.admit(1) {
            admitted += 1;
            assert_eq!(guard.wants_measure(), admitted >= 64, "{admitted}");
        }
        assert_eq!(admitted, 128, "each may begin two files");
    }

    #[test]
    fn partitions_are_made_where_their_part_of_the_reserve_is_free() {
        // free MiB, free inodes, how many partitions fit: 51 take a MiB, and 6 take 30 inodes
        let cases = [(101, 1000, 51), (101, 430, 6), (200, 430, 6), (100, 1000, 0), (101, 400, 0)];
        for (free, inodes, most) in cases {
            let mut guard = SpaceGuard::new(1, 0);
            guard.handle_measure(SpaceMeasure {
                bytes: Stock { free: free * MIB, need: NEED },
                inodes: Stock { free: inodes, need: 144 },
            });
            assert!(guard.has_room_for(most), "{free} MiB, {inodes} inodes");
            assert!(!guard.has_room_for(most + 1), "{free} MiB, {inodes} inodes");
        }
        let mut guard = guard(99);
        assert!(!guard.has_room_for(0), "space is short");
        measure(&mut guard, 112);
        assert!(!guard.has_room_for(1), "and is until some more of it is free");
    }
}
