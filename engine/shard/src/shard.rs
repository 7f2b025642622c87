//! One core's part of the engine: the state its tasks share, and the handle through which callers reach any shard.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::{PartitionKey, ShardIndex};
use millrace_core::journal::BootNonce;
use millrace_core::meta::{ClientQuotas, MetadataImage};
use millrace_rt::{Mesh, Reply, Signal};

use crate::asks::SlowAsks;
use crate::cleaner::Cleaner;
use crate::commit::Commit;
use crate::compaction::Compaction;
use crate::coordinators::Groups;
use crate::counters::Counters;
use crate::doomed::Doomed;
use crate::egress::EgressBudget;
use crate::engine::Inner;
use crate::files::SegmentFiles;
use crate::first_files::FirstFiles;
use crate::flusher::Flusher;
use crate::indexes::DueIndex;
use crate::inflating::Inflating;
use crate::message::{Answer, Ask};
use crate::metadata_log::MetadataLog;
use crate::owners::group_by_owner;
use crate::partition::Table;
use crate::producers::ProducerBound;
use crate::reads_beside::ReadsBeside;
use crate::retention::Retention;
use crate::space::Space;
use crate::tail_memory::TailMemory;
use crate::unreleased::Unreleased;
use crate::watch::Purgatory;

/// While commits come and go: 0.01 ms. Sends of 128 KiB made commits beside a reader take 1.6 times as long at their 90th
/// percentile, and brought the reader a seventh less.
const SEND_BYTES_BESIDE_COMMITS: usize = 32 * 1024;
/// While none do: 0.15 ms. A reader of memory gets 4.3 to 5.3 GB/s in sends of 640 KiB to 1 MiB, 3.8 in shorter ones, which
/// wake it more often, and 3.7 in those of a whole answer, which is cold when it is read.
const SEND_BYTES: usize = 768 * 1024;

/// State of one shard; owned by its tasks, never seen by another core.
pub(crate) struct Core {
    pub(crate) index: ShardIndex,
    pub(crate) shards: u16,
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) boot: BootNonce,
    pub(crate) journal_dir: PathBuf,
    pub(crate) append_bytes_max: usize,
    /// Records that wait for the journal; more are refused.
    pub(crate) queue_bytes_max: usize,
    pub(crate) egress: Rc<EgressBudget>,
    pub(crate) table: Table,
    pub(crate) commit: Commit,
    pub(crate) inflating: Inflating,
    pub(crate) flusher: Flusher,
    pub(crate) tails: TailMemory,
    pub(crate) unreleased: Unreleased,
    pub(crate) cleaning: Cleaner,
    pub(crate) retention: Retention,
    pub(crate) compaction: Compaction,
    pub(crate) doomed: Doomed,
    pub(crate) space: Space,
    pub(crate) files: SegmentFiles,
    pub(crate) reads_beside: ReadsBeside,
    pub(crate) first_files: FirstFiles,
    pub(crate) checkpoint_number: Cell<u64>,
    /// Indexes whose files lag behind what the newest checkpoint calls hard.
    pub(crate) indexes_due: RefCell<Vec<DueIndex>>,
    pub(crate) image: RefCell<Arc<MetadataImage>>,
    pub(crate) mesh: Mesh<Ask, Answer>,
    /// On shard 0 only.
    pub(crate) metadata: Option<MetadataLog>,
    pub(crate) producer_ids: RefCell<std::ops::Range<i64>>,
    pub(crate) arrivals: Arrivals,
    pub(crate) groups: Groups,
    pub(crate) purgatory: Purgatory,
    pub(crate) producers: ProducerBound,
    /// Reads of other shards' connections that have to wait for the disk.
    pub(crate) reads: SlowAsks,
    pub(crate) slow: SlowAsks,
    pub(crate) counters: Counters,
    pub(crate) engine: Arc<Inner>,
}

