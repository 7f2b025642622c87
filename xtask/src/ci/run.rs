//! The command `ci`: every step of the table, beside others where there is room, its output in a log,
//! the times of all at the end.
#![expect(clippy::print_stdout, reason = "progress and summary are the command's output")]

use super::broker::Broker;
use super::inputs::{Inputs, Passed};
use super::leftovers::{MARK, Whose, adopt_orphans, end_leftovers};
use super::process;
use super::schedule::{self, Room};
use super::steps::{STEPS, Step, Work};
use crate::codegen::root;
use crate::table::{self, Column};
use crate::tidy;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Lines of a failed step's log that are shown; the whole log stays in its file.
const SHOWN_LINES: usize = 150;

/// The allocator of glibc keeps what a simulated world gives back for the next one, which a sweep makes
/// thousands of: the system zeroed it anew in a fourth of a sweep's time.
const KEEPS_MEMORY: [(&str, &str); 2] =
    [("MALLOC_TRIM_THRESHOLD_", "2000000000"), ("MALLOC_MMAP_THRESHOLD_", "2000000000")];

/// What the caller asked for.
pub(crate) struct Request {
    /// Seeds of the simulation.
    pub(crate) seeds: u32,
    /// The sweeps crash or fail every so many disk operations.
    pub(crate) every: u32,
    /// Cycles of kill -9 in each durability mode.
    pub(crate) cycles: u32,
    /// Seconds of each fuzz target.
    pub(crate) fuzz: u32,
    /// A step that takes longer hangs, and is ended.
    pub(crate) minutes: u64,
    /// At most so many steps beside one another.
    pub(crate) at_once: usize,
    /// What has passed in this clone, and has not changed since, is left out.
    pub(crate) changed: bool,
    /// Names of steps; all when empty.
    pub(crate) steps: Vec<String>,
}

