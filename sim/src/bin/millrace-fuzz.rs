//! `millrace-fuzz`: runs fuzz targets of the decoders under a seed, for a time or for a number of cases.
#![expect(clippy::print_stdout, reason = "a tool on a terminal")]
#![expect(
    clippy::disallowed_methods,
    reason = "how long a target runs is real time, and inputs are files of the user"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use millrace_rt::CountingAllocator;
use millrace_sim::fuzz::{
    self, FrameRun, FrameTally, Fuzz, FuzzFailure, FuzzTally, LIFE_FRAMES, TARGETS, Target,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Gives damaged and forged inputs to Millrace's decoders. Without a name: every target, one after another.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Targets to run; `--list` shows them.
    names: Vec<String>,
    #[arg(long)]
    list: bool,
    /// The same seed gives the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each target runs.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// One case of one target: shows its input, then checks it.
    #[arg(long, value_name = "N")]
    case: Option<u64>,
    /// Instead of targets: so many frames through the whole of a broker, on as many threads as there are
    /// processors. With --case: one life of that number.
    #[arg(long, value_name = "N", conflicts_with_all = ["names", "input"])]
    frames: Option<u64>,
    /// One input of one target, saved in hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    millrace_sim::name_panics();
    if options.list {
        TARGETS.iter().for_each(|target| println!("{:18} {}", target.name, target.decoders.join(" ")));
        return ExitCode::SUCCESS;
    }
    if let Some(frames) = options.frames {
        return send_frames(frames, &options);
    }
    let mut targets: Vec<&'static Target> = Vec::new();
    for name in &options.names {
        let Some(target) = fuzz::find(name) else {
            println!("there is no target {name}; `--list` shows them");
            return ExitCode::FAILURE;
        };
        targets.push(target);
    }
    if targets.is_empty() {
        targets = TARGETS.iter().collect();
    }
    let failed = targets.iter().filter(|target| !run(target, &options)).count();
    println!("{} passed, {failed} failed", targets.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lives one after another on each thread, until all frames together are sent.
fn send_frames(frames: u64, options: &Options) -> ExitCode {
    let begun = Instant::now();
    let lives = match options.case {
        Some(number) => number..number + 1,
        None => 0..frames.div_ceil(LIFE_FRAMES),
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let part = |thread: u64| {
        millrace_sim::name_panics();
        let run = FrameRun::new(options.seed);
        let mut tally = FrameTally::default();
        for number in lives.clone().filter(|number| number % threads == thread) {
            tally += run.life(number, LIFE_FRAMES.min(frames)).map_err(|what| (number, what))?;
        }
        Ok(tally)
    };
    let results: Vec<Result<FrameTally, (u64, String)>> = std::thread::scope(|scope| {
        let part = &part;
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || part(thread))).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let (mut all, mut failed) = (FrameTally::default(), 0);
    for result in results {
        match result {
            Ok(tally) => all += tally,
            Err((number, what)) => {
                failed += 1;
                println!("FAILED: {what}");
                println!(
                    "    again: millrace-fuzz --frames {frames} --seed {} --case {number}",
                    options.seed
                );
            }
        }
    }
    let FrameTally { answered, closed, silent, waiting, halves, beyond_bytes } = all;
    println!(
        "{} frames: {answered} answered, {closed} closed, {silent} asked for no answer, {waiting} waited; {halves} halves",
        all.frames()
    );
    println!(
        "at most {beyond_bytes} bytes beyond twice the frame, in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    println!("{} passed, {failed} failed", usize::from(failed == 0));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the target held.
fn run(target: &'static Target, options: &Options) -> bool {
    if let Some(path) = &options.input {
        return run_file(target, path);
    }
    let fuzz = Fuzz::new(target, options.seed);
    let mut tally = FuzzTally::default();
    if let Some(number) = options.case {
        println!("{}", hex(&fuzz.input(number)));
        return show(target, options, fuzz.step(number, &mut tally), tally);
    }
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut number = 0;
    let mut result = Ok(());
    while result.is_ok() && Instant::now() < end {
        result = fuzz.step(number, &mut tally);
        number += 1;
    }
    show(target, options, result, tally)
}

fn show(target: &Target, options: &Options, result: Result<(), FuzzFailure>, tally: FuzzTally) -> bool {
    let Err(failure) = result else {
        println!("{:18} {} decoded, {} refused", target.name, tally.decoded, tally.refused);
        return true;
    };
    println!("{} FAILED: {}", target.name, failure.what);
    println!("    again: millrace-fuzz {} --seed {} --case {}", target.name, options.seed, failure.number);
    println!("    to be kept in sim/tests/fuzz/corpus/{}: {}", target.name, hex(&failure.input));
    false
}

fn run_file(target: &Target, path: &PathBuf) -> bool {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            println!("{}: {error}", path.display());
            return false;
        }
    };
    let verdict = fuzz::check_input(target, &fuzz::from_hex(&text));
    println!("{:18} {verdict:?}", target.name);
    verdict.is_ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
