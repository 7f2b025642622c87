//! What is its own in a run of a workload: its shards, how much a boot sends, and what a clean stop leaves.

use std::rc::Rc;

use super::drive::{RecordDuty, SweepNode};
use crate::case::{Case, Outcome};
use crate::machine::Machine;
use crate::promises::{PromiseLedger, compare_files};
use crate::scenario::{self, Boot, Life, Scenario, Stage};
use crate::workload::Workload;

/// Batches that a stream sends after a crash, and at the end: what that boot finds is the point.
const MORE_BEHIND_CRASH: usize = 3;
const MORE_AT_RESTART: usize = 2;

/// Records are produced and read.
pub(crate) struct Records;

/// A machine, and what is known outside of it.
pub(crate) type RecordBench = scenario::Bench<Records>;

/// Runs one case of a workload to its end.
pub fn run(workload: &Rc<Workload>, case: &Case) -> Outcome {
    scenario::run::<Records>(workload, case)
}

impl scenario::Duty for RecordDuty {
    fn of(life: Life) -> RecordDuty {
        let more = match life.stage {
            Stage::Beginning => usize::MAX,
            Stage::BehindCrash => MORE_BEHIND_CRASH,
            Stage::Restart => MORE_AT_RESTART,
        };
        RecordDuty { shards: life.shards, more }
    }

    fn shards(self) -> u16 {
        self.shards
    }
}

impl Scenario for Records {
    type Plan = Workload;
    type Ledger = PromiseLedger;
    type Duty = RecordDuty;
    type Serve = SweepNode;

    fn seed(workload: &Workload) -> u64 {
        workload.seed
    }

    fn ledger(workload: &Rc<Workload>) -> PromiseLedger {
        PromiseLedger::new(Rc::clone(workload))
    }

    fn serve(boot: Boot<Records>) -> SweepNode {
        SweepNode::new(boot.duty, boot.ledger, boot.engine, boot.progress)
    }

    fn stopped(machine: &Machine, ledger: &mut PromiseLedger) {
        compare_files(&machine.world, machine.node, ledger);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use millrace_rt::fs;
    use millrace_rt::world::{Crash, DiskFault};
    use millrace_shard::OpenError;

    use super::*;
    use crate::machine::{End, Progress};
    use crate::promises::DATA_DIR;
    use crate::trial::Trial;
    use crate::workload::Volume;

    /// What a start reads of a process that died within a write is in memory, and may not be on the device.
    #[test]
    fn what_a_dead_process_wrote_of_the_metadata_survives_the_power_too() {
        let volume = Volume { busy_bytes: 0, rare_partitions: 30, rare_batches: 1, batch_bytes_max: 100 };
        let workload = Workload::new(4, volume);
        for (seed, first) in (0..6).flat_map(|seed| (34..44).map(move |first| (seed, first))) {
            let mut bench = RecordBench::new(&workload, Machine::new(seed, DiskFault::None, None));
            let duty = RecordDuty { shards: 1, more: 1 };
            bench.boot(duty, Trial::of_blow(first, Crash::Process));
            bench.boot(duty, Trial::of_blow(16, Crash::Power));
            let end = bench.boot(duty, Trial::default());
            assert!(matches!(end, End::Closed), "seed {seed}, operation {first}: {end:?}");
            assert_eq!(bench.ledger.borrow().verdict.violations, Vec::<String>::new());
        }
    }

    /// A start beside an empty journal directory, as where its disk is not mounted, would serve empty logs.
    #[test]
    fn a_missing_journal_is_refused() {
        let workload = Workload::new(4, Volume::SMALL);
        let mut bench = RecordBench::new(&workload, Machine::new(4, DiskFault::None, None));
        let duty = RecordDuty { shards: 1, more: 1 };
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
        let mut bench = RecordBench::new(&workload, Machine::new(4, DiskFault::None, None));
        let duty = RecordDuty { shards: 1, more: 1 };
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
        let mut bench = RecordBench::new(&workload, Machine::new(4, DiskFault::None, None));
        let end = bench.boot(RecordDuty { shards: 1, more: 0 }, Trial::default());
        assert!(matches!(end, End::Closed), "{end:?}");
        let contents = vec![7; 5000];
        for (topic, key) in workload.keys() {
            let dir = Path::new(DATA_DIR).join("topics").join(format!("{}-{}", topic.name, key.partition));
            let RecordBench { machine, .. } = &mut bench;
            machine.world.put_file(machine.node, &dir.join("00000000000000000000.log"), contents.clone());
        }
        expect_closed(&mut bench, 1, "with files of somebody else");
        let RecordBench { machine, .. } = &bench;
        let files = machine.world.files(machine.node);
        let kept = files.iter().filter(|path| path.to_string_lossy().contains(".unknown-at-"));
        let kept: Vec<_> = kept.filter_map(|path| machine.world.durable_file(machine.node, path)).collect();
        assert_eq!(kept.len(), workload.keys().count(), "{files:?}");
        assert!(kept.iter().all(|found| *found == contents));
    }

    /// A process that was killed behind so many eighths of a workload.
    fn killed(workload: &Rc<Workload>, shards: u16, eighths: u64) -> RecordBench {
        let quiet = run(workload, &Case::quiet(shards)).operations;
        let operation = quiet.first().map_or(1, |all| all * eighths / 8);
        let mut bench = RecordBench::new(workload, Machine::new(workload.seed, DiskFault::None, None));
        let trial = Trial::of_blow(operation, Crash::Process);
        let end = bench.boot(RecordDuty { shards, more: usize::MAX }, trial);
        assert!(matches!(end, End::Crashed(_)), "{end:?}");
        bench
    }

    fn expect_closed(bench: &mut RecordBench, shards: u16, what: &str) {
        let end = bench.boot(RecordDuty { shards, more: 1 }, Trial::default());
        assert!(matches!(end, End::Closed), "{what}: {end:?}");
        assert_eq!(bench.ledger.borrow().verdict.violations, Vec::<String>::new(), "{what}");
    }

    /// The ring, which alone has some of what was acknowledged, is the original's: a copy that is started
    /// first reads it, and leaves it where it is.
    #[test]
    fn a_copy_of_a_directory_takes_nothing_from_its_original() {
        let copy = Path::new("/var/copy");
        for (seed, eighths) in (0..4).flat_map(|seed| (4..8).map(move |eighths| (seed, eighths))) {
            let workload = Workload::new(seed, Volume::SMALL);
            let mut bench = killed(&workload, 2, eighths);
            let known = bench.ledger.borrow().clone();
            let RecordBench { machine, .. } = &mut bench;
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

    /// As in a container whose shared memory holds 64 MiB: the rings of a start do not fit beside those of
    /// the killed run. Those are saved first; a crash at any moment of that loses nothing.
    #[test]
    fn a_start_needs_no_more_shared_memory_than_the_one_before() {
        let workload = Workload::new(3, Volume::SMALL);
        let small = |bench: &mut RecordBench, bytes| {
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
                bench.boot(RecordDuty { shards: 3, more: 1 }, Trial::of_blow(operation, kind));
                expect_closed(&mut bench, 3, "with room for one set of rings");
                small(&mut bench, rings / 2);
                let end = bench.boot(RecordDuty { shards: 3, more: 1 }, Trial::default());
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
