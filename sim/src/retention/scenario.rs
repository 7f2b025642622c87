//! What is its own in a run of a plan: its pace, its shards, and what a clean stop leaves.

use std::rc::Rc;

use millrace_rt::Gate;

use super::drive::RetentionNode;
use super::ledger::RetentionLedger;
use super::plan::RetentionPlan;
use crate::machine::Machine;
use crate::scenario::{Boot, Life, Scenario};

/// Logs that begin later.
pub(crate) struct Retention;

impl Scenario for Retention {
    type Plan = RetentionPlan;
    type Ledger = RetentionLedger;
    type Duty = Life;
    type Serve = RetentionNode;

    /// Time runs fast in the simulated world.
    const KEYS: &'static [(&'static str, &'static str)] =
        &[("log.retention.check.interval.ms", "100"), ("log.initial.task.delay.ms", "20")];

    fn seed(plan: &RetentionPlan) -> u64 {
        plan.seed
    }

    fn ledger(plan: &Rc<RetentionPlan>) -> RetentionLedger {
        RetentionLedger::new(Rc::clone(plan))
    }

    fn serve(boot: Boot<Retention>) -> RetentionNode {
        let Boot { ledger, engine, progress, .. } = boot;
        RetentionNode { ledger, engine, progress, stop: Gate::new() }
    }

    fn stopped(machine: &Machine, ledger: &mut RetentionLedger) {
        machine.expect_no_files(&[".deleted"], |what| ledger.violate(what));
    }
}
