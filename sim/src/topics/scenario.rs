//! What is its own in a run of a plan: its shards, how many lives a name goes through,
//! and what a clean stop leaves.

use std::rc::Rc;

use super::drive::{Gates, TopicNode};
use super::ledger::TopicLedger;
use super::plan::TopicPlan;
use crate::machine::Machine;
use crate::promises::durable_logs;
use crate::scenario::{self, Boot, Life, Scenario};

/// Lives that a name goes through in a boot behind the first: what that boot finds is the point.
const LATER_LIVES: usize = 2;

/// Topics that come and go.
pub(crate) struct Topics;

/// What one boot is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicDuty {
    shards: u16,
    /// Lives that each name goes through.
    lives: usize,
}

impl scenario::Duty for TopicDuty {
    fn of(life: Life) -> TopicDuty {
        let lives = if life.boots == 0 { usize::MAX } else { LATER_LIVES };
        TopicDuty { shards: life.shards, lives }
    }

    fn shards(self) -> u16 {
        self.shards
    }
}

impl Scenario for Topics {
    type Plan = TopicPlan;
    type Ledger = TopicLedger;
    type Duty = TopicDuty;
    type Serve = TopicNode;

    fn seed(plan: &TopicPlan) -> u64 {
        plan.seed
    }

    fn ledger(plan: &Rc<TopicPlan>) -> TopicLedger {
        TopicLedger::new(Rc::clone(plan))
    }

    fn serve(boot: Boot<Topics>) -> TopicNode {
        let Boot { duty, ledger, engine, progress, .. } = boot;
        let TopicDuty { shards, lives } = duty;
        TopicNode { shards, lives, ledger, engine, progress, gates: Gates::new() }
    }

    fn stopped(machine: &Machine, ledger: &mut TopicLedger) {
        if !machine.disk_may_fail() {
            compare_files(machine, ledger);
        }
    }
}

/// After a clean stop the segment files hold the live topics' logs, and no byte more.
fn compare_files(machine: &Machine, ledger: &mut TopicLedger) {
    let mut files = durable_logs(&machine.world, machine.node);
    for (name, log) in std::mem::take(&mut ledger.read) {
        let stored = files.remove(&name).unwrap_or_default();
        if stored != log {
            let (stored, log) = (stored.len(), log.len());
            let dir = format!("/{name}/");
            let files = machine.world.files(machine.node).into_iter();
            let files: Vec<_> = files.filter(|path| path.to_string_lossy().contains(&dir)).collect();
            ledger
                .verdict
                .violations
                .push(format!("{name}: its files {files:?} hold {stored} bytes, its log {log}"));
        }
    }
    for name in files.keys() {
        ledger.verdict.violations.push(format!("{name}: segments of a deleted topic are on the device"));
    }
}
