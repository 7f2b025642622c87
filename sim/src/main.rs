//! `millrace-sim`: replays seeds of the whole broker and sweeps crashes, in a simulated world.
#![expect(clippy::print_stdout, reason = "a tool on a terminal")]

use std::ops::Range;
use std::process::ExitCode;

use clap::Parser;
use millrace_sim::broker::run_seed;
use millrace_sim::groups::run_seed as run_groups;
use millrace_sim::sweep::{
    Between, Damage, DamageBench, FlipBench, Subject, Sweep, SweepOptions, SweepTally,
};

/// Runs Millrace in a simulated world. Without options: one seed of the whole broker, with its trace.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The seed of one run, or of the sweep's workload.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seeds A up to, not including, B of the whole broker; only failures are shown.
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    seeds: Option<Range<u64>>,
    /// Consumer groups, whose members leave, freeze, crash and return, instead of producers and readers.
    #[arg(
        long,
        conflicts_with_all = ["topics", "retention", "faults", "full", "checkpoints", "damage", "flips", "memory"]
    )]
    groups: bool,
    /// A crash before every disk operation of a workload, once of the process and once of the machine.
    #[arg(long)]
    sweep: bool,
    /// With --sweep: crashes within the recovery behind a crash instead.
    #[arg(long)]
    recovery: bool,
    /// With --sweep: topics are created, deleted and created again; otherwise records are produced and read.
    #[arg(long)]
    topics: bool,
    /// With --sweep: logs begin later by retention and DeleteRecords.
    #[arg(long, conflicts_with = "topics")]
    retention: bool,
    /// With --sweep: logs are compacted by key while they are written and read.
    #[arg(long, conflicts_with_all = ["topics", "retention", "groups"])]
    compaction: bool,
    /// With --sweep: failed and short writes and failed syncs instead of crashes.
    #[arg(long)]
    faults: bool,
    /// With --sweep: a disk that is full for a while, alone and with a crash meanwhile, instead of crashes.
    #[arg(long, conflicts_with = "topics")]
    full: bool,
    /// With --sweep: both checkpoints are damaged before each boot.
    #[arg(long)]
    checkpoints: bool,
    /// With --sweep: behind each crash files of one kind are lost, or cut.
    #[arg(long, conflicts_with_all = ["checkpoints", "groups", "topics"])]
    losses: bool,
    /// With --sweep: every byte of the last journal frame cut, zeroed and garbled instead.
    #[arg(long)]
    damage: bool,
    /// With --sweep: bits flipped in every kind of file instead.
    #[arg(long)]
    flips: bool,
    /// With --sweep: only this case, as a failure names it.
    #[arg(long, value_name = "N")]
    case: Option<usize>,
    /// With --sweep --flips: only N cases, spread over all.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// With --sweep: only before every K-th operation.
    #[arg(long, default_value_t = 1, value_name = "K")]
    every: u64,
    /// With --sweep: shards of the swept node; several numbers: one sweep after the other.
    #[arg(long, default_value = "1", value_delimiter = ',')]
    shards: Vec<u16>,
    /// With --sweep: memory of the swept node; with 1 or 2, tails leave it all the time.
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// With --sweep: stop at the first failure and show its trace.
    #[arg(long)]
    trace: bool,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("a range is A..B")?;
    let number = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
    Ok(number(from)?..number(to)?)
}

fn main() -> ExitCode {
    let options = Options::parse();
    millrace_sim::name_panics();
    let course = if options.groups { &GROUPS } else { &RECORDS };
    let failed = match (&options.seeds, options.sweep) {
        (_, true) if options.damage => damage(&options),
        (_, true) if options.flips => flips(&options),
        (_, true) => sweeps(&options),
        (Some(seeds), false) => many(course, seeds.clone()),
        (None, false) => one(course, options.seed),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What came of a seed, whoever uses the broker.
struct Seen {
    violations: Vec<String>,
    trace: Vec<String>,
    /// How often happened what the course names.
    counts: Vec<u64>,
}

/// Runs of the whole broker that a seed replays.
struct SeedRun {
    /// What names them on the command line.
    option: &'static str,
    counted: &'static [&'static str],
    run: fn(u64) -> Seen,
}

const RECORDS: SeedRun = SeedRun {
    option: "",
    counted: &["acknowledgements", "crashes"],
    run: |seed| {
        let report = run_seed(seed);
        let counts = vec![report.acknowledgements, u64::from(report.crashes)];
        Seen { violations: report.violations, trace: report.trace, counts }
    },
};

const GROUPS: SeedRun = SeedRun {
    option: "--groups ",
    counted: &["commits", "generations", "crashes"],
    run: |seed| {
        let report = run_groups(seed);
        let counts = vec![report.acknowledgements, report.generations, u64::from(report.crashes)];
        Seen { violations: report.violations, trace: report.trace, counts }
    },
};

/// One seed with its trace; answers how many runs failed.
fn one(course: &SeedRun, seed: u64) -> usize {
    let seen = (course.run)(seed);
    seen.trace.iter().for_each(|line| println!("{line}"));
    seen.violations.iter().for_each(|violation| println!("VIOLATION {violation}"));
    let failed = usize::from(!seen.violations.is_empty());
    println!("{}", shown(course, &seen.counts));
    println!("{} passed, {failed} failed", 1 - failed);
    failed
}

fn many(course: &SeedRun, seeds: Range<u64>) -> usize {
    let (mut passed, mut failed) = (0, 0);
    let mut total = vec![0; course.counted.len()];
    for seed in seeds {
        let seen = (course.run)(seed);
        total.iter_mut().zip(&seen.counts).for_each(|(sum, count)| *sum += count);
        if seen.violations.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            println!("seed {seed} FAILED (replay with {}--seed {seed})", course.option);
            seen.violations.iter().take(10).for_each(|violation| println!("  {violation}"));
        }
    }
    println!("{}", shown(course, &total));
    println!("{passed} passed, {failed} failed");
    failed
}

