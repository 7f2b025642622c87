//! The command `ci`: every step of the table, its output in a log, a summary at the end.
#![expect(clippy::print_stdout, reason = "progress and summary are the command's output")]

use super::broker::Broker;
use super::leftovers::{adopt_orphans, end_leftovers};
use super::process;
use super::steps::{STEPS, Step, Work};
use crate::codegen::root;
use crate::tidy;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Lines of a failed step's log that are shown; the whole log stays in its file.
const SHOWN_LINES: usize = 150;

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
    /// Names of steps; all when empty.
    pub(crate) steps: Vec<String>,
}

/// Runs the steps. The last line printed is `N passed, N failed`; one failure fails the command.
pub(crate) fn run(request: &Request) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(name) = request.steps.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!("there is no step {name}; the steps are {}", names.join(", ")).into());
    }
    adopt_orphans()?;
    let place = Place::new(request)?;
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    let chosen = STEPS
        .iter()
        .filter(|step| request.steps.is_empty() || request.steps.iter().any(|name| name == step.name));
    let mut order = Vec::new();
    for step in chosen {
        let outcome = match step.needs.iter().find(|need| outcomes.get(*need).is_some_and(|o| !o.passed)) {
            Some(need) => Outcome { passed: false, text: format!("NOT RUN, {need} failed") },
            None => place.attempt(step),
        };
        println!("    {}", outcome.text);
        let outcome = Outcome { text: outcome.text.lines().next().unwrap_or_default().to_owned(), ..outcome };
        outcomes.insert(step.name, outcome);
        order.push(step.name);
    }
    println!();
    for name in &order {
        println!("{name:14} {}", outcomes[name].text);
    }
    let failed = outcomes.values().filter(|outcome| !outcome.passed).count();
    println!("logs: {}", place.logs.display());
    println!("{} passed, {failed} failed", order.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Outcome {
    passed: bool,
    text: String,
}

/// Where the steps run and what they are given.
struct Place<'a> {
    request: &'a Request,
    root: PathBuf,
    target: PathBuf,
    logs: PathBuf,
}

impl<'a> Place<'a> {
    #[expect(clippy::disallowed_methods, reason = "a development command makes its own folders")]
    fn new(request: &'a Request) -> Result<Place<'a>, Box<dyn Error>> {
        let root = root().canonicalize()?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = root.join(target);
        let logs = target.join("ci");
        std::fs::create_dir_all(&logs)?;
        Ok(Place { request, root, target, logs })
    }

    #[expect(clippy::disallowed_methods, reason = "the duration of a step is real time")]
    fn attempt(&self, step: &Step) -> Outcome {
        println!("==> {}", step.name);
        // The output may be a pipe; a line must not wait for the next.
        let _ = std::io::stdout().flush();
        let log = self.logs.join(format!("{}.log", step.name));
        let began = Instant::now();
        let result = std::fs::write(&log, "").map_err(Box::from).and_then(|()| self.work(step, &log));
        let result = result.and_then(|()| match end_leftovers()? {
            names if names.is_empty() => Ok(()),
            names => Err(format!("processes were left behind: {}", names.join(", ")).into()),
        });
        let seconds = began.elapsed().as_secs_f64();
        match result {
            Ok(()) => Outcome { passed: true, text: format!("ok {seconds:.1} s") },
            Err(error) => {
                self.show(&log);
                // A step that failed may have left processes too.
                let _ = end_leftovers();
                Outcome { passed: false, text: format!("FAILED after {seconds:.1} s: {error}") }
            }
        }
    }

    fn work(&self, step: &Step, log: &Path) -> Result<(), Box<dyn Error>> {
        match &step.work {
            Work::Cargo(arguments) => {
                process::run(&mut self.command("cargo".as_ref(), arguments), log, self.limit())
            }
            Work::Script(script, arguments) => {
                // A path is one of the repository, a plain name one of the system.
                let program =
                    if script.contains('/') { self.root.join(script) } else { PathBuf::from(script) };
                process::run(&mut self.command(&program, arguments), log, self.limit())
            }
            Work::Built(program, arguments) => {
                process::run(&mut self.command(&self.target.join(program), arguments), log, self.limit())
            }
            Work::Beside { broker, program } => self.beside(step.name, broker, *program, log),
            Work::Tidy => {
                println!("{}", tidy::run()?);
                Ok(())
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
    ) -> Result<(), Box<dyn Error>> {
        let data = self.logs.join(format!("{name}-data"));
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        std::fs::create_dir_all(&data)?;
        let broker_log = self.logs.join(format!("{name}-broker.log"));
        std::fs::write(&broker_log, "")?;
        let mut command = self.command(&self.broker(), arguments);
        let result = Broker::start(&mut command, &data, &broker_log).and_then(|broker| {
            if let Some((program, arguments)) = program {
                let arguments: Vec<String> =
                    arguments.iter().map(|argument| argument.replace("{address}", &broker.address)).collect();
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                process::run(&mut self.command(&self.target.join(program), &arguments), log, self.limit())?;
            }
            broker.stop()
        });
        match result {
            Ok(()) => Ok(std::fs::remove_dir_all(&data)?),
            Err(error) => {
                self.show(&broker_log);
                Err(error)
            }
        }
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.request.minutes * 60)
    }

    fn broker(&self) -> PathBuf {
        self.target.join("release/millrace")
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
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
            command.arg(argument.replace("{broker}", &broker));
        }
        command
            .current_dir(&self.root)
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

/// Journal slots that the kills of one mode must see filled again: below that the journals hardly wrapped, and the kills
/// proved little. Three in two cycles are usual, since large appends are only named in the journal; a sample of a few cycles must see one at all.
fn least_reuses(cycles: u32) -> u32 {
    if cycles < MANY_CYCLES { 1 } else { cycles }
}

/// The part of the users' programs that runs: all of it takes some minutes.
fn programs(cycles: u32) -> &'static str {
    if cycles < MANY_CYCLES { "sample" } else { "whole" }
}

/// From here on the caller has time.
const MANY_CYCLES: u32 = 20;

/// Cases of flipped bits: all where every disk operation is swept, else as many as take less than a minute at CI's own
/// distance.
fn flips(every: u32) -> u32 {
    if every <= 1 { u32::MAX } else { (FLIPS_PER_DISTANCE / every).max(1) }
}

const FLIPS_PER_DISTANCE: u32 = 12_000;
