//! The free space of the disks as one shard sees it, and what the shards of a process tell each other of it.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use millrace_core::journal::{SpaceGuard, SpaceMeasure, SpaceNeed, SpaceState, Stock};
use millrace_rt::Signal;
use millrace_rt::fs::AvailableSpace;

/// What the shards of a process tell each other of the disk they share. Written when a shard measures, never on the way
/// of an append.
pub(crate) struct SharedSpace {
    needs: Vec<PublishedNeed>,
    /// Shards that refuse appends.
    pub(crate) short: AtomicU16,
}

#[derive(Default)]
struct PublishedNeed {
    data_bytes: AtomicU64,
    data_inodes: AtomicU64,
    journal_bytes: AtomicU64,
    journal_inodes: AtomicU64,
}

impl SharedSpace {
    pub(crate) fn new(shards: u16) -> SharedSpace {
        SharedSpace {
            needs: (0..shards).map(|_| PublishedNeed::default()).collect(),
            short: AtomicU16::new(0),
        }
    }

    /// Every shard does so before any of them serves.
    pub(crate) fn publish(&self, shard: u16, need: SpaceNeed) {
        if let Some(published) = self.needs.get(usize::from(shard)) {
            published.data_bytes.store(need.bytes(), Ordering::Relaxed);
            published.data_inodes.store(need.inodes(), Ordering::Relaxed);
            published.journal_bytes.store(need.journal_disk_bytes(), Ordering::Relaxed);
            published.journal_inodes.store(need.journal_disk_inodes(), Ordering::Relaxed);
        }
    }

    /// What the data directory's file system has, beside what all shards need of it.
    pub(crate) fn data_measure(&self, free: AvailableSpace) -> SpaceMeasure {
        let bytes = self.sum(|need| &need.data_bytes);
        let inodes = self.sum(|need| &need.data_inodes);
        measure(free, bytes, inodes)
    }

    /// The same of the journal's, where that is another one.
    pub(crate) fn journal_measure(&self, free: AvailableSpace) -> SpaceMeasure {
        let bytes = self.sum(|need| &need.journal_bytes);
        let inodes = self.sum(|need| &need.journal_inodes);
        measure(free, bytes, inodes)
    }

    fn sum(&self, part: impl Fn(&PublishedNeed) -> &AtomicU64) -> u64 {
        self.needs.iter().map(|need| part(need).load(Ordering::Relaxed)).sum()
    }
}

fn measure(free: AvailableSpace, bytes: u64, inodes: u64) -> SpaceMeasure {
    SpaceMeasure {
        bytes: Stock { free: free.bytes, need: bytes },
        inodes: Stock { free: free.inodes, need: inodes },
    }
}

/// The free space as one shard sees it.
pub(crate) struct Space {
    pub(crate) guard: RefCell<SpaceGuard>,
    /// It is time to measure.
    pub(crate) look: Signal,
    pub(crate) checkpoint_bytes: Cell<u64>,
    /// The last measure failed, and the log says so.
    pub(crate) unknown: Cell<bool>,
}

impl Space {
    pub(crate) fn new(shards: u16, wanted_bytes: u64) -> Space {
        Space {
            guard: RefCell::new(SpaceGuard::new(shards, wanted_bytes)),
            look: Signal::new(),
            checkpoint_bytes: Cell::new(0),
            unknown: Cell::new(false),
        }
    }

    pub(crate) fn is_short(&self) -> bool {
        self.guard.borrow().state() == SpaceState::Short
    }

    pub(crate) fn reserve_bytes(&self) -> u64 {
        self.guard.borrow().reserve_bytes()
    }

    pub(crate) fn reserve_inodes(&self) -> u64 {
        self.guard.borrow().reserve_inodes()
    }

    pub(crate) fn admit(&self, bytes: usize) -> bool {
        let mut guard = self.guard.borrow_mut();
        let admitted = guard.admit(bytes as u64);
        if guard.wants_measure() {
            self.look.notify_all();
        }
        admitted
    }
}
