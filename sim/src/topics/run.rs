//! One run of a plan: boots the node as often as the case wants and judges what it finds.

use std::cell::RefCell;
use std::rc::Rc;

use millrace_rt::world::Crash;
use millrace_shard::OpenError;

use super::drive::{Boot, Gates};
use super::ledger::Ledger;
use super::plan::Plan;
use crate::case::{BOOTS_MAX, Case, Outcome};
use crate::machine::{End, Machine, Progress};
use crate::promises::durable_logs;
use crate::trial::Trial;

/// Lives that a name goes through in a boot behind a crash: what that boot finds is the point.
const LATER_LIVES: usize = 2;

/// Runs one case of a plan to its end.
pub(crate) fn run(plan: &Rc<Plan>, case: &Case) -> Outcome {
    let mut machine = Machine::new(plan.seed, case.fault, case.planted);
    machine.limit_memory(case.memory_bytes);
    machine.suffer(case.between);
    machine.place_topics(case.topics_on);
    let ledger = Rc::new(RefCell::new(Ledger::new(Rc::clone(plan))));
    let (mut crashes, mut operations, mut lives) = (0, Vec::new(), usize::MAX);
    let mut trials = case.trials.iter().copied();
    let mut boots: Vec<u16> = [case.shards].into_iter().chain(case.restarts.iter().copied()).collect();
    boots.reverse();
    while let Some(shards) = boots.pop() {
        let trial = trials.next().unwrap_or_default();
        let before = machine.operations();
        let end = boot(&mut machine, &ledger, (shards, lives), trial);
        operations.push(machine.operations() - before);
        lives = LATER_LIVES;
        match end {
            End::Closed if machine.disk_may_fail() => {}
            End::Closed => compare_files(&machine, &mut ledger.borrow_mut()),
            End::NotOpened(OpenError::Io { .. }) if trial.may_not_open() => boots.push(shards),
            End::Refused => break,
            End::Crashed(fall) => {
                crashes += 1;
                boots.push(shards);
                let mut ledger = ledger.borrow_mut();
                ledger.violations.extend(fall.violation);
                ledger.lost_power |= fall.kind == Crash::Power;
            }
            End::NotOpened(error) => {
                ledger.borrow_mut().violations.push(format!("the node did not open: {error}"));
            }
        }
        let clean = ledger.borrow().violations.is_empty();
        if !clean || operations.len() >= BOOTS_MAX + case.restarts.len() {
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

fn boot(
    machine: &mut Machine,
    ledger: &Rc<RefCell<Ledger>>,
    (shards, lives): (u16, usize),
    trial: Trial,
) -> End {
    let progress: Rc<Progress> = Rc::default();
    let (ledger, shared) = (Rc::clone(ledger), Rc::clone(&progress));
    machine.boot(shards, trial, &progress, move |engine| {
        let boot = Boot { shards, lives, ledger, engine, progress: shared, gates: Gates::new() };
        move |seat| boot.clone().serve(seat)
    })
}

/// After a clean stop the segment files hold the live topics' logs, and no byte more.
fn compare_files(machine: &Machine, ledger: &mut Ledger) {
    let mut files = durable_logs(&machine.world, machine.node);
    for (name, log) in std::mem::take(&mut ledger.read) {
        let stored = files.remove(&name).unwrap_or_default();
        if stored != log {
            let (stored, log) = (stored.len(), log.len());
            let dir = format!("/{name}/");
            let files = machine.world.files(machine.node).into_iter();
            let files: Vec<_> = files.filter(|path| path.to_string_lossy().contains(&dir)).collect();
            ledger.violations.push(format!("{name}: its files {files:?} hold {stored} bytes, its log {log}"));
        }
    }
    for name in files.keys() {
        ledger.violations.push(format!("{name}: segments of a deleted topic are on the device"));
    }
}
