//! The engine of one process: its settings, and the steps in which its shards open together.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_core::journal::{BootNonce, JournalGeometry, RecoveredPartition};
use millrace_core::meta::{DeletedTopics, MetadataImage};
use millrace_rt::{Gate, MeshEnd};

use crate::api::{EngineSettings, OpenError, Planted};
use crate::device::space::SharedSpace;
use crate::directory::file_systems::FileSystems;
use crate::directory::layout::Layout;
use crate::directory::manifest::Manifest;
use crate::directory::vouching::KnownTopics;
use crate::files::segment_files::DiskMode;
use crate::mesh::calls::{ShardRequest, ShardResponse};

/// The journal's ring: what may be sealed while one write is on its way. 16 MiB are 10 ms of a fast device.
const RING_BYTES: u64 = 16 * 1024 * 1024;
/// Asks that one shard may have under way to another. Produce requests of a busy connection take a few each.
const LANE_CAPACITY: usize = 1024;

/// One engine, seen by every shard of the process; made before they start. It opens once.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: EngineSettings,
    pub(crate) planted: Option<Planted>,
    pub(crate) layout: Layout,
    pub(crate) startup: Startup,
    pub(crate) space: Arc<SharedSpace>,
    ends: Mutex<Vec<Option<MeshEnd<ShardRequest, ShardResponse>>>>,
    /// Segment files that a shard keeps open.
    pub(crate) open_files_max: AtomicUsize,
    /// Every shard has written what it held.
    pub(crate) closed: Barrier,
}

/// What the shards tell each other while they open.
pub(crate) struct Startup {
    prepared: Gate,
    facts: Mutex<Option<Result<Arc<Facts>, OpenError>>>,
    failure: Mutex<Option<OpenError>>,
    recovered: Mutex<Vec<RecoveredPartition>>,
    pub(crate) replayed: Barrier,
    pub(crate) built: Barrier,
    pub(crate) switched: Gate,
}

/// What shard 0 found in the data directory.
pub(crate) struct Facts {
    pub(crate) image: Arc<MetadataImage>,
    /// What the metadata log says is no more.
    pub(crate) deleted: DeletedTopics,
    pub(crate) mode: DiskMode,
    pub(crate) systems: FileSystems,
    /// The journals to be replayed.
    pub(crate) old: Option<Manifest>,
    /// Those to be begun.
    pub(crate) new: Manifest,
}

impl Inner {
    /// The sizes of this run's journals.
    pub(crate) fn geometry(&self) -> Result<JournalGeometry, OpenError> {
        JournalGeometry::new(self.settings.journal_bytes, RING_BYTES)
            .map_err(|error| OpenError::Settings(format!("millrace.journal.bytes: {error}")))
    }
}

impl Facts {
    pub(crate) fn known(&self) -> KnownTopics<'_> {
        KnownTopics { image: &self.image, deleted: &self.deleted }
    }

    pub(crate) fn boot(&self) -> BootNonce {
        self.new.boot
    }
}

/// Opens once every shard has arrived.
pub(crate) struct Barrier {
    missing: AtomicU16,
    gate: Gate,
}

impl Barrier {
    fn new(shards: u16) -> Barrier {
        Barrier { missing: AtomicU16::new(shards), gate: Gate::new() }
    }

    pub(crate) async fn arrive(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.gate.open();
        }
        self.gate.wait().await;
    }
}

impl Engine {
    pub fn new(settings: EngineSettings) -> Engine {
        Engine::make(settings, None)
    }

    /// An engine with a fault, for tests that the fault is caught.
    #[doc(hidden)]
    pub fn with_planted(settings: EngineSettings, planted: Planted) -> Engine {
        Engine::make(settings, Some(planted))
    }

    /// Bounds the segment files that each shard keeps open; for shards that open after this.
    pub fn limit_open_files(&self, files_per_shard: usize) {
        self.inner.open_files_max.store(files_per_shard, Ordering::Relaxed);
    }

    fn make(settings: EngineSettings, planted: Option<Planted>) -> Engine {
        let shards = settings.shards;
        assert!(shards > 0, "an engine has at least one shard");
        let layout = Layout::new(&settings.data_dir, settings.journal_dir.as_deref(), &settings.shm_dir);
        let ends = millrace_rt::mesh(shards, LANE_CAPACITY).into_iter().map(Some).collect();
        let startup = Startup {
            prepared: Gate::new(),
            facts: Mutex::new(None),
            failure: Mutex::new(None),
            recovered: Mutex::new(Vec::new()),
            replayed: Barrier::new(shards),
            built: Barrier::new(shards),
            switched: Gate::new(),
        };
        let inner = Inner {
            settings,
            planted,
            layout,
            startup,
            space: Arc::new(SharedSpace::new(shards)),
            ends: Mutex::new(ends),
            open_files_max: AtomicUsize::new(usize::MAX),
            closed: Barrier::new(shards),
        };
        Engine { inner: Arc::new(inner) }
    }

    /// The shard's end of the mesh; each is taken once.
    pub(crate) fn take_end(&self, shard: u16) -> MeshEnd<ShardRequest, ShardResponse> {
        let end = lock(&self.inner.ends).get_mut(usize::from(shard)).and_then(Option::take);
        // A seat outside the settings or a second open of the same shard is a caller's bug.
        end.unwrap_or_else(|| unreachable!("each shard of an engine opens once"))
    }
}

impl Startup {
    pub(crate) fn publish(&self, facts: Result<Facts, OpenError>) {
        *lock(&self.facts) = Some(facts.map(Arc::new));
        self.prepared.open();
    }

    pub(crate) async fn facts(&self) -> Result<Arc<Facts>, OpenError> {
        self.prepared.wait().await;
        lock(&self.facts).clone().unwrap_or_else(|| unreachable!("facts are published before the gate opens"))
    }

    /// The first failure stops every shard.
    pub(crate) fn fail(&self, error: OpenError) {
        lock(&self.failure).get_or_insert(error);
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        lock(&self.failure).clone().map_or(Ok(()), Err)
    }

    pub(crate) fn give(&self, recovered: Vec<RecoveredPartition>) {
        lock(&self.recovered).extend(recovered);
    }

    /// What was recovered of the partitions that `mine` picks.
    pub(crate) fn take(&self, mine: impl Fn(&RecoveredPartition) -> bool) -> Vec<RecoveredPartition> {
        lock(&self.recovered).extract_if(.., |partition| mine(partition)).collect()
    }
}

/// A panic of another shard ends the process, so a poisoned lock is never seen in earnest.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
