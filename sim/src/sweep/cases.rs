//! Chooses the crashes of a sweep and runs them one after another.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::journal::{ADMISSION_BYTES, ADMISSION_INODES, JOURNAL_BYTES_MIN, SpaceNeed};
use millrace_rt::world::{Crash, DiskFault};
use millrace_shard::Planted;

use super::run::run;
use crate::case::{Case, Outcome};
use crate::chance::Chance;
use crate::compaction::{self, Compaction};
use crate::groups;
use crate::loss::Loss;
use crate::machine::MEMORY_BYTES;
use crate::retention::{self, Retention};
use crate::scenario;
use crate::topics::{self, Topics};
use crate::trial::{Between, Blow, Filling, Looks, Room, Squeeze, TopicsOn, Trial};
use crate::workload::{Volume, Workload};

/// What a sweep covers.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    pub seed: u64,
    pub shards: u16,
    pub volume: Volume,
    /// A crash before every n-th disk operation; 1: before each.
    pub every: u64,
    pub fault: DiskFault,
    pub between: Between,
    pub topics_on: TopicsOn,
    pub planted: Option<Planted>,
    pub subject: Subject,
    /// Memory of each boot; with a little, tails leave it all the time.
    pub memory_bytes: u64,
}

/// What goes on in a swept node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Records are produced and read.
    Records,
    /// Topics are created, written, deleted and created again.
    Topics,
    /// Logs begin later by retention and by request.
    Retention,
    /// Consumer groups of the whole broker.
    Groups,
    /// Logs are compacted by key.
    Compaction,
}

/// A workload, the same for each case.
enum Scene {
    Records(Rc<Workload>),
    Topics(Rc<topics::TopicPlan>),
    Retention(Rc<retention::RetentionPlan>),
    Groups(Rc<groups::GroupsPlan>),
    Compaction(Rc<compaction::CompactionPlan>),
}

impl Scene {
    fn run(&self, case: &Case) -> Outcome {
        match self {
            Scene::Records(workload) => run(workload, case),
            Scene::Topics(plan) => scenario::run::<Topics>(plan, case),
            Scene::Retention(plan) => scenario::run::<Retention>(plan, case),
            Scene::Groups(plan) => groups::run_case(plan, case),
            Scene::Compaction(plan) => scenario::run::<Compaction>(plan, case),
        }
    }
}

impl SweepOptions {
    pub fn new(seed: u64, shards: u16, every: u64) -> SweepOptions {
        // Each shard's journal is to wrap.
        let volume =
            Volume { busy_bytes: Volume::WRAPPING.busy_bytes * usize::from(shards), ..Volume::WRAPPING };
        SweepOptions {
            seed,
            shards,
            volume,
            every,
            fault: DiskFault::None,
            between: Between::Nothing,
            topics_on: TopicsOn::DataDisk,
            planted: None,
            subject: Subject::Records,
            memory_bytes: MEMORY_BYTES,
        }
    }
}

/// A case whose promises were not kept.
#[derive(Debug, Clone)]
pub struct SweepFailure {
    pub seed: u64,
    /// Its place in the sweep; the run without a crash is 0.
    pub number: u64,
    pub case: Case,
    pub violations: Vec<String>,
    pub trace: Vec<String>,
}

impl fmt::Display for SweepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--case {}, seed {}, {:?}", self.number, self.seed, self.case)?;
        self.violations.iter().take(10).try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

/// What a sweep has done.
#[derive(Debug, Clone, Default)]
pub struct SweepTally {
    /// Disk operations of the run without a crash.
    pub operations: u64,
    /// What that run, and those behind it with other numbers of shards, read.
    pub looks: Looks,
    pub cases: u64,
    pub crashes: u64,
    pub boots: u64,
    pub acknowledgements: u64,
    /// Starts that said that files were lost.
    pub refused_starts: u64,
    /// Appends that were refused for want of space.
    pub refusals: u64,
    pub failures: Vec<SweepFailure>,
}

/// A sweep: the quiet run first, then one case after another.
pub struct Sweep {
    options: SweepOptions,
    scene: Scene,
    chance: Chance,
    cases: Vec<Case>,
    /// The number of the next case.
    next: u64,
    tally: SweepTally,
}

