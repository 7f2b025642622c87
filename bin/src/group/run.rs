//! Runs a command against the cluster, and ends with the code of what came of it.

use std::process::ExitCode;

use millrace_client::{Cluster, Failure};

use super::arguments::{GroupArguments, GroupCommand};
use super::outcome::Done;
use super::{delete, describe, list, output, seek};

/// The broker, or a rule of this command, refused something.
const CODE_REFUSED: u8 = 1;
/// What was asked for makes no sense; clap exits with the same code.
const CODE_USAGE: u8 = 2;
/// No broker answered.
const CODE_NO_BROKER: u8 = 3;

pub(crate) fn run(arguments: &GroupArguments) -> ExitCode {
    let common = match &arguments.command {
        GroupCommand::List(arguments) => &arguments.common,
        GroupCommand::Describe(arguments) => &arguments.common,
        GroupCommand::Delete(arguments) => &arguments.common,
        GroupCommand::Seek(arguments) => &arguments.common,
    };
    let outcome = Cluster::open(&common.bootstrap).and_then(|mut cluster| match &arguments.command {
        GroupCommand::List(arguments) => list::run(&mut cluster, arguments),
        GroupCommand::Describe(arguments) => describe::run(&mut cluster, arguments),
        GroupCommand::Delete(arguments) => delete::run(&mut cluster, arguments),
        GroupCommand::Seek(arguments) => seek::run(&mut cluster, arguments),
    });
    match outcome {
        Ok(Done::All) => ExitCode::SUCCESS,
        Ok(Done::NotAll) => ExitCode::from(CODE_REFUSED),
        Err(failure) => {
            output::complain(&failure.to_string());
            ExitCode::from(match failure {
                Failure::Io { .. } => CODE_NO_BROKER,
                Failure::Usage(_) => CODE_USAGE,
                _ => CODE_REFUSED,
            })
        }
    }
}
