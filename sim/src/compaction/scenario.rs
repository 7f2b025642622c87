//! What is its own in a run of a plan: its pace, its shards, and what a clean stop leaves.

use std::rc::Rc;

use millrace_rt::Gate;

use super::drive::{CompactionNode, Patience};
use super::ledger::CompactionLedger;
use super::plan::CompactionPlan;
use crate::machine::Machine;
use crate::scenario::{Boot, Life, Scenario};

/// Logs that are compacted by key.
pub(crate) struct Compaction;

impl Scenario for Compaction {
    type Plan = CompactionPlan;
    type Ledger = CompactionLedger;
    type Duty = Life;
    type Serve = CompactionNode;

    /// Time runs fast in the simulated world.
    const KEYS: &'static [(&'static str, &'static str)] = &[("log.cleaner.backoff.ms", "25")];

    fn seed(plan: &CompactionPlan) -> u64 {
        plan.seed
    }

    fn ledger(plan: &Rc<CompactionPlan>) -> CompactionLedger {
        CompactionLedger::new(Rc::clone(plan))
    }

    fn serve(boot: Boot<Compaction>) -> CompactionNode {
        let Boot { trial, ledger, engine, progress, .. } = boot;
        let patience = if trial.squeeze.is_some() { Patience::Waits } else { Patience::None };
        CompactionNode { ledger, engine, progress, stop: Gate::new(), patience }
    }

    fn stopped(machine: &Machine, ledger: &mut CompactionLedger) {
        machine.expect_no_files(&[".deleted", ".cleaned"], |what| ledger.violate(what));
    }
}