/// A second blow falls within so many operations of the boot behind the first:
/// some before it has opened, some after.
const SECOND_BLOW_WITHIN: u64 = 120;
/// Moments of a run at which a crash is followed by a second one within the recovery.
const RECOVERY_MOMENTS: u64 = 5;
/// What a full disk may still take: part of a write, or some of them.
const FULL_ROOM_MAX: u64 = 400_000;
/// Likewise files and directories: of a roll, a checkpoint, a start.
const FULL_INODES_MAX: u64 = 12;
/// Long enough that the journal fills up and appends wait, or too short for that.
const FULL_MILLIS_MAX: u64 = 2_000;
/// Long enough that the node fills its disk itself and waits for a while.
const FILLING_TIME: Duration = Duration::from_secs(4);
/// What the node may write until it keeps only the reserve.
const FILLING_ROOM_MAX: u64 = 4_000_000;
/// The same in files and directories: each partition takes three of the reserve, and makes as many.
const FILLING_INODES_MAX: u64 = 60;
/// Of one shard without partitions.
const NEED: SpaceNeed =
    SpaceNeed { journal_bytes: JOURNAL_BYTES_MIN, partitions: 0, files_due: 0, checkpoint_bytes: 0 };
/// One case of so many goes on to be booted with other numbers of shards.
const RESTARTS_EVERY: u64 = 4;

impl Sweep {
    /// Runs the workload without a crash, which counts its operations.
    pub fn new(options: SweepOptions) -> Sweep {
        let scene = match options.subject {
            Subject::Records => Scene::Records(Workload::new(options.seed, options.volume)),
            Subject::Topics => Scene::Topics(topics::TopicPlan::new(options.seed)),
            Subject::Retention => Scene::Retention(retention::RetentionPlan::new(options.seed)),
            Subject::Groups => Scene::Groups(groups::GroupsPlan::new(options.seed)),
            Subject::Compaction => Scene::Compaction(compaction::CompactionPlan::new(options.seed)),
        };
        let chance = Chance::new(options.seed ^ 0x5eed);
        let mut sweep =
            Sweep { options, scene, chance, cases: Vec::new(), next: 0, tally: SweepTally::default() };
        let quiet = Case { restarts: restarts(options.shards), ..sweep.case(Vec::new()) };
        let outcome = sweep.run_case(quiet);
        sweep.tally.looks = outcome.looks;
        sweep.tally.operations = outcome.operations.first().copied().unwrap_or(0);
        sweep.plan();
        sweep
    }

    /// Plans crashes within the boot that follows a crash: for some moments of the run, a second blow before
    /// each operation of what comes then, up to the end of its audit.
    pub fn of_recovery(options: SweepOptions) -> Sweep {
        let mut sweep = Sweep::new(SweepOptions { every: u64::MAX, ..options });
        let (every, operations) = (options.every.max(1) as usize, sweep.tally.operations);
        for moment in 1..=RECOVERY_MOMENTS {
            let operation = operations * moment / (RECOVERY_MOMENTS + 1);
            for first in [Crash::Process, Crash::Power] {
                let blow = Trial::of_blow(operation, first);
                let once = sweep.scene.run(&sweep.case(vec![blow]));
                let within = once.operations.get(1).copied().unwrap_or(0);
                let second =
                    (1..=within).step_by(every).zip([Crash::Power, Crash::Process].into_iter().cycle());
                let trials = second.map(|(operation, kind)| vec![blow, Trial::of_blow(operation, kind)]);
                let cases: Vec<Case> = trials.map(|trials| sweep.case(trials)).collect();
                sweep.cases.extend(cases);
            }
        }
        sweep
    }

    /// Plans runs in which the n-th write, sync, opening, read,
    /// or operation of any kind fails or falls short, each once.
    pub fn of_faults(options: SweepOptions) -> Sweep {
        let mut sweep = Sweep::new(SweepOptions { every: u64::MAX, ..options });
        let every = options.every.max(1) as usize;
        for n in (1..=sweep.tally.operations).step_by(every) {
            let kinds = [
                DiskFault::FailWrite(n),
                DiskFault::ShortWrite(n),
                // Syncs and reads are fewer than operations; the higher numbers never come.
                DiskFault::FailSync(n.div_ceil(4)),
                DiskFault::FailOperation(n),
            ];
            // What a failure kept from being deleted, the next start deletes.
            let again = match sweep.options.subject {
                Subject::Records => Vec::new(),
                _ => vec![sweep.options.shards],
            };
            let case = |fault| Case { fault, restarts: again.clone(), ..sweep.case(Vec::new()) };
            let cases: Vec<Case> = kinds.map(case).to_vec();
            sweep.cases.extend(cases);
        }
        let Looks { reads, opens, lookups } = sweep.tally.looks;
        let reads = (1..=reads).step_by(every).map(DiskFault::ReadError);
        let opens = (1..=opens).step_by(every).map(DiskFault::FailOpen);
        let lookups = (1..=lookups).step_by(every).map(DiskFault::FailLookup);
        for fault in reads.chain(opens).chain(lookups) {
            // What the first boot wrote is read by those behind it.
            let restarts = restarts(sweep.options.shards);
            let case = Case { fault, restarts, ..sweep.case(Vec::new()) };
            sweep.cases.push(case);
        }
        sweep
    }

