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

    /// What all shards need of the data directory's file system.
    pub(crate) fn data_need(&self) -> AllNeed {
        AllNeed { bytes: self.sum(|need| &need.data_bytes), inodes: self.sum(|need| &need.data_inodes) }
    }

    /// The same of the journal's, where that is another one.
    pub(crate) fn journal_need(&self) -> AllNeed {
        AllNeed { bytes: self.sum(|need| &need.journal_bytes), inodes: self.sum(|need| &need.journal_inodes) }
    }

    fn sum(&self, part: impl Fn(&PublishedNeed) -> &AtomicU64) -> u64 {
        self.needs.iter().map(|need| part(need).load(Ordering::Relaxed)).sum()
    }
}

/// What the shards of a process need of one file system. It has to be known before the file system is asked what is free:
/// of what they make meanwhile, neither would tell.
pub(crate) struct AllNeed {
    bytes: u64,
    inodes: u64,
}

impl AllNeed {
    pub(crate) fn beside(self, free: AvailableSpace) -> SpaceMeasure {
        SpaceMeasure {
            bytes: Stock { free: free.bytes, need: self.bytes },
            inodes: Stock { free: free.inodes, need: self.inodes },
        }
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