/// Runs the steps. The last line printed is `N passed, N failed`; one failure fails the command.
#[expect(clippy::disallowed_methods, reason = "the duration of a run is real time")]
pub(crate) fn run(request: &Request) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(name) = request.steps.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!("there is no step {name}; the steps are {}", names.join(", ")).into());
    }
    adopt_orphans()?;
    let mut place = Place::new(request)?;
    let is_chosen =
        |step: &&Step| request.steps.is_empty() || request.steps.iter().any(|name| name == step.name);
    let mut chosen: Vec<&'static Step> = STEPS.iter().filter(is_chosen).collect();
    let before = Inputs::read(&place.root)?;
    let mut passed = Passed::read(&place.logs);
    let mut left_out = Vec::new();
    if request.changed {
        place.tested = before
            .packages()
            .filter(|name| !passed.has(&tests_of(name), before.of_tests(name)))
            .map(str::to_owned)
            .collect();
        let has_passed = |step: &&Step| match step.name {
            TESTS => place.tested.is_empty(),
            name => before.of_step(step, &place.asked()).is_some_and(|number| passed.has(name, number)),
        };
        (left_out, chosen) = chosen.into_iter().partition(has_passed);
    } else {
        place.tested = before.packages().map(str::to_owned).collect();
    }
    let began = Instant::now();
    let outcomes = run_all(&place, &chosen)?;
    let after = Inputs::read(&place.root)?;
    note_passed(&place, &chosen, &outcomes, [&before, &after], &mut passed)?;
    let mut rows = vec![["", "seconds", "of processor"].map(str::to_owned).to_vec()];
    rows.extend(chosen.iter().map(|step| outcomes[step.name].row(step.name)));
    let spent: Duration = outcomes.values().map(|outcome| outcome.spent).sum();
    rows.push(row("together", began.elapsed(), spent));
    print!("\n{}", table::lines(&COLUMNS, rows));
    let failed = outcomes.values().filter(|outcome| outcome.fault.is_some()).count();
    if !left_out.is_empty() {
        let names: Vec<&str> = left_out.iter().map(|step| step.name).collect();
        println!("not changed since they passed: {}", names.join(", "));
    }
    println!("logs: {}", place.logs.display());
    println!("{} passed, {failed} failed", chosen.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The step that runs the tests of all packages.
const TESTS: &str = "tests";

/// What the tests of one package are noted as.
fn tests_of(package: &str) -> String {
    format!("{TESTS} of {package}")
}

/// Notes what has passed and did not change meanwhile.
fn note_passed(
    place: &Place,
    chosen: &[&'static Step],
    outcomes: &BTreeMap<&'static str, Outcome>,
    [before, after]: [&Inputs; 2],
    passed: &mut Passed,
) -> Result<(), Box<dyn Error>> {
    let has_passed =
        |step: &&&'static Step| outcomes.get(step.name).is_some_and(|outcome| outcome.fault.is_none());
    for step in chosen.iter().filter(has_passed) {
        if step.name == TESTS {
            for package in &place.tested {
                let number = before.of_tests(package);
                if number == after.of_tests(package) {
                    passed.note(&tests_of(package), number);
                }
            }
        }
        let asked = place.asked();
        if let Some(number) =
            before.of_step(step, &asked).filter(|number| after.of_step(step, &asked) == Some(*number))
        {
            passed.note(step.name, number);
        }
    }
    passed.write()
}

/// Runs each step once what it needs has run and the machine has room for it.
fn run_all(
    place: &Place,
    chosen: &[&'static Step],
) -> Result<BTreeMap<&'static str, Outcome>, Box<dyn Error>> {
    let processors = std::thread::available_parallelism()?.get();
    let mut room = Room::new(processors, place.request.at_once);
    let mut outcomes: BTreeMap<&'static str, Outcome> = BTreeMap::new();
    let mut waiting = chosen.to_vec();
    let mut running: Vec<&'static Step> = Vec::new();
    let (sender, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        loop {
            while let Some(index) = schedule::next(&waiting, &running, &room) {
                let step = waiting.remove(index);
                let lacks =
                    |need: &&&str| outcomes.get(**need).is_some_and(|outcome| outcome.fault.is_some());
                if let Some(need) = step.needs.iter().find(lacks) {
                    println!("{} NOT RUN, {need} failed", step.name);
                    outcomes.insert(step.name, Outcome::not_run(need));
                    continue;
                }
                room.take(step);
                running.push(step);
                let sender = sender.clone();
                scope.spawn(move || sender.send((step, place.attempt(step))));
            }
            if running.is_empty() {
                return Ok(outcomes);
            }
            let (step, mut outcome) = ended.recv()?;
            room.give_back(step);
            running.retain(|other| other.name != step.name);
            if running.is_empty() {
                outcome.blame(end_leftovers(Whose::Nobody)?);
            }
            place.tell(step, &outcome);
            outcomes.insert(step.name, outcome);
        }
    })
}

/// What became of a step.
struct Outcome {
    took: Duration,
    /// Processor time of its processes.
    spent: Duration,
    /// Why it failed.
    fault: Option<String>,
}

impl Outcome {
    fn not_run(need: &str) -> Outcome {
        let fault = format!("not run, {need} failed");
        Outcome { took: Duration::ZERO, spent: Duration::ZERO, fault: Some(fault) }
    }

    /// A step that leaves processes behind fails.
    fn blame(&mut self, names: Vec<String>) {
        if !names.is_empty() && self.fault.is_none() {
            self.fault = Some(format!("processes were left behind: {}", names.join(", ")));
        }
    }

    /// Its row in the last table.
    fn row(&self, name: &str) -> Vec<String> {
        let mut row = row(name, self.took, self.spent);
        let fault = self.fault.as_ref();
        row.extend(fault.map(|fault| format!("FAILED: {}", fault.lines().next().unwrap_or_default())));
        row
    }
}

/// Of the last table: a name, the time it took, that of processors, and what failed.
const COLUMNS: [Column; 4] =
    [Column::left(22, 1), Column::right(8, 1), Column::right(12, 1), Column::left(0, 0)];

fn row(name: &str, took: Duration, spent: Duration) -> Vec<String> {
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
    vec![name.to_owned(), seconds(took), seconds(spent)]
}

/// Where the steps run and what they are given.
struct Place<'a> {
    request: &'a Request,
    root: PathBuf,
    target: PathBuf,
    logs: PathBuf,
    /// Packages whose tests run.
    tested: Vec<String>,
}

