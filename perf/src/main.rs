//! `millrace-perf`: a black box that loads any Kafka-compatible broker over TCP and says what it saw.
#![forbid(unsafe_code)]

mod broker;
mod cli;
mod client;
mod clock;
mod disk;
mod failure;
mod first_light;
mod measure;
mod probe;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use measure::Verdict;

#[expect(clippy::print_stderr, reason = "what a user of the command reads when nothing could be measured")]
fn main() -> ExitCode {
    let Command::FirstLight(options) = Cli::parse().command;
    clock::sharpen_sleeps();
    match first_light::run(&options) {
        Ok(Verdict::Pass) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("millrace-perf: {failure}");
            ExitCode::from(2)
        }
    }
}
