//! A broker and its groups in one world: the broker is started, crashed and stopped, and at the end of all
//! faults its groups have to come to rest.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::BrokerConfig;
use millrace_rt::world::{Crash, NodeId, World, WorldOptions};
use millrace_server::BrokerContext;
use millrace_shard::Planted;

use super::conduct::keep_slot;
use super::consumer::keep_consumer;
use super::flow::GroupFlow;
use super::ledger::GroupLedger;
use super::observer::observe;
use super::offsets::Floors;
use super::plan::{GroupsPlan, REBALANCE_MS_MAX, SESSION_MS_MAX};
use crate::broker::boot::{BROKER, boot, config};

/// Virtual time after which something is stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// Within so much virtual time after the last fault every group is at rest: silent members are found by their
/// sessions, a rebalance may wait for one that went in its middle,
/// ids that nobody came back with are waited for half a second.
const REST_WITHIN: Duration = Duration::from_millis(4 * (SESSION_MS_MAX + REBALANCE_MS_MAX));
/// Every partition has a commit within so much time: each member commits with half of its heartbeats.
const PROGRESS_WITHIN: Duration = Duration::from_millis(10 * SESSION_MS_MAX);
/// Whether the broker is still there is looked so often.
const LOOK_WITHIN: Duration = Duration::from_millis(100);
/// A stop waits for connections; see the server.
const STOP_WITHIN_MS: u64 = 30_000;

pub(crate) struct GroupCourse {
    pub(crate) world: World,
    pub(crate) broker: NodeId,
    pub(crate) flow: GroupFlow,
    config: Arc<BrokerConfig>,
    planted: Option<Planted>,
}

impl GroupCourse {
    pub(crate) fn new(plan: &Rc<GroupsPlan>, planted: Option<Planted>) -> GroupCourse {
        let mut world = World::new(plan.seed, WorldOptions::default());
        let broker = world.add_node(BROKER);
        let clients =
            [world.add_node(Ipv4Addr::new(10, 0, 0, 2)), world.add_node(Ipv4Addr::new(10, 0, 0, 3))];
        let flow = GroupFlow::new(plan);
        let [members, observer] = clients;
        let shared = flow.clone();
        world.start(members, 1, move |_| keep_slots(shared.clone()));
        let shared = flow.clone();
        world.start(observer, 1, move |_| observe(shared.clone()));
        GroupCourse { world, broker, flow, config: config(&plan.config()), planted }
    }

    /// Boots the broker.
    pub(crate) fn start(&mut self, shards: u16) -> Result<BrokerContext, String> {
        self.flow.ledger.borrow_mut().look_anew();
        let booted = boot(&mut self.world, self.broker, &self.config, shards, self.planted)?;
        let (ready, starting) = (booted.context.ready(), Rc::clone(&booted));
        self.wait("the broker to be ready", PATIENCE, move |_| ready.is_open() || starting.has_failed())?;
        booted.failure().map_or_else(|| Ok(booted.context.clone()), Err)
    }

    /// Every group is looked at once from now on.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        self.flow.ask_for_look();
        let flow = self.flow.clone();
        self.wait("a look at every group", PATIENCE, move |_| flow.has_looked())
    }

    pub(crate) fn crash(&mut self, kind: Crash) {
        if self.world.is_running(self.broker) {
            self.world.crash(self.broker, kind);
        }
        // The clients notice while nobody is there.
        self.world.run_for(Duration::from_millis(5));
    }

    /// After the last fault every group comes to rest, and gets on.
    pub(crate) fn rest(&mut self) -> Result<(), String> {
        self.flow.heal();
        self.flow.ledger.borrow_mut().look_anew();
        let rest = self.wait("every group to be at rest", REST_WITHIN, |ledger| ledger.settled().is_ok());
        rest.map_err(|reason| match self.flow.ledger.borrow().settled() {
            Err(missing) if reason.contains("at rest") => format!("{reason}: {missing}"),
            _ => reason,
        })?;
        let before = floors(&self.flow.ledger.borrow());
        let is_ahead = move |ledger: &GroupLedger| {
            let mut pairs = before.iter().zip(floors(ledger));
            pairs.all(|(before, after)| before.iter().all(|(place, floor)| after[place] > *floor))
        };
        self.wait("a commit in every partition", PROGRESS_WITHIN, is_ahead)?;
        self.look()
    }

    /// Stops the broker cleanly.
    pub(crate) fn stop(&mut self, context: &BrokerContext) -> Result<(), String> {
        context.stop();
        for _ in 0..STOP_WITHIN_MS {
            if !self.world.is_running(self.broker) {
                return self.check();
            }
            self.world.run_for(Duration::from_millis(1));
        }
        Err("the broker does not stop".to_owned())
    }

    /// Waits until `done`, or something is wrong.
    pub(crate) fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        mut done: impl FnMut(&GroupLedger) -> bool,
    ) -> Result<(), String> {
        let ledger: Rc<RefCell<GroupLedger>> = Rc::clone(&self.flow.ledger);
        let end = self.world.now() + patience;
        let mut is_done = false;
        while self.world.now() < end {
            self.world.run_until(LOOK_WITHIN, || {
                let ledger = ledger.borrow();
                is_done = done(&ledger);
                is_done || !ledger.violations.is_empty()
            });
            self.check()?;
            if is_done {
                return Ok(());
            }
            if !self.world.is_running(self.broker) {
                return Err(format!("the broker is gone, before {what}"));
            }
        }
        Err(format!("waited in vain for {what}"))
    }

    /// What is wrong by now.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(reason) = self.world.end_reason(self.broker) {
            return Err(format!("the broker ended itself: {reason}"));
        }
        let violations = self.flow.ledger.borrow().violations.len();
        if violations == 0 { Ok(()) } else { Err(format!("{violations} violations")) }
    }
}

async fn keep_slots(flow: GroupFlow) {
    for (group, planned) in flow.plan.groups.iter().enumerate() {
        for slot in 0..planned.slots.len() {
            millrace_rt::spawn(keep_slot(flow.clone(), group, slot));
        }
    }
    for slot in 0..flow.plan.consumers.len() {
        millrace_rt::spawn(keep_consumer(flow.clone(), slot));
    }
    std::future::pending::<()>().await;
}

/// Of every group.
fn floors(ledger: &GroupLedger) -> Vec<Floors> {
    let groups = 0..ledger.plan.groups.len();
    groups.map(|group| ledger.offsets.floors(group, &ledger.plan.places(group))).collect()
}
