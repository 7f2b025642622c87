//! One run of a plan: boots the node as often as the case wants and judges what it finds.

use std::cell::RefCell;
use std::rc::Rc;

use millrace_rt::Gate;
use millrace_rt::world::Crash;
use millrace_shard::OpenError;

use super::drive::Boot;
use super::ledger::Ledger;
use super::plan::Plan;
use crate::case::{BOOTS_MAX, Case, Outcome};
use crate::machine::{End, Machine, Progress};
use crate::trial::Trial;

/// Time runs fast in the simulated world.
const LOOKS: [(&str, &str); 2] =
    [("log.retention.check.interval.ms", "100"), ("log.initial.task.delay.ms", "20")];

/// Runs one case of a plan to its end.
pub(crate) fn run(plan: &Rc<Plan>, case: &Case) -> Outcome {
    let mut machine = Machine::new(plan.seed, case.fault, case.planted);
    machine.limit_memory(case.memory_bytes);
    machine.suffer(case.between);
    machine.place_topics(case.topics_on);
    machine.configure(&LOOKS);
    let ledger = Rc::new(RefCell::new(Ledger::new(Rc::clone(plan))));
    let (mut crashes, mut operations) = (0, Vec::new());
    let mut trials = case.trials.iter().copied();
    let mut boots: Vec<u16> = [case.shards].into_iter().chain(case.restarts.iter().copied()).collect();
    boots.reverse();
    while let Some(shards) = boots.pop() {
        let trial = trials.next().unwrap_or_default();
        let before = machine.operations();
        let end = boot(&mut machine, &ledger, shards, trial);
        operations.push(machine.operations() - before);
        let mut judged = ledger.borrow_mut();
        match end {
            End::Closed if machine.disk_may_fail() => {}
            End::Closed => expect_no_deleted_files(&machine, &mut judged),
            End::NotOpened(OpenError::Io { .. }) if trial.may_not_open() => boots.push(shards),
            End::Refused => break,
            End::Crashed(fall) => {
                crashes += 1;
                boots.push(shards);
                judged.violations.extend(fall.violation);
                if fall.kind == Crash::Power {
                    judged.lost_power();
                }
            }
            End::NotOpened(error) => judged.violate(format!("the node did not open: {error}")),
        }
        if !judged.violations.is_empty() || operations.len() >= BOOTS_MAX + case.restarts.len() {
            break;
        }
    }
    let ledger = ledger.borrow();
    Outcome {
        violations: ledger.violations.clone(),
        crashes,
        operations,
        looks: machine.looks(),
        has_refused: machine.has_refused(),
        refusals: 0,
        journal_bytes: 0,
        acknowledgements: ledger.acknowledgements,
        trace: machine.world.trace().to_vec(),
    }
}

fn boot(machine: &mut Machine, ledger: &Rc<RefCell<Ledger>>, shards: u16, trial: Trial) -> End {
    let progress: Rc<Progress> = Rc::default();
    let (ledger, shared) = (Rc::clone(ledger), Rc::clone(&progress));
    machine.boot(shards, trial, &progress, move |engine| {
        let boot = Boot { ledger, engine, progress: shared, stop: Gate::new() };
        move |seat| boot.clone().serve(seat)
    })
}

/// After a clean stop nothing waits for its end.
fn expect_no_deleted_files(machine: &Machine, ledger: &mut Ledger) {
    for path in machine.world.files(machine.node) {
        if path.to_string_lossy().ends_with(".deleted") {
            ledger.violate(format!("{} outlived a clean stop", path.display()));
        }
    }
}