/// Connections that were handed to this shard and not yet taken.
#[derive(Default)]
pub(crate) struct Arrivals {
    parcels: RefCell<VecDeque<Box<dyn Any + Send>>>,
    came: Signal,
}

impl Arrivals {
    pub(crate) fn push(&self, parcel: Box<dyn Any + Send>) {
        self.parcels.borrow_mut().push_back(parcel);
        self.came.notify_all();
    }

    /// Dropping the future takes no parcel.
    async fn next(&self) -> Box<dyn Any + Send> {
        loop {
            let parcel = self.parcels.borrow_mut().pop_front();
            match parcel {
                Some(parcel) => return parcel,
                None => self.came.wait().await,
            }
        }
    }
}

impl Core {
    /// Ends the process with its reason (design: a failed journal write, sync or checkpoint is never retried).
    pub(crate) async fn fail(&self, reason: String) -> ! {
        millrace_rt::end_process(format!("shard {}: {reason}", self.index)).await
    }
}

/// Handle of one shard, through which every partition of the node is reached. Cheap to clone; stays on its core.
#[derive(Clone)]
pub struct Shard {
    core: Rc<Core>,
}

impl Shard {
    pub(crate) fn new(core: Rc<Core>) -> Shard {
        Shard { core }
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    pub fn index(&self) -> ShardIndex {
        self.core.index
    }

    pub fn shards(&self) -> u16 {
        self.core.shards
    }

    /// The newest metadata that this shard has seen.
    pub fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.core.image.borrow())
    }

    /// Looks at the client quotas that this shard has seen last, without taking a share of them; nothing where there are
    /// none.
    pub fn with_client_quotas<T>(&self, look: impl FnOnce(&Arc<ClientQuotas>) -> T) -> Option<T> {
        let image = self.core.image.borrow();
        let quotas = image.client_quotas();
        (!quotas.is_empty()).then(|| look(quotas))
    }

    pub fn config(&self) -> &Arc<BrokerConfig> {
        &self.core.config
    }

    /// The most that one send may take of a turn: the kernel copies it before the turn goes on.
    pub fn send_bytes_max(&self) -> usize {
        match self.core.commit.classes.are_commits_active() {
            true => SEND_BYTES_BESIDE_COMMITS,
            false => SEND_BYTES,
        }
    }

    /// The memory that answers of this shard's connections may hold.
    pub fn egress(&self) -> &Rc<EgressBudget> {
        &self.core.egress
    }

    /// Gives a parcel (a connection) to another shard, or to this one; waits while the lane is full.
    ///
    /// Dropping the future drops the parcel unless it is under way.
    pub async fn hand_over(&self, to: ShardIndex, parcel: Box<dyn Any + Send>) {
        if to == self.index() {
            self.core.arrivals.push(parcel);
        } else {
            self.ask(to, Ask::Arrival(parcel)).await;
        }
    }

    /// The next parcel that was handed to this shard. Dropping the future takes none.
    pub async fn next_arrival(&self) -> Box<dyn Any + Send> {
        self.core.arrivals.next().await
    }

    /// Queues an ask; returns once it is in the lane, so that asks of one caller keep their order.
    pub(crate) async fn admit(&self, to: ShardIndex, ask: Ask) -> Reply<Answer> {
        let counters = &self.core.counters;
        counters.mesh_asks.increment();
        match self.core.mesh.try_admit(to.0, ask) {
            Ok(reply) => reply,
            Err(ask) => {
                counters.mesh_waits.increment();
                self.core.mesh.admit(to.0, ask).await
            }
        }
    }

    pub(crate) async fn ask(&self, to: ShardIndex, ask: Ask) -> Answer {
        self.admit(to, ask).await.await
    }

    pub(crate) fn by_owner(&self, keys: impl Iterator<Item = PartitionKey>) -> Vec<(ShardIndex, Vec<usize>)> {
        group_by_owner(keys, self.core.shards)
    }
}