impl<'a> Place<'a> {
    #[expect(clippy::disallowed_methods, reason = "a development command makes its own folders")]
    fn new(request: &'a Request) -> Result<Place<'a>, Box<dyn Error>> {
        let root = root().canonicalize()?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = root.join(target);
        let logs = target.join("ci");
        std::fs::create_dir_all(&logs)?;
        Ok(Place { request, root, target, logs, tested: Vec::new() })
    }

    #[expect(clippy::disallowed_methods, reason = "the duration of a step is real time")]
    fn attempt(&self, step: &Step) -> Outcome {
        println!("==> {}", step.name);
        // The output may be a pipe; a line must not wait for the next.
        let _ = std::io::stdout().flush();
        let log = self.log_of(step);
        let began = Instant::now();
        let result = std::fs::write(&log, "").map_err(Box::from).and_then(|()| self.work(step, &log));
        let left = end_leftovers(Whose::Step(step.name));
        let result = result.and_then(|spent| Ok((spent, left?)));
        let took = began.elapsed();
        match result {
            Ok((spent, left)) => {
                let mut outcome = Outcome { took, spent, fault: None };
                outcome.blame(left);
                outcome
            }
            Err(error) => Outcome { took, spent: Duration::ZERO, fault: Some(error.to_string()) },
        }
    }

    /// Says how a step ended; of one that failed, what its logs hold.
    fn tell(&self, step: &Step, outcome: &Outcome) {
        let (took, spent) = (outcome.took.as_secs_f64(), outcome.spent.as_secs_f64());
        let Some(fault) = &outcome.fault else {
            println!("    {} ok {took:.1} s, {spent:.1} s of processor time", step.name);
            let _ = std::io::stdout().flush();
            return;
        };
        if matches!(step.work, Work::Beside { .. }) {
            self.show(&self.broker_log_of(step.name));
        }
        self.show(&self.log_of(step));
        println!("    {} FAILED after {took:.1} s: {fault}", step.name);
        let _ = std::io::stdout().flush();
    }

    /// What the caller asked for, as far as steps are given it.
    fn asked(&self) -> String {
        let Request { seeds, every, cycles, fuzz, .. } = self.request;
        format!("{seeds} {every} {cycles} {fuzz}")
    }

    fn log_of(&self, step: &Step) -> PathBuf {
        self.logs.join(format!("{}.log", step.name))
    }

    fn broker_log_of(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}-broker.log"))
    }