    /// Plans disks without space, each without a crash, and with one after which the node is started with the
    /// disk still full or with space: one that somebody else fills at every n-th operation, and a small one
    /// that the node fills itself, down to the reserve, with a crash at every n-th operation.
    /// What runs out is bytes or inodes.
    pub fn of_full_disks(options: SweepOptions) -> Sweep {
        let mut sweep = Sweep::new(SweepOptions { every: u64::MAX, ..options });
        let every = options.every.max(1) as usize;
        for operation in (1..=sweep.tally.operations).step_by(every) {
            for blow in [None, Some(Crash::Process), Some(Crash::Power)] {
                let trials = sweep.full_disk(operation, blow);
                sweep.cases.push(sweep.case(trials));
                let (bytes, inodes) = (sweep.bytes_to_fill(), sweep.inodes_to_fill());
                for room in [bytes, inodes] {
                    let trials = sweep.filled_disk(operation, blow, room);
                    sweep.cases.push(sweep.case(trials));
                }
            }
        }
        sweep.cases.reverse();
        sweep
    }

    /// Plans a loss of files behind each crash of the sweep, one kind of loss after the other,
    /// and all of them behind a clean stop.
    pub fn of_losses(options: SweepOptions) -> Sweep {
        let mut sweep = Sweep::new(options);
        let mut losses = Vec::new();
        for (number, case) in sweep.cases.iter_mut().enumerate() {
            if losses.is_empty() {
                losses = Loss::all(number);
            }
            // A second blow would fall on a node that does not open.
            case.trials.truncate(1);
            case.between = losses.pop().map_or(Between::Nothing, Between::Lost);
        }
        let again = vec![sweep.options.shards];
        for loss in Loss::all(0) {
            let between = Between::Lost(loss);
            let case = Case { between, restarts: again.clone(), ..sweep.case(Vec::new()) };
            sweep.cases.push(case);
        }
        sweep
    }

    fn full_disk(&mut self, operation: u64, crash: Option<Crash>) -> Vec<Trial> {
        let left = if self.chance.one_in(2) { 0 } else { self.chance.below(FULL_ROOM_MAX) };
        let room =
            if self.chance.one_in(2) { Room::Bytes(left) } else { Room::Inodes(left % FULL_INODES_MAX) };
        let lasts = Duration::from_millis(1 + self.chance.below(FULL_MILLIS_MAX));
        let squeeze = Some(Squeeze { filling: Filling::ByOthers { operation, room }, lasts });
        let Some(kind) = crash else { return vec![Trial { blow: None, squeeze }] };
        let blow = Some(Blow { operation: operation + 1 + self.chance.below(SECOND_BLOW_WITHIN), kind });
        let first = Trial { blow, squeeze };
        if self.chance.one_in(2) {
            return vec![first];
        }
        // A start needs room for its journals of 4 MiB; some find it, some not.
        let left = self.chance.below(2 * u64::from(self.options.shards) * JOURNAL_BYTES_MIN);
        let room = match room {
            Room::Bytes(_) => Room::Bytes(left),
            Room::Inodes(_) => Room::Inodes(left % (2 * u64::from(self.options.shards) * FULL_INODES_MAX)),
        };
        let filling = Filling::ByOthers { operation: 0, room };
        vec![first, Trial { blow: None, squeeze: Some(Squeeze { filling, lasts }) }]
    }

    /// The journals of a start, all that the reserve is made of, and something to fill.
    fn bytes_to_fill(&mut self) -> Room {
        let need = JOURNAL_BYTES_MIN + NEED.bytes() + ADMISSION_BYTES;
        Room::Bytes(u64::from(self.options.shards) * need + self.chance.below(FILLING_ROOM_MAX))
    }

