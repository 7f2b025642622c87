//! `millrace`: the broker as a process.
#![forbid(unsafe_code)]

mod bench;
mod cli;
mod dev;
mod exit;
mod group;
mod log_filter;
mod log_output;
mod loggers;
mod machine;
mod run;
mod serve;
mod service;
mod signals;
mod storage;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Bench(options) => return bench::run(&options),
        Command::Group(arguments) => return group::run(&arguments),
        Command::Storage(arguments) => return storage::run(&arguments),
    };
    log_output::finish();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
