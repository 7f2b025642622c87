//! One simulated machine: its engine is booted, crashed where a case says, and booted again.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::{BrokerConfig, LoadedConfig, Properties, UnknownKeys};
use millrace_core::journal::{JOURNAL_BYTES_MIN, ShardCheckpoint};
use millrace_rt::world::{Crash, DiskFault, NodeId, World, WorldOptions};
use millrace_rt::{Seat, world};
use millrace_shard::{Engine, EngineSettings, OpenError, Planted, Shard};

use crate::loss::refuses;
use crate::promises::DATA_DIR;
use crate::trial::{Between, Blow, Filling, Looks, Squeeze, TopicsOn, Trial};

const SHM_DIR: &str = "/dev/shm";
/// Room for all that a sweep appends.
pub(crate) const MEMORY_BYTES: u64 = 64 << 20;
/// Virtual time after which a boot is stuck.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// A reader that reads everything anew is done by then.
const STARVED: Duration = Duration::from_millis(1_500);
/// Behind a checkpoint's header.
const CHECKPOINT_CONTENT_AT: usize = 64;
/// How often is looked whether a squeeze is to begin.
const LOOK: Duration = Duration::from_micros(200);

/// How a boot ended.
#[derive(Debug)]
pub(crate) enum End {
    Closed,
    Crashed(Fall),
    NotOpened(OpenError),
    /// Files were lost, and the node says so instead of starting without them.
    Refused,
}

/// A crash, and what was wrong with it.
#[derive(Debug)]
pub(crate) struct Fall {
    pub(crate) kind: Crash,
    pub(crate) violation: Option<String>,
}

impl Fall {
    /// What was wrong while the disk had no space comes before what followed.
    fn because(self, squeezed: String) -> Fall {
        Fall { violation: Some(squeezed), ..self }
    }
}

/// How far the shards of one boot have come.
#[derive(Default)]
pub(crate) struct Progress {
    opened: Cell<u16>,
    closed: Cell<u16>,
    error: RefCell<Option<OpenError>>,
    /// The disk is full.
    squeezed: Cell<bool>,
    /// Readers at work.
    readers: Cell<usize>,
    /// Readers that read everything anew while the disk was full.
    read_anew: Cell<usize>,
    /// Appends that were refused for want of space.
    refusals: Cell<u64>,
    /// Written to the journals by shards that closed.
    journal_bytes: Cell<u64>,
    /// An operation on the disk fails some time.
    faulty: Cell<bool>,
}

impl Progress {
    /// Opens the shard and counts it, or keeps why it was not opened.
    pub(crate) async fn open(&self, engine: &Engine, seat: Seat) -> Option<Shard> {
        match engine.open(seat).await {
            Ok(shard) => {
                self.opened.set(self.opened.get() + 1);
                Some(shard)
            }
            Err(error) => {
                world::log(format!("not opened: {error}"));
                self.error.borrow_mut().get_or_insert(error);
                None
            }
        }
    }

    pub(crate) fn shard_closed(&self) {
        self.closed.set(self.closed.get() + 1);
    }

    pub(crate) fn is_squeezed(&self) -> bool {
        self.squeezed.get()
    }

    pub(crate) fn reader_began(&self) {
        self.readers.set(self.readers.get() + 1);
    }

    pub(crate) fn reader_ended(&self) {
        self.readers.set(self.readers.get() - 1);
    }

    pub(crate) fn disk_may_fail(&self) -> bool {
        self.faulty.get()
    }

    pub(crate) fn append_refused(&self) {
        self.refusals.set(self.refusals.get() + 1);
    }

    pub(crate) fn refusals(&self) -> u64 {
        self.refusals.get()
    }

    pub(crate) fn journal_written(&self, bytes: u64) {
        self.journal_bytes.set(self.journal_bytes.get() + bytes);
    }

    pub(crate) fn journal_bytes(&self) -> u64 {
        self.journal_bytes.get()
    }

    pub(crate) fn was_read_anew(&self) {
        self.read_anew.set(self.read_anew.get() + 1);
    }

    /// Every shard has closed, or one failed to open.
    fn is_over(&self, shards: u16) -> bool {
        self.closed.get() == shards || self.error.borrow().is_some()
    }
}

/// A world with one node.
pub(crate) struct Machine {
    pub(crate) world: World,
    pub(crate) node: NodeId,
    broker: Arc<BrokerConfig>,
    fault: DiskFault,
    /// The disk is small.
    squeezed: bool,
    between: Between,
    boots: u64,
    /// Files that were lost before the last boot.
    lost: Vec<PathBuf>,
    has_refused: bool,
    planted: Option<Planted>,
    memory_bytes: u64,
    data_dir: PathBuf,
}

impl Machine {
    pub(crate) fn new(seed: u64, fault: DiskFault, planted: Option<Planted>) -> Machine {
        let mut world = World::new(seed, WorldOptions::default());
        let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
        if fault != DiskFault::None {
            world.set_fault(node, fault);
        }
        Machine {
            world,
            node,
            broker: broker_config(&[]),
            fault,
            squeezed: false,
            between: Between::Nothing,
            boots: 0,
            lost: Vec::new(),
            has_refused: false,
            planted,
            memory_bytes: MEMORY_BYTES,
            data_dir: PathBuf::from(DATA_DIR),
        }
    }

