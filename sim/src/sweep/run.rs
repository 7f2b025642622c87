//! One run of a world: boots the node, lets it crash where the case says, boots it again, judges what it finds.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::{BrokerConfig, LoadedConfig, Properties, UnknownKeys};
use millrace_core::journal::JOURNAL_BYTES_MIN;
use millrace_rt::world::{Crash, DiskFault, NodeId, World, WorldOptions};
use millrace_shard::{Engine, EngineSettings, OpenError, Planted};

use super::drive::{Boot, Duty};
use crate::promises::{DATA_DIR, Ledger, compare_files};
use crate::workload::Workload;

const SHM_DIR: &str = "/dev/shm";
const MEMORY_BYTES: u64 = 64 << 20;
/// Virtual time after which a boot is stuck.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// A boot behind a crash may crash again only so often.
const BOOTS_MAX: usize = 6;

/// A crash just before a disk operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blow {
    /// Counted from the beginning of its boot, the first is 1.
    pub operation: u64,
    pub kind: Crash,
}

/// One run of a workload.
#[derive(Debug, Clone)]
pub struct Case {
    pub shards: u16,
    /// One for each boot, from the first on; a boot whose blow never comes ends cleanly.
    pub blows: Vec<Blow>,
    /// Numbers of shards with which the node is booted again at the end.
    pub restarts: Vec<u16>,
    pub fault: DiskFault,
    pub planted: Option<Planted>,
}

impl Case {
    pub fn quiet(shards: u16) -> Case {
        Case { shards, blows: Vec::new(), restarts: Vec::new(), fault: DiskFault::None, planted: None }
    }
}

/// What came of a case.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Empty: every promise was kept.
    pub violations: Vec<String>,
    /// Blows that fell.
    pub crashes: usize,
    /// Disk operations of each boot.
    pub operations: Vec<u64>,
    /// Answers that said an append is durable.
    pub acknowledgements: u64,
    pub trace: Vec<String>,
}

/// A world with one node, and what is known outside of it.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) node: NodeId,
    pub(crate) ledger: Rc<RefCell<Ledger>>,
    broker: Arc<BrokerConfig>,
    fault: DiskFault,
    planted: Option<Planted>,
}

/// How a boot ended.
#[derive(Debug)]
pub(crate) enum End {
    Closed,
    Crashed,
    NotOpened(OpenError),
}

impl Bench {
    pub(crate) fn new(workload: &Rc<Workload>, fault: DiskFault, planted: Option<Planted>) -> Bench {
        let mut bench = Bench { fault, planted, ..Bench::seeded(workload, workload.seed) };
        if fault != DiskFault::None {
            bench.world.set_fault(bench.node, fault);
        }
        bench
    }

    /// A healthy node in a world of this seed.
    pub(crate) fn seeded(workload: &Rc<Workload>, seed: u64) -> Bench {
        let mut world = World::new(seed, WorldOptions::default());
        let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
        let ledger = Rc::new(RefCell::new(Ledger::new(Rc::clone(workload))));
        Bench { world, node, ledger, broker: broker_config(), fault: DiskFault::None, planted: None }
    }

    /// Boots the node, runs it until it has closed, and crashes it where `blow` says.
    pub(crate) fn boot(&mut self, duty: Duty, blow: Option<Blow>) -> End {
        if let Some(blow) = blow {
            let operation = self.world.disk_operations(self.node) + blow.operation;
            self.world.crash_at(self.node, operation, blow.kind);
        }
        let engine = match self.planted {
            None => Engine::new(self.settings(duty.shards)),
            Some(planted) => Engine::with_planted(self.settings(duty.shards), planted),
        };
        let boot = Boot::new(duty, Rc::clone(&self.ledger), engine);
        let main = boot.clone();
        self.world.start(self.node, duty.shards, move |seat| main.clone().serve(seat));
        let watched = boot.clone();
        let over = self.world.run_until(BOOT_LIMIT, move || watched.is_over());
        if let Some(error) = boot.open_error() {
            self.world.crash(self.node, Crash::Process);
            if ends_the_process(self.fault) {
                self.judge_end(&boot, Some(Blow { operation: 0, kind: Crash::Process }));
                return End::Crashed;
            }
            return End::NotOpened(error);
        }
        if over {
            return End::Closed;
        }
        self.judge_end(&boot, blow);
        End::Crashed
    }

