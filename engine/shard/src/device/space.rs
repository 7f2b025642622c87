//! The free space of the disks as one shard sees it, and what the shards of a process tell each other of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use millrace_core::journal::{SpaceGuard, SpaceMeasure, SpaceNeed, SpaceState, Stock};
use millrace_rt::Signal;
use millrace_rt::fs::AvailableSpace;

use crate::api::Planted;
use crate::counters::Counters;
use crate::device::planted::PlantedFault;

/// Until a full disk is tried again. The data are in memory and in the journal meanwhile.
pub(crate) const RETRY_FULL: Duration = Duration::from_millis(200);

/// What the shards of a process tell each other of the disk they share. Written when a shard measures,
/// never on the way of an append.
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

/// What the shards of a process need of one file system. It has to be known before the file system is asked
/// what is free: of what they make meanwhile, neither would tell.
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
    /// What the shards of the process tell each other.
    pub(crate) shared: Arc<SharedSpace>,
    planted: PlantedFault,
    counters: Rc<Counters>,
}

impl Space {
    pub(crate) fn new(
        guard: SpaceGuard,
        shared: Arc<SharedSpace>,
        planted: PlantedFault,
        counters: Rc<Counters>,
    ) -> Space {
        Space {
            guard: RefCell::new(guard),
            look: Signal::new(),
            checkpoint_bytes: Cell::new(0),
            unknown: Cell::new(false),
            shared,
            planted,
            counters,
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

    /// Whether an append of `bytes` will find its place on the disk.
    pub(crate) fn admit(&self, bytes: usize) -> bool {
        let mut guard = self.guard.borrow_mut();
        let admitted = guard.admit(bytes as u64) || self.planted.is(Planted::IgnoresReserve);
        if guard.wants_measure() {
            self.look.notify_all();
        }
        if !admitted {
            self.counters.append.appends_without_space.increment();
        }
        admitted
    }

    /// The disk took no more, and a write waits for space.
    pub(crate) fn disk_is_full(&self) {
        let edge = self.guard.borrow_mut().handle_full_disk();
        self.announce(edge);
    }

    /// What the disk did not take is written, or is not wanted any more.
    pub(crate) fn disk_has_space(&self) {
        self.guard.borrow_mut().handle_space_found();
        self.look.notify_all();
    }

    /// One line for all shards: by the first that refuses appends, and by the last that takes them again.
    pub(crate) fn announce(&self, edge: Option<SpaceState>) {
        let short = &self.shared.short;
        let (free, reserve, free_inodes, reserve_inodes) = {
            let guard = self.guard.borrow();
            (guard.free_bytes(), guard.reserve_bytes(), guard.free_inodes(), guard.reserve_inodes())
        };
        match edge {
            Some(SpaceState::Short) if short.fetch_add(1, Ordering::Relaxed) == 0 => tracing::warn!(
                free,
                reserve,
                free_inodes,
                reserve_inodes,
                "the disk has too little space: records are refused, reads and deletions go on"
            ),
            Some(SpaceState::Ample) if short.fetch_sub(1, Ordering::Relaxed) == 1 => {
                tracing::info!(
                    free,
                    reserve,
                    free_inodes,
                    reserve_inodes,
                    "the disk has space again: records are taken"
                );
            }
            _ => {}
        }
    }
}