    /// Sets keys of the broker's configuration, for all boots from now on.
    pub(crate) fn configure(&mut self, keys: &[(&str, &str)]) {
        self.broker = broker_config(keys);
    }

    /// Memory of all boots from now on.
    pub(crate) fn limit_memory(&mut self, bytes: u64) {
        self.memory_bytes = bytes;
    }

    /// The data directory of all boots from now on.
    #[cfg(test)]
    pub(crate) fn live_in(&mut self, data_dir: &Path) {
        self.data_dir = data_dir.to_path_buf();
    }

    pub(crate) fn place_topics(&mut self, on: TopicsOn) {
        if on == TopicsOn::DiskOfTheirOwn {
            self.world.mount(self.node, &Path::new(DATA_DIR).join("topics"));
        }
    }

    /// What befalls the disk before each boot from now on.
    pub(crate) fn suffer(&mut self, between: Between) {
        self.between = between;
    }

    /// An operation on the disk fails, or did in the boot that was last.
    pub(crate) fn disk_may_fail(&self) -> bool {
        ends_the_process(self.fault)
    }

    /// A start said that files were lost.
    pub(crate) fn has_refused(&self) -> bool {
        self.has_refused
    }

    /// After a clean stop nothing waits for its end, unless a failing disk kept it from that.
    pub(crate) fn expect_no_files(&self, suffixes: &[&str], mut violate: impl FnMut(String)) {
        if self.disk_may_fail() {
            return;
        }
        for path in self.world.files(self.node) {
            if suffixes.iter().any(|suffix| path.to_string_lossy().ends_with(suffix)) {
                violate(format!("{} outlived a clean stop", path.display()));
            }
        }
    }

    /// Disk operations of all boots so far.
    pub(crate) fn operations(&self) -> u64 {
        self.world.disk_operations(self.node)
    }

    /// Reads of all boots so far, and openings of files that were there.
    pub(crate) fn looks(&self) -> Looks {
        Looks {
            reads: self.world.disk_reads(self.node),
            opens: self.world.disk_opens(self.node),
            lookups: self.world.disk_lookups(self.node),
        }
    }