    /// Does it, and says what processor time it took.
    #[expect(clippy::disallowed_methods, reason = "a development command writes the logs of its steps")]
    fn work(&self, step: &Step, log: &Path) -> Result<Duration, Box<dyn Error>> {
        match &step.work {
            Work::Cargo(_) if step.name == TESTS && self.request.changed => {
                let mut command = self.command(step.name, "cargo".as_ref(), &["test"]);
                command.args(self.tested.iter().map(|package| format!("--package={package}")));
                process::run(&mut command, log, self.limit())
            }
            Work::Cargo(arguments) => {
                process::run(&mut self.command(step.name, "cargo".as_ref(), arguments), log, self.limit())
            }
            Work::Script(script, arguments) => {
                // A path is one of the repository, a plain name one of the system.
                let program =
                    if script.contains('/') { self.root.join(script) } else { PathBuf::from(script) };
                process::run(&mut self.command(step.name, &program, arguments), log, self.limit())
            }
            Work::Built(program, arguments) => {
                let program = program.replace("{perf}", perf(self.request.fuzz));
                let mut command = self.command(step.name, &self.target.join(program), arguments);
                process::run(command.envs(KEEPS_MEMORY), log, self.limit())
            }
            Work::Beside { broker, program } => self.beside(step.name, broker, *program, log),
            Work::Tidy => {
                std::fs::write(log, tidy::run()?)?;
                Ok(Duration::ZERO)
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a development command makes and removes its own folders")]
    fn beside(
        &self,
        name: &str,
        arguments: &[&str],
        program: Option<(&str, &[&str])>,
        log: &Path,
    ) -> Result<Duration, Box<dyn Error>> {
        let data = self.logs.join(format!("{name}-data"));
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        std::fs::create_dir_all(&data)?;
        let broker_log = self.broker_log_of(name);
        std::fs::write(&broker_log, "")?;
        let mut command = self.command(name, &self.broker(), arguments);
        let broker = Broker::start(&mut command, &data, &broker_log)?;
        let mut spent = Duration::ZERO;
        if let Some((program, arguments)) = program {
            let arguments: Vec<String> =
                arguments.iter().map(|argument| argument.replace("{address}", &broker.address)).collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut command = self.command(name, &self.target.join(program), &arguments);
            spent += process::run(&mut command, log, self.limit())?;
        }
        spent += broker.stop()?;
        std::fs::remove_dir_all(&data)?;
        Ok(spent)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.request.minutes * 60)
    }

    fn broker(&self) -> PathBuf {
        self.target.join("release/millrace")
    }

    fn command(&self, step: &str, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        let broker = self.broker().display().to_string();
        let Request { seeds, every, cycles, fuzz, .. } = self.request;
        for argument in arguments {
            let argument =
                argument.replace("{seeds}", &seeds.to_string()).replace("{every}", &every.to_string());
            let argument =
                argument.replace("{cycles}", &cycles.to_string()).replace("{fuzz}", &fuzz.to_string());
            let argument = argument.replace("{flips}", &flips(*every).to_string());
            let argument = argument.replace("{reuses}", &least_reuses(*cycles).to_string());
            let argument = argument.replace("{programs}", programs(*cycles));
            let argument = argument.replace("{frames}", &frames(*fuzz).to_string());
            let argument = argument.replace("{hostile}", hostile(*fuzz));
            let argument = argument.replace("{sender}", sender(*fuzz));
            command.arg(argument.replace("{broker}", &broker));
        }
        command
            .current_dir(&self.root)
            .env(MARK, step)
            .env("MILLRACE_BIN", self.broker())
            .env("CARGO_TARGET_DIR", &self.target);
        command
    }

    #[expect(clippy::disallowed_methods, reason = "a development command reads the log of what it started")]
    fn show(&self, log: &Path) {
        let text = std::fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        println!("--- the last {} lines of {}", lines.len() - from, log.display());
        lines[from..].iter().for_each(|line| println!("{line}"));
        println!("---");
    }
}

/// Seconds of each fuzz target from which on the other attacks take their full length, too.
const FULL_FROM_SECONDS: u32 = 60;

/// Frames that go through the whole of a broker.
fn frames(fuzz: u32) -> u64 {
    if fuzz < FULL_FROM_SECONDS { 1_000_000 } else { 20_000_000 }
}

/// Hostile peers: a sample, or all of them and the strict verdicts.
fn hostile(fuzz: u32) -> &'static str {
    if fuzz < FULL_FROM_SECONDS { "--quick" } else { "--rounds=5" }
}

/// Where the program stands that sends them: strict verdicts need a quick one.
fn perf(fuzz: u32) -> &'static str {
    if fuzz < FULL_FROM_SECONDS { "debug" } else { "release" }
}

/// What is built for release, beside what ships.
fn sender(fuzz: u32) -> &'static str {
    if fuzz < FULL_FROM_SECONDS { "millrace" } else { "millrace-perf" }
}

/// Journal slots that the kills of one mode must see filled again: below that the journals hardly wrapped,
/// and the kills proved little. Three in two cycles are usual, since large appends are only named in the
/// journal; a sample of a few cycles must see one at all.
fn least_reuses(cycles: u32) -> u32 {
    if cycles < MANY_CYCLES { 1 } else { cycles }
}

/// The part of the users' programs that runs: all of it takes some minutes.
fn programs(cycles: u32) -> &'static str {
    if cycles < MANY_CYCLES { "sample" } else { "whole" }
}

/// From here on the caller has time.
const MANY_CYCLES: u32 = 20;

/// Cases of flipped bits: all where every disk operation is swept,
/// else as many as take less than a minute at CI's own distance.
fn flips(every: u32) -> u32 {
    if every <= 1 { u32::MAX } else { (FLIPS_PER_DISTANCE / every).max(1) }
}

const FLIPS_PER_DISTANCE: u32 = 12_000;
