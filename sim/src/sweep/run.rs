//! One run of a workload: boots the node as often as the case wants and judges what it finds.

use std::cell::RefCell;
use std::rc::Rc;

use millrace_rt::world::Crash;
use millrace_shard::OpenError;

use super::drive::{Boot, Duty};
use crate::case::{BOOTS_MAX, Case, Outcome};
use crate::machine::{End, Machine, Progress};
use crate::promises::{Ledger, compare_files};
use crate::trial::Trial;
use crate::workload::Workload;

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
        self.ledger.borrow_mut().refusals += progress.refusals();
        self.ledger.borrow_mut().journal_bytes += progress.journal_bytes();
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
    let mut machine = Machine::new(workload.seed, case.fault, case.planted);
    machine.limit_memory(case.memory_bytes);
    machine.suffer(case.between);
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
            End::NotOpened(OpenError::Io { .. }) if trial.may_not_open() => duties.push(duty),
            End::Refused => break,
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
        looks: bench.machine.looks(),
        has_refused: bench.machine.has_refused(),
        refusals: ledger.refusals,
        journal_bytes: ledger.journal_bytes,
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use millrace_rt::fs;
    use millrace_rt::world::DiskFault;

    use super::*;
    use crate::promises::DATA_DIR;
    use crate::workload::Volume;

    /// What a start reads of a process that died within a write is in memory, and may not be on the device.
    #[test]
    fn what_a_dead_process_wrote_of_the_metadata_survives_the_power_too() {
        let volume = Volume { busy_bytes: 0, rare_partitions: 30, rare_batches: 1, batch_bytes_max: 100 };
        let workload = Workload::new(4, volume);
        for (seed, first) in (0..6).flat_map(|seed| (34..44).map(move |first| (seed, first))) {
            let mut bench = Bench::new(&workload, Machine::new(seed, DiskFault::None, None));
            let duty = Duty { shards: 1, more: 1 };
            bench.boot(duty, Trial::of_blow(first, Crash::Process));
            bench.boot(duty, Trial::of_blow(16, Crash::Power));
            let end = bench.boot(duty, Trial::default());
            assert!(matches!(end, End::Closed), "seed {seed}, operation {first}: {end:?}");
            assert_eq!(bench.ledger.borrow().violations, Vec::<String>::new());
        }
    }

    /// A start beside an empty journal directory, as where its disk is not mounted, would serve empty logs.
    #[test]
    fn a_missing_journal_is_refused() {
        let workload = Workload::new(4, Volume::SMALL);
        let mut bench = Bench::new(&workload, Machine::new(4, DiskFault::None, None));
        let duty = Duty { shards: 1, more: 1 };
        assert!(matches!(bench.boot(duty, Trial::default()), End::Closed));
        let progress: Rc<Progress> = Rc::default();
        let removal = bench.machine.boot(1, Trial::default(), &progress, |_| {
            let progress = Rc::clone(&progress);
            move |_| {
                let progress = Rc::clone(&progress);
                async move {
                    fs::remove_dir_all(&Path::new(DATA_DIR).join("journal")).await.unwrap();
                    progress.shard_closed();
                }
            }
        });
        assert!(matches!(removal, End::Closed));
        let end = bench.boot(duty, Trial::default());
        assert!(matches!(end, End::NotOpened(OpenError::Missing { .. })), "{end:?}");
    }
}