    /// Boots the node and runs `main` on each of its shards until all have closed;
    /// crashes it where the trial says.
    pub(crate) fn boot<F, Fut>(
        &mut self,
        shards: u16,
        trial: Trial,
        progress: &Rc<Progress>,
        main: impl FnOnce(Engine) -> F,
    ) -> End
    where
        F: Fn(Seat) -> Fut + Clone + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.befall();
        let before = self.operations();
        if self.disk_may_fail() && !self.world.disk_is_to_fail(self.node) {
            self.heal();
        }
        progress.faulty.set(self.disk_may_fail());
        let failed_before = self.world.failed_write(self.node);
        if !trial.finds_the_disk_as_it_was() && std::mem::take(&mut self.squeezed) {
            self.world.set_fault(self.node, DiskFault::None);
        }
        if let Some(Squeeze { filling: Filling::ByItself { room }, .. }) = trial.squeeze {
            self.world.set_fault(self.node, room.fault());
            self.squeezed = true;
        }
        if let Some(blow) = trial.blow {
            self.world.crash_at(self.node, before + blow.operation, blow.kind);
        }
        let engine = match self.planted {
            None => Engine::new(self.settings(shards)),
            Some(planted) => Engine::with_planted(self.settings(shards), planted),
        };
        self.world.start(self.node, shards, main(engine));
        let starved = trial.squeeze.and_then(|squeeze| self.squeeze(before, squeeze, shards, progress));
        let watched = Rc::clone(progress);
        let over = self.world.run_until(BOOT_LIMIT, move || watched.is_over(shards));
        if let Some(error) = progress.error.take() {
            self.world.crash(self.node, Crash::Process);
            if ends_the_process(self.fault) {
                self.heal();
                return End::Crashed(Fall { kind: Crash::Process, violation: None });
            }
            self.has_refused |= refuses(&error, &self.lost);
            return if self.has_refused { End::Refused } else { End::NotOpened(error) };
        }
        match starved {
            Some(starved) => End::Crashed(self.fall(shards, trial.blow, progress).because(starved)),
            None if over => match self.world.failed_write(self.node) {
                Some(path) if failed_before.is_none() && path.starts_with(journal_dir()) => {
                    let violation =
                        format!("the node went on after a write to {} had failed", path.display());
                    End::Crashed(Fall { kind: Crash::Process, violation: Some(violation) })
                }
                _ => End::Closed,
            },
            None => End::Crashed(self.fall(shards, trial.blow, progress)),
        }
    }

    /// Lets the node run until the squeeze begins and until it has passed, or the boot is over. Readers that
    /// are at work all the while have to get on, and a disk that only the node fills never becomes full.
    fn squeeze(
        &mut self,
        before: u64,
        squeeze: Squeeze,
        shards: u16,
        progress: &Rc<Progress>,
    ) -> Option<String> {
        let goes_on = |machine: &Machine| machine.world.is_running(machine.node) && !progress.is_over(shards);
        if let Filling::ByOthers { operation, room } = squeeze.filling {
            while goes_on(self) && self.operations() - before < operation {
                self.world.run_for(LOOK);
            }
            if !goes_on(self) {
                return None;
            }
            self.world.set_fault(self.node, room.fault());
            self.squeezed = true;
        }
        let readers = progress.readers.get();
        let refused = self.world.full_disk_refusals(self.node);
        progress.squeezed.set(true);
        let watched = Rc::clone(progress);
        self.world.run_until(squeeze.lasts, move || watched.is_over(shards));
        progress.squeezed.set(false);
        let refused = self.world.full_disk_refusals(self.node) - refused;
        if goes_on(self) {
            self.world.set_fault(self.node, DiskFault::None);
            self.squeezed = false;
        }
        if refused > 0 && !matches!(squeeze.filling, Filling::ByOthers { .. }) {
            return Some(format!("{refused} writes found the disk full, in spite of the reserve"));
        }
        let readers = readers.min(progress.readers.get());
        let starved = goes_on(self) && squeeze.lasts >= STARVED && readers > progress.read_anew.get();
        starved.then(|| {
            let anew = progress.read_anew.get();
            format!("{anew} of {readers} readers read on while the disk was full for {:?}", squeeze.lasts)
        })
    }

    /// The node stopped without closing: was it the blow?
    fn fall(&mut self, shards: u16, blow: Option<Blow>, progress: &Progress) -> Fall {
        let faulty = ends_the_process(self.fault);
        if faulty {
            self.heal();
        }
        let running = self.world.is_running(self.node);
        let phase = if progress.opened.get() == shards { "after it had opened" } else { "while it opened" };
        let violation = match (running, self.world.end_reason(self.node)) {
            (true, _) => Some(format!("the node is stuck, {phase}")),
            (false, Some(_)) if faulty => None,
            (false, Some(reason)) => Some(format!("the node ended itself {phase}: {reason}")),
            (false, None) if blow.is_none() => Some("the node vanished".to_owned()),
            (false, None) => None,
        };
        if running {
            self.world.crash(self.node, Crash::Process);
        }
        Fall { kind: blow.map_or(Crash::Process, |blow| blow.kind), violation }
    }

    /// What comes over the disk before a boot.
    fn befall(&mut self) {
        self.boots += 1;
        match self.between {
            Between::Nothing => {}
            Between::DamagedCheckpoints => self.damage_checkpoints(),
            Between::CheckpointsDamagedFrom(boot) if self.boots >= boot => self.damage_checkpoints(),
            Between::CheckpointsDamagedFrom(_) => {}
            Between::Lost(loss) if self.boots == 2 => self.lost = loss.befall(&mut self.world, self.node),
            Between::Lost(_) => {}
        }
    }

    /// Those that an earlier boot left damaged stay so.
    fn damage_checkpoints(&mut self) {
        let is_checkpoint = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("checkpoint-"))
        };
        for path in self.world.files(self.node).into_iter().filter(is_checkpoint) {
            let damage = |bytes: &mut Vec<u8>| {
                if ShardCheckpoint::decode(bytes).is_ok() {
                    bytes.iter_mut().skip(CHECKPOINT_CONTENT_AT).take(1).for_each(|byte| *byte ^= 1);
                }
            };
            self.world.edit_file(self.node, &path, damage);
        }
    }

    fn heal(&mut self) {
        self.fault = DiskFault::None;
        self.world.set_fault(self.node, DiskFault::None);
    }

    fn settings(&self, shards: u16) -> EngineSettings {
        EngineSettings {
            data_dir: self.data_dir.clone(),
            journal_dir: None,
            shm_dir: PathBuf::from(SHM_DIR),
            journal_bytes: JOURNAL_BYTES_MIN,
            memory_bytes: self.memory_bytes,
            broker: Arc::clone(&self.broker),
            endpoints: Vec::new(),
            shards,
        }
    }
}

/// A broker may end itself when its disk fails once; what it acknowledged must be there after the next start.
fn ends_the_process(fault: DiskFault) -> bool {
    matches!(
        fault,
        DiskFault::FailWrite(_)
            | DiskFault::ShortWrite(_)
            | DiskFault::FailSync(_)
            | DiskFault::FailOperation(_)
            | DiskFault::FailOpen(_)
            | DiskFault::FailLookup(_)
            | DiskFault::ReadError(_)
    )
}

/// What is written there is never written again.
fn journal_dir() -> PathBuf {
    Path::new(DATA_DIR).join("journal")
}

fn broker_config(keys: &[(&str, &str)]) -> Arc<BrokerConfig> {
    let mut properties = Properties::default();
    keys.iter().for_each(|(key, value)| properties.set(key, *value));
    let loaded = LoadedConfig::load(&properties, UnknownKeys::Refuse);
    match loaded {
        Ok(loaded) => Arc::new(loaded.broker),
        Err(errors) => unreachable!("the settings are valid: {errors:?}"),
    }
}
