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
    machine.place_topics(case.topics_on);
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

    /// No sync would reach what is written there.
    #[test]
    fn a_partition_on_a_file_system_of_its_own_is_refused() {
        let workload = Workload::new(4, Volume::SMALL);
        let mut bench = Bench::new(&workload, Machine::new(4, DiskFault::None, None));
        let duty = Duty { shards: 1, more: 1 };
        assert!(matches!(bench.boot(duty, Trial::default()), End::Closed));
        let (topic, key) = workload.keys().next().unwrap();
        let dir = Path::new(DATA_DIR).join("topics").join(format!("{}-{}", topic.name, key.partition));
        bench.machine.world.mount(bench.machine.node, &dir);
        let end = bench.boot(duty, Trial::default());
        assert!(matches!(&end, End::NotOpened(OpenError::Elsewhere(path)) if *path == dir), "{end:?}");
    }

    /// What lies under the name of a partition that has no record yet is somebody's: it makes way, and stays.
    #[test]
    fn files_under_the_name_of_an_empty_partition_are_put_aside() {
        let workload = Workload::new(4, Volume::SMALL);
        let mut bench = Bench::new(&workload, Machine::new(4, DiskFault::None, None));
        let end = bench.boot(Duty { shards: 1, more: 0 }, Trial::default());
        assert!(matches!(end, End::Closed), "{end:?}");
        let contents = vec![7; 5000];
        for (topic, key) in workload.keys() {
            let dir = Path::new(DATA_DIR).join("topics").join(format!("{}-{}", topic.name, key.partition));
            let Bench { machine, .. } = &mut bench;
            machine.world.put_file(machine.node, &dir.join("00000000000000000000.log"), contents.clone());
        }
        expect_closed(&mut bench, 1, "with files of somebody else");
        let Bench { machine, .. } = &bench;
        let files = machine.world.files(machine.node);
        let kept = files.iter().filter(|path| path.to_string_lossy().contains(".unknown-at-"));
        let kept: Vec<_> = kept.filter_map(|path| machine.world.durable_file(machine.node, path)).collect();
        assert_eq!(kept.len(), workload.keys().count(), "{files:?}");
        assert!(kept.iter().all(|found| *found == contents));
    }

    /// A process that was killed behind so many eighths of a workload.
    fn killed(workload: &Rc<Workload>, shards: u16, eighths: u64) -> Bench {
        let quiet = run(workload, &Case::quiet(shards)).operations;
        let operation = quiet.first().map_or(1, |all| all * eighths / 8);
        let mut bench = Bench::new(workload, Machine::new(workload.seed, DiskFault::None, None));
        let trial = Trial::of_blow(operation, Crash::Process);
        let end = bench.boot(Duty { shards, more: usize::MAX }, trial);
        assert!(matches!(end, End::Crashed(_)), "{end:?}");
        bench
    }

    fn expect_closed(bench: &mut Bench, shards: u16, what: &str) {
        let end = bench.boot(Duty { shards, more: 1 }, Trial::default());
        assert!(matches!(end, End::Closed), "{what}: {end:?}");
        assert_eq!(bench.ledger.borrow().violations, Vec::<String>::new(), "{what}");
    }

    /// The ring, which alone has some of what was acknowledged, is the original's: a copy that is started first reads it, and
    /// leaves it where it is.
    #[test]
    fn a_copy_of_a_directory_takes_nothing_from_its_original() {
        let copy = Path::new("/var/copy");
        for (seed, eighths) in (0..4).flat_map(|seed| (4..8).map(move |eighths| (seed, eighths))) {
            let workload = Workload::new(seed, Volume::SMALL);
            let mut bench = killed(&workload, 2, eighths);
            let known = bench.ledger.borrow().clone();
            let Bench { machine, .. } = &mut bench;
            machine.world.copy_path(machine.node, Path::new(DATA_DIR), copy);
            machine.live_in(copy);
            expect_closed(&mut bench, 2, "the copy");
            *bench.ledger.borrow_mut() = known;
            bench.machine.live_in(Path::new(DATA_DIR));
            expect_closed(&mut bench, 2, "the original");
            let left = bench.machine.world.shared_files(bench.machine.node);
            assert_eq!(left, Vec::<std::path::PathBuf>::new(), "a clean stop leaves no ring");
        }
    }

    /// As in a container whose shared memory holds 64 MiB: the rings of a start do not fit beside those of the killed run.
    /// Those are saved first; a crash at any moment of that loses nothing.
    #[test]
    fn a_start_needs_no_more_shared_memory_than_the_one_before() {
        let workload = Workload::new(3, Volume::SMALL);
        let small = |bench: &mut Bench, bytes| {
            bench.machine.world.limit_shared_memory(bench.machine.node, bytes);
        };
        let rings = 3 * (16 << 20);
        for keys in [&[][..], &[("millrace.durability", "process")]] {
            for (operation, kind) in
                (1..160).step_by(6).zip([Crash::Process, Crash::Power].into_iter().cycle())
            {
                let mut bench = killed(&workload, 3, 6);
                bench.machine.configure(keys);
                small(&mut bench, rings + (1 << 20));
                bench.boot(Duty { shards: 3, more: 1 }, Trial::of_blow(operation, kind));
                expect_closed(&mut bench, 3, "with room for one set of rings");
                small(&mut bench, rings / 2);
                let end = bench.boot(Duty { shards: 3, more: 1 }, Trial::default());
                match (keys.is_empty(), &end) {
                    (true, End::Closed) => {}
                    (false, End::NotOpened(OpenError::NoSharedMemory(_, reason))) => {
                        assert!(reason.contains("25165824 of the 50331648 bytes"), "{reason}");
                    }
                    _ => panic!("{keys:?}: {end:?}"),
                }
            }
        }
    }
}
