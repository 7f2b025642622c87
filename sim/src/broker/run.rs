//! The course of one seed: the broker lives, crashes and comes back, while clients use it;
//! at the end it stops cleanly.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::BrokerConfig;
use millrace_rt::world::{Crash, NodeId, World, WorldOptions};
use millrace_server::BrokerContext;

use super::auditor::audit_when_asked;
use super::boot::{BROKER, PORT, boot, config};
use super::consumer::Consumer;
use super::flow::BrokerFlow;
use super::producer::Producer;
use crate::chance::Chance;
use crate::promises::{PromiseLedger, compare_files};
use crate::workload::{Volume, Workload};

const SHARDS_MAX: u64 = 3;
/// Virtual time after which something is stuck.
const PATIENCE: Duration = Duration::from_secs(300);
/// A life of the broker, in microseconds.
const LIFE_MICROS: std::ops::Range<usize> = 2_000..60_000;
/// A crash falls before one of so many next disk operations, if it is not one at a random moment.
const OPERATIONS_AHEAD: u64 = 60;

/// What a seed sends: enough for its crashes to fall into.
const VOLUME: Volume =
    Volume { busy_bytes: 6 << 20, rare_partitions: 4, rare_batches: 8, batch_bytes_max: 900_000 };

/// What came of a seed.
#[derive(Debug, Clone)]
pub struct BrokerReport {
    pub seed: u64,
    /// Empty: every promise was kept.
    pub violations: Vec<String>,
    pub crashes: u32,
    pub acknowledgements: u64,
    pub trace: Vec<String>,
}

struct BrokerCourse {
    world: World,
    broker: NodeId,
    flow: BrokerFlow,
    chance: Chance,
    config: Arc<BrokerConfig>,
    crashes: u32,
}

/// Runs one seed from its empty disk to its clean end.
pub fn run_seed(seed: u64) -> BrokerReport {
    crate::under_way(format!("seed {seed}"));
    let workload = Workload::new(seed, VOLUME);
    let mut course = BrokerCourse::new(seed, &workload);
    let ended = course.run();
    let mut ledger = course.flow.ledger.borrow_mut();
    if let Err(reason) = ended {
        ledger.verdict.violations.push(reason);
    }
    BrokerReport {
        seed,
        violations: ledger.verdict.violations.clone(),
        crashes: course.crashes,
        acknowledgements: ledger.verdict.acknowledgements,
        trace: course.world.trace().to_vec(),
    }
}

impl BrokerCourse {
    fn new(seed: u64, workload: &Rc<Workload>) -> BrokerCourse {
        let mut world = World::new(seed, WorldOptions::default());
        let broker = world.add_node(BROKER);
        let clients =
            [world.add_node(Ipv4Addr::new(10, 0, 0, 2)), world.add_node(Ipv4Addr::new(10, 0, 0, 3))];
        let ledger = Rc::new(RefCell::new(PromiseLedger::new(Rc::clone(workload))));
        let flow = BrokerFlow::new(ledger, SocketAddr::from((BROKER, PORT)));
        let [producers, consumers] = clients;
        let (streams, keys) =
            (workload.streams.len(), workload.keys().map(|(_, key)| key).collect::<Vec<_>>());
        let shared = flow.clone();
        world.start(producers, 1, move |_| produce(shared.clone(), streams));
        let shared = flow.clone();
        world.start(consumers, 1, move |_| consume(shared.clone(), keys.clone()));
        let chance = Chance::new(seed ^ 0xb40ce4);
        BrokerCourse { world, broker, flow, chance, config: config(""), crashes: 0 }
    }

    fn run(&mut self) -> Result<(), String> {
        let crashes = self.chance.below(5);
        for _ in 0..crashes {
            self.start()?;
            self.audit()?;
            self.flow.set_producing(true);
            self.crash();
            self.check()?;
        }
        let context = self.start()?;
        self.audit()?;
        self.flow.set_producing(true);
        let ledger = Rc::clone(&self.flow.ledger);
        self.wait("every batch to be answered", move || ledger.borrow().is_complete())?;
        self.flow.ledger.borrow_mut().expect_all_answered();
        self.stop(&context)?;
        let context = self.start()?;
        self.audit()?;
        self.stop(&context)
    }

    /// Boots the broker with some number of shards.
    fn start(&mut self) -> Result<BrokerContext, String> {
        let shards = 1 + self.chance.below(SHARDS_MAX) as u16;
        let booted = boot(&mut self.world, self.broker, &self.config, shards, None)?;
        let (ready, starting) = (booted.context.ready(), Rc::clone(&booted));
        self.wait("the broker to be ready", move || ready.is_open() || starting.has_failed())?;
        booted.failure().map_or_else(|| Ok(booted.context.clone()), Err)
    }

    fn audit(&mut self) -> Result<(), String> {
        self.flow.ask_for_audit();
        let flow = self.flow.clone();
        self.wait("an audit", move || !flow.audit_is_due())
    }

    /// Lets the broker serve for a while and then ends it.
    fn crash(&mut self) {
        let kind = if self.chance.one_in(2) { Crash::Power } else { Crash::Process };
        let life = Duration::from_micros(self.chance.between(LIFE_MICROS) as u64);
        self.world.run_for(life);
        if self.chance.one_in(2) {
            let operation = self.world.disk_operations(self.broker) + 1 + self.chance.below(OPERATIONS_AHEAD);
            self.world.crash_at(self.broker, operation, kind);
            self.world.run_for(Duration::from_millis(200));
        }
        if self.world.is_running(self.broker) {
            self.world.crash(self.broker, kind);
        }
        self.crashes += 1;
        if kind == Crash::Power {
            self.flow.power_was_lost();
        }
        // The clients notice while nobody is there.
        self.flow.set_producing(false);
        self.world.run_for(Duration::from_millis(5));
    }

    fn stop(&mut self, context: &BrokerContext) -> Result<(), String> {
        self.audit()?;
        self.flow.set_producing(false);
        context.stop();
        let patience = PATIENCE.as_millis() as u64;
        for _ in 0..patience {
            if !self.world.is_running(self.broker) {
                compare_files(&self.world, self.broker, &mut self.flow.ledger.borrow_mut());
                return self.check();
            }
            self.world.run_for(Duration::from_millis(1));
        }
        Err("the broker does not stop".to_owned())
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut() -> bool) -> Result<(), String> {
        let ledger = Rc::clone(&self.flow.ledger);
        let mut violations = 0;
        self.world.run_until(PATIENCE, || {
            violations = ledger.borrow().verdict.violations.len();
            violations > 0 || done()
        });
        self.check()?;
        if done() { Ok(()) } else { Err(format!("waited in vain for {what}")) }
    }

    fn check(&self) -> Result<(), String> {
        let reason = self.world.end_reason(self.broker);
        if let Some(reason) = reason {
            return Err(format!("the broker ended itself: {reason}"));
        }
        let violations = self.flow.ledger.borrow().verdict.violations.len();
        if violations == 0 { Ok(()) } else { Err(format!("{violations} violations")) }
    }
}

async fn produce(flow: BrokerFlow, streams: usize) {
    for stream in 0..streams {
        millrace_rt::spawn(Producer { flow: flow.clone(), stream }.run());
    }
    std::future::pending::<()>().await;
}

async fn consume(flow: BrokerFlow, keys: Vec<millrace_core::base::PartitionKey>) {
    millrace_rt::spawn(audit_when_asked(flow.clone()));
    for key in keys {
        millrace_rt::spawn(Consumer::new(flow.clone(), key).run());
    }
    std::future::pending::<()>().await;
}
