//! `millrace-perf`: a black box that loads any Kafka-compatible broker over TCP and says what it saw.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use clap::Parser;
use millrace_perf::{run_bench, run_first_light, run_groups, run_hostile, run_storage};

use cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::FirstLight(options) => run_first_light(&options),
        Command::Storage(options) => run_storage(&options),
        Command::Groups(options) => run_groups(&options),
        Command::Hostile(options) => run_hostile(&options),
        Command::Bench(options) => run_bench(&options),
    }
}