fn shown(course: &SeedRun, counts: &[u64]) -> String {
    let counts = counts.iter().zip(course.counted).map(|(count, name)| format!("{count} {name}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// A sweep for each number of shards.
fn sweeps(options: &Options) -> usize {
    let (mut passed, mut failed) = (0, 0);
    for &shards in &options.shards {
        let tally = sweep(options, shards);
        passed += tally.cases - tally.failures.len() as u64;
        failed += tally.failures.len();
    }
    println!("{passed} passed, {failed} failed");
    failed
}

fn sweep(options: &Options, shards: u16) -> SweepTally {
    let subject = match options {
        Options { topics: true, .. } => Subject::Topics,
        Options { retention: true, .. } => Subject::Retention,
        Options { groups: true, .. } => Subject::Groups,
        Options { compaction: true, .. } => Subject::Compaction,
        _ => Subject::Records,
    };
    let usual = SweepOptions::new(options.seed, shards, options.every);
    let memory_bytes = options.memory.map_or(usual.memory_bytes, |mebibytes| mebibytes << 20);
    let between = if options.checkpoints { Between::DamagedCheckpoints } else { Between::Nothing };
    let wanted = SweepOptions { subject, memory_bytes, between, ..usual };
    let mut sweep = match options {
        Options { recovery: true, .. } => Sweep::of_recovery(wanted),
        Options { faults: true, .. } => Sweep::of_faults(wanted),
        Options { full: true, .. } => Sweep::of_full_disks(wanted),
        Options { losses: true, .. } => Sweep::of_losses(wanted),
        _ => Sweep::new(wanted),
    };
    let (operations, cases) = (sweep.tally().operations, sweep.cases_left());
    println!("{shards} shards: {operations} disk operations, {cases} cases");
    if let Some(case) = options.case {
        sweep.only(case as u64);
    }
    let mut shown = 0;
    loop {
        if let Some(failure) = sweep.tally().failures.get(shown) {
            shown += 1;
            println!("FAILED {failure}");
            if options.trace {
                failure.trace.iter().for_each(|line| println!("    {line}"));
                break;
            }
        }
        if !sweep.step() && shown == sweep.tally().failures.len() {
            break;
        }
    }
    let tally = sweep.tally().clone();
    let SweepTally { crashes, boots, acknowledgements, refusals, refused_starts, .. } = &tally;
    println!("{crashes} crashes, {boots} boots, {acknowledgements} acknowledgements, {refusals} refusals");
    if options.losses {
        println!("{refused_starts} starts refused what was lost");
    }
    tally
}

fn damage(options: &Options) -> usize {
    let bench = DamageBench::new(options.seed);
    let frame_bytes = bench.last_frame_bytes();
    let (mut passed, mut failed, mut unchanged) = (0, 0, 0);
    let mut count = |what: String, violations: Vec<String>| match violations.is_empty() {
        true => passed += 1,
        false => {
            failed += 1;
            println!("FAILED {what}: {violations:?}");
        }
    };
    for at in (0..frame_bytes).step_by(options.every.max(1) as usize) {
        for damage in [Damage::Cut, Damage::Zero, Damage::Garble] {
            match bench.damage_last(damage, at) {
                Some(violations) => count(format!("{damage:?} at {at} of {frame_bytes}"), violations),
                None => unchanged += 1,
            }
        }
    }
    for number in 0..bench.acknowledged_frames() {
        let at = number * 61;
        count(format!("frame {number} garbled at {at}"), bench.garble_earlier(number, at));
    }
    println!("the last frame has {frame_bytes} bytes; {unchanged} damages changed nothing");
    println!("{passed} passed, {failed} failed");
    failed
}

fn flips(options: &Options) -> usize {
    let bench = FlipBench::new(options.seed);
    let cases: Vec<usize> = match options.case {
        Some(case) => vec![case],
        None => {
            let every = options.sample.map_or(options.every as usize, |sample| bench.cases() / sample.max(1));
            (0..bench.cases()).step_by(every.max(1)).collect()
        }
    };
    println!("{} of {} cases", cases.len(), bench.cases());
    let (mut passed, mut failed) = (0, 0);
    for case in cases {
        let violations = bench.run(case);
        if violations.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            let (scene, flip) = bench.flip(case);
            println!("FAILED --case {case}, after a {scene}: {flip}");
            violations.iter().take(5).for_each(|violation| println!("  {violation}"));
        }
    }
    println!("{passed} passed, {failed} failed");
    failed
}
