//! What is its own in a run of a plan: its pace, its shards, and what a clean stop leaves.

use std::rc::Rc;

use millrace_rt::Gate;

use super::drive::Node;
use super::ledger::Ledger;
use super::plan::Plan;
use crate::machine::Machine;
use crate::scenario::{Boot, Life, Scenario};

/// Logs that begin later.
pub(crate) struct Retention;

impl Scenario for Retention {
    type Plan = Plan;
    type Ledger = Ledger;
    type Duty = Life;
    type Serve = Node;

    /// Time runs fast in the simulated world.
    const KEYS: &'static [(&'static str, &'static str)] =
        &[("log.retention.check.interval.ms", "100"), ("log.initial.task.delay.ms", "20")];

    fn seed(plan: &Plan) -> u64 {
        plan.seed
    }

    fn ledger(plan: &Rc<Plan>) -> Ledger {
        Ledger::new(Rc::clone(plan))
    }

    fn serve(boot: Boot<Retention>) -> Node {
        let Boot { ledger, engine, progress, .. } = boot;
        Node { ledger, engine, progress, stop: Gate::new() }
    }

    fn stopped(machine: &Machine, ledger: &mut Ledger) {
        machine.expect_no_files(&[".deleted"], |what| ledger.violate(what));
    }
}
