//! `millrace-sim`: replays seeds and sweeps crashes in a simulated world.
#![expect(clippy::print_stdout, reason = "a tool on a terminal")]

use std::process::ExitCode;

use clap::Parser;
use millrace_sim::sweep::{Sweep, SweepOptions};

/// Runs Millrace in a simulated world.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// One seed, with its trace.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Crash before every disk operation of a workload, once as a process crash and once as a power loss.
    #[arg(long)]
    sweep: bool,
    /// With --sweep: only before every K-th operation.
    #[arg(long, default_value_t = 1, value_name = "K")]
    every: u64,
    #[arg(long, default_value_t = 1)]
    shards: u16,
    /// Stops at the first failure and prints its trace.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    millrace_sim::name_panics();
    let mut sweep = Sweep::new(SweepOptions::new(options.seed, options.shards, options.every));
    println!("{} operations", sweep.tally().operations);
    loop {
        if let Some(failure) = sweep.tally().failures.last() {
            println!("FAILED {failure}");
            if options.trace {
                failure.trace.iter().rev().take(200).rev().for_each(|line| println!("    {line}"));
                break;
            }
        }
        if !sweep.step() {
            break;
        }
    }
    let tally = sweep.tally();
    println!(
        "{} passed, {} failed; {} crashes, {} boots, {} acknowledgements",
        tally.cases - tally.failures.len() as u64,
        tally.failures.len(),
        tally.crashes,
        tally.boots,
        tally.acknowledgements
    );
    if tally.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