    /// The node stopped without closing: was it the blow?
    fn judge_end(&mut self, boot: &Boot, blow: Option<Blow>) {
        let faulty = ends_the_process(self.fault);
        if faulty {
            self.fault = DiskFault::None;
            self.world.set_fault(self.node, DiskFault::None);
        }
        let running = self.world.is_running(self.node);
        let reason = self.world.end_reason(self.node);
        let phase = if boot.has_opened() { "after it had opened" } else { "while it opened" };
        let mut ledger = self.ledger.borrow_mut();
        match (running, reason) {
            (true, _) => ledger.violations.push(format!("the node is stuck, {phase}")),
            (false, Some(_)) if faulty => {}
            (false, Some(reason)) => {
                ledger.violations.push(format!("the node ended itself {phase}: {reason}"))
            }
            (false, None) if blow.is_none() => ledger.violations.push("the node vanished".to_owned()),
            (false, None) => {}
        }
        ledger.crashed();
        ledger.lost_power |= blow.is_some_and(|blow| blow.kind == Crash::Power);
        drop(ledger);
        if running {
            self.world.crash(self.node, Crash::Process);
        }
    }

    fn settings(&self, shards: u16) -> EngineSettings {
        EngineSettings {
            data_dir: PathBuf::from(DATA_DIR),
            journal_dir: None,
            shm_dir: PathBuf::from(SHM_DIR),
            journal_bytes: JOURNAL_BYTES_MIN,
            memory_bytes: MEMORY_BYTES,
            broker: Arc::clone(&self.broker),
            endpoints: Vec::new(),
            shards,
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.ledger.borrow().violations.is_empty()
    }
}

/// A broker may end itself when its disk fails once; what it acknowledged must be there after the next start.
fn ends_the_process(fault: DiskFault) -> bool {
    matches!(
        fault,
        DiskFault::FailWrite(_) | DiskFault::ShortWrite(_) | DiskFault::FailSync(_) | DiskFault::ReadError(_)
    )
}

/// Runs one case of a workload to its end.
pub fn run(workload: &Rc<Workload>, case: &Case) -> Outcome {
    let mut bench = Bench::new(workload, case.fault, case.planted);
    let mut crashes = 0;
    let mut operations = Vec::new();
    let mut duties = duties(case);
    let mut blows = case.blows.iter().copied();
    while let Some(duty) = duties.pop() {
        let before = bench.world.disk_operations(bench.node);
        let end = bench.boot(duty, blows.next());
        operations.push(bench.world.disk_operations(bench.node) - before);
        match end {
            End::Closed => compare_files(&bench.world, bench.node, &mut bench.ledger.borrow_mut()),
            End::Crashed => {
                crashes += 1;
                // After a crash a boot sends less: what it finds is the point.
                duties.push(Duty { more: duty.more.min(3), ..duty });
            }
            End::NotOpened(error) => {
                bench.ledger.borrow_mut().violations.push(format!("the node did not open: {error}"));
            }
        }
        if !bench.is_clean() || operations.len() >= BOOTS_MAX + case.restarts.len() {
            break;
        }
    }
    let ledger = bench.ledger.borrow();
    Outcome {
        violations: ledger.violations.clone(),
        crashes,
        operations,
        acknowledgements: ledger.acknowledgements,
        trace: bench.world.trace().to_vec(),
    }
}

/// The boots of a case, the last first.
fn duties(case: &Case) -> Vec<Duty> {
    let first = Duty { shards: case.shards, more: usize::MAX };
    let later = case.restarts.iter().map(|&shards| Duty { shards, more: 2 });
    let mut duties: Vec<Duty> = [first].into_iter().chain(later).collect();
    duties.reverse();
    duties
}

fn broker_config() -> Arc<BrokerConfig> {
    let loaded = LoadedConfig::load(&Properties::default(), UnknownKeys::Refuse);
    match loaded {
        Ok(loaded) => Arc::new(loaded.broker),
        Err(errors) => unreachable!("the defaults are valid: {errors:?}"),
    }
}