    fn inodes_to_fill(&mut self) -> Room {
        let need = NEED.inodes() + ADMISSION_INODES;
        Room::Inodes(u64::from(self.options.shards) * need + self.chance.below(FILLING_INODES_MAX))
    }

    fn filled_disk(&mut self, operation: u64, crash: Option<Crash>, room: Room) -> Vec<Trial> {
        let squeeze = Some(Squeeze { filling: Filling::ByItself { room }, lasts: FILLING_TIME });
        let Some(kind) = crash else { return vec![Trial { blow: None, squeeze }] };
        let first = Trial { blow: Some(Blow { operation, kind }), squeeze };
        let still = Squeeze { filling: Filling::Still, lasts: FILLING_TIME };
        let second = if self.chance.one_in(4) { None } else { Some(still) };
        vec![first, Trial { blow: None, squeeze: second }]
    }

    pub fn tally(&self) -> &SweepTally {
        &self.tally
    }

    pub fn cases_left(&self) -> usize {
        self.cases.len()
    }

    /// Leaves out all cases but one.
    pub fn only(&mut self, number: u64) {
        let before = usize::try_from(number.saturating_sub(self.next)).unwrap_or(usize::MAX);
        let at = before.checked_add(1).and_then(|number| self.cases.len().checked_sub(number));
        self.cases = at.map(|at| self.cases.swap_remove(at)).into_iter().collect();
        self.next = number;
    }

    /// Runs the next case; false when none is left.
    pub fn step(&mut self) -> bool {
        match self.cases.pop() {
            Some(case) => {
                self.run_case(case);
                true
            }
            None => false,
        }
    }

    /// Runs all cases, or up to the first failure.
    pub fn run_to_failure(&mut self) -> Option<&SweepFailure> {
        while self.tally.failures.is_empty() && self.step() {}
        self.tally.failures.first()
    }

    fn case(&self, trials: Vec<Trial>) -> Case {
        let SweepOptions { shards, fault, between, topics_on, planted, memory_bytes, .. } = self.options;
        Case { trials, fault, between, topics_on, planted, memory_bytes, ..Case::quiet(shards) }
    }

    fn plan(&mut self) {
        let every = self.options.every.max(1);
        let begin = 1 + self.chance.below(every);
        let step = usize::try_from(every).unwrap_or(usize::MAX);
        for (number, operation) in (begin..=self.tally.operations).step_by(step).enumerate() {
            for kind in [Crash::Process, Crash::Power] {
                let mut trials = vec![Trial::of_blow(operation, kind)];
                if self.chance.one_in(2) {
                    let operation = 1 + self.chance.below(SECOND_BLOW_WITHIN);
                    let kind = if self.chance.one_in(2) { Crash::Process } else { Crash::Power };
                    trials.push(Trial::of_blow(operation, kind));
                }
                let goes_on = (number as u64).is_multiple_of(RESTARTS_EVERY);
                let restarts = if goes_on { restarts(self.options.shards) } else { Vec::new() };
                let mut case = Case { restarts, ..self.case(trials) };
                // What a failed start left is found by a start with good checkpoints,
                // and then by one without.
                if goes_on && kind == Crash::Process && case.between == Between::DamagedCheckpoints {
                    case.between = Between::CheckpointsDamagedFrom(case.trials.len() as u64 + 2);
                }
                self.cases.push(case);
            }
        }
        self.cases.reverse();
    }

    fn run_case(&mut self, case: Case) -> Outcome {
        crate::under_way(format!("seed {}, {case:?}", self.options.seed));
        let number = self.next;
        self.next += 1;
        let outcome = self.scene.run(&case);
        self.tally.cases += 1;
        self.tally.crashes += outcome.crashes as u64;
        self.tally.boots += outcome.operations.len() as u64;
        self.tally.acknowledgements += outcome.acknowledgements;
        self.tally.refused_starts += u64::from(outcome.has_refused);
        self.tally.refusals += outcome.refusals;
        if !outcome.violations.is_empty() {
            self.tally.failures.push(SweepFailure {
                seed: self.options.seed,
                number,
                case,
                violations: outcome.violations.clone(),
                trace: outcome.trace.clone(),
            });
        }
        outcome
    }
}

/// The other numbers of shards that a node is booted with at the end.
fn restarts(shards: u16) -> Vec<u16> {
    match shards {
        1 => vec![3, 2],
        2 => vec![1, 3],
        _ => vec![1, 2],
    }
}
