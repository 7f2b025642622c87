//! `millrace`: the broker as a process.
#![forbid(unsafe_code)]

mod bench;
mod broker;
mod cli;
mod client;
mod cluster;
mod completion;
mod config;
mod dev;
mod exit;
mod group;
mod log_filter;
mod log_output;
mod loggers;
mod machine;
mod profile;
mod quota;
mod records;
mod run;
mod serve;
mod service;
mod signals;
mod storage;
mod topic;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Bench(options) => return bench::run(&options),
        Command::Topic(arguments) => return topic::run(&arguments),
        Command::Config(arguments) => return config::run(&arguments),
        Command::Produce(arguments) => return records::run_produce(&arguments),
        Command::Consume(arguments) => return records::run_consume(&arguments),
        Command::Quota(arguments) => return quota::run(&arguments),
        Command::Cluster(arguments) => return cluster::run(&arguments),
        Command::Broker(arguments) => return broker::run(&arguments),
        Command::Profile(arguments) => return profile::run(&arguments),
        Command::Completion(arguments) => return completion::run(&arguments, &mut Cli::command()),
        Command::Group(arguments) => return group::run(&arguments),
        Command::Storage(arguments) => return storage::run(&arguments),
    };
    log_output::finish();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
