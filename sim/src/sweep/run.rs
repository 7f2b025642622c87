//! One run of a workload: boots the node as often as the case wants and judges what it finds.

use std::cell::RefCell;
use std::rc::Rc;

use millrace_rt::world::{Crash, DiskFault};
use millrace_shard::{OpenError, Planted};

use super::drive::{Boot, Duty};
use super::machine::{End, Machine, Progress, Trial};
use crate::promises::{Ledger, compare_files};
use crate::workload::Workload;

/// A boot behind a crash may crash again only so often.
const BOOTS_MAX: usize = 6;

/// One run of a workload.
#[derive(Debug, Clone)]
pub struct Case {
    pub shards: u16,
    /// One for each boot, from the first on; a boot whose blow never comes ends cleanly.
    pub trials: Vec<Trial>,
    /// Numbers of shards with which the node is booted again at the end.
    pub restarts: Vec<u16>,
    pub fault: DiskFault,
    pub planted: Option<Planted>,
}

impl Case {
    pub fn quiet(shards: u16) -> Case {
        Case { shards, trials: Vec::new(), restarts: Vec::new(), fault: DiskFault::None, planted: None }
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

/// A machine, and what is known outside of it.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) ledger: Rc<RefCell<Ledger>>,
}

impl Bench {
    pub(crate) fn new(workload: &Rc<Workload>, machine: Machine) -> Bench {
        Bench { machine, ledger: Rc::new(RefCell::new(Ledger::new(Rc::clone(workload)))) }
    }

    /// Boots the node and runs it until it has closed or crashed.
    pub(crate) fn boot(&mut self, duty: Duty, trial: Trial) -> End {
        let progress: Rc<Progress> = Rc::default();
        let (ledger, shared) = (Rc::clone(&self.ledger), Rc::clone(&progress));
        let end = self.machine.boot(duty.shards, trial, &progress, move |engine| {
            let boot = Boot::new(duty, ledger, engine, shared);
            move |seat| boot.clone().serve(seat)
        });
        if let End::Crashed(fall) = &end {
            let mut ledger = self.ledger.borrow_mut();
            ledger.violations.extend(fall.violation.clone());
            ledger.crashed();
            ledger.lost_power |= fall.kind == Crash::Power;
        }
        end
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.ledger.borrow().violations.is_empty()
    }
}

/// Runs one case of a workload to its end.
pub fn run(workload: &Rc<Workload>, case: &Case) -> Outcome {
    let machine = Machine::new(workload.seed, case.fault, case.planted);
    let mut bench = Bench::new(workload, machine);
    let mut crashes = 0;
    let mut operations = Vec::new();
    let mut duties = duties(case);
    let mut trials = case.trials.iter().copied();
    while let Some(duty) = duties.pop() {
        let trial = trials.next().unwrap_or_default();
        let before = bench.machine.operations();
        let end = bench.boot(duty, trial);
        operations.push(bench.machine.operations() - before);
        match end {
            End::Closed => {
                let Bench { machine, ledger } = &bench;
                compare_files(&machine.world, machine.node, &mut ledger.borrow_mut());
            }
            // A start needs room for its journals; with space it comes up.
            End::NotOpened(OpenError::Io { .. }) if trial.squeeze.is_some() => duties.push(duty),
            End::Crashed(_) => {
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
        trace: bench.machine.world.trace().to_vec(),
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
