//! The lowest parts of a shard, which most others are handed.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::ShardIndex;
use millrace_core::journal::{Journal, JournalGeometry, SpaceGuard};
use millrace_rt::{File, SharedMemory};

use crate::commit::queue::Commit;
use crate::counters::Counters;
use crate::device::disk_classes::DiskClasses;
use crate::device::egress::EgressBudget;
use crate::device::fatal::Fatal;
use crate::device::open_files::OpenFiles;
use crate::device::planted::PlantedFault;
use crate::device::shares::{CACHE_PARTS, EGRESS_PARTS, PRODUCER_PARTS, TAIL_PARTS, WATCH_PARTS, share};
use crate::device::space::Space;
use crate::files::deleting::FileDeletion;
use crate::files::doomed::Doomed;
use crate::files::parts::DiskParts;
use crate::files::read_cache::ReadCache;
use crate::files::segment_files::SegmentFiles;
use crate::image::CurrentImage;
use crate::mesh::shard_mesh::ShardMesh;
use crate::partition::parts::{PartitionBounds, PartitionParts};
use crate::recovery::engine::{Engine, Facts, Inner};

/// The journal of this run.
pub(crate) struct NewJournal {
    pub(crate) journal: Journal,
    pub(crate) ring: SharedMemory,
    pub(crate) slots: Vec<File>,
}

/// The lowest parts, which most others are handed.
pub(super) struct Base {
    pub(super) index: ShardIndex,
    pub(super) engine: Arc<Inner>,
    pub(super) config: Arc<BrokerConfig>,
    pub(super) planted: PlantedFault,
    pub(super) geometry: JournalGeometry,
    pub(super) counters: Rc<Counters>,
    pub(super) image: Rc<CurrentImage>,
    pub(super) mesh: Rc<ShardMesh>,
    pub(super) partitions: Rc<PartitionParts>,
    pub(super) disk: Rc<DiskParts>,
    pub(super) commit: Rc<Commit>,
    pub(super) egress: Rc<EgressBudget>,
}

impl Base {
    pub(super) fn new(engine: &Engine, facts: &Facts, index: ShardIndex, journal: NewJournal) -> Base {
        let inner = &engine.inner;
        let settings = &inner.settings;
        let part = |parts| share(settings.memory_bytes / u64::from(settings.shards), parts);
        let planted = PlantedFault::new(inner.planted);
        let counters: Rc<Counters> = Rc::default();
        let classes: Rc<DiskClasses> = Rc::default();
        let mesh = engine.take_end(index.0).attach();
        let bounds = PartitionBounds {
            tails: part(TAIL_PARTS),
            delayed_fetches: part(WATCH_PARTS),
            producers: part(PRODUCER_PARTS),
        };
        let NewJournal { journal, ring, slots } = journal;
        let geometry = *journal.geometry();
        let commit = Rc::new(Commit::new(journal, ring, slots, Rc::clone(&classes)));
        let guard = SpaceGuard::new(settings.shards, settings.broker.reserve_bytes());
        let space = Rc::new(Space::new(guard, Arc::clone(&inner.space), planted, Rc::clone(&counters)));
        let files = Rc::new(SegmentFiles::new(
            inner.layout.clone(),
            facts.mode,
            facts.systems.clone(),
            OpenFiles::new(inner.open_files_max.load(Ordering::Relaxed)),
            ReadCache::new(part(CACHE_PARTS)),
        ));
        let doomed: Rc<Doomed> = Rc::default();
        let deletion = Rc::new(FileDeletion {
            doomed: Rc::clone(&doomed),
            files: Rc::clone(&files),
            classes: Rc::clone(&classes),
            hardened: commit.signals.hardened.clone(),
            space: Rc::clone(&space),
            counters: Rc::clone(&counters),
            fatal: Fatal::of(index),
        });
        Base {
            index,
            engine: Arc::clone(inner),
            config: Arc::clone(&settings.broker),
            planted,
            geometry,
            image: Rc::new(CurrentImage::new(Arc::clone(&facts.image))),
            mesh: Rc::new(ShardMesh::new(index, settings.shards, mesh, Rc::clone(&counters))),
            partitions: Rc::new(PartitionParts::new(bounds)),
            egress: EgressBudget::new(part(EGRESS_PARTS) as u64, Rc::clone(&classes)),
            disk: Rc::new(DiskParts { classes, space, files, doomed, deletion, unsynced: Rc::default() }),
            commit,
            counters,
        }
    }

    pub(super) fn shards(&self) -> u16 {
        self.mesh.shards
    }

    pub(super) fn shard_memory(&self) -> u64 {
        self.engine.settings.memory_bytes / u64::from(self.shards())
    }

    pub(super) fn part(&self, parts: u64) -> usize {
        share(self.shard_memory(), parts)
    }

    pub(super) fn fatal(&self) -> Fatal {
        Fatal::of(self.index)
    }
}
