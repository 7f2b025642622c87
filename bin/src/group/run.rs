//! Which command of `millrace group` it is.

use std::process::ExitCode;

use super::arguments::{GroupArguments, GroupCommand};
use super::{delete, describe, list, seek};
use crate::client;

pub(crate) fn run(arguments: &GroupArguments) -> ExitCode {
    let common = match &arguments.command {
        GroupCommand::List(arguments) => &arguments.common,
        GroupCommand::Describe(arguments) => &arguments.common,
        GroupCommand::Delete(arguments) => &arguments.common,
        GroupCommand::Seek(arguments) => &arguments.common,
    };
    client::run(&common.cluster, |cluster| match &arguments.command {
        GroupCommand::List(arguments) => list::run(cluster, arguments),
        GroupCommand::Describe(arguments) => describe::run(cluster, arguments),
        GroupCommand::Delete(arguments) => delete::run(cluster, arguments),
        GroupCommand::Seek(arguments) => seek::run(cluster, arguments),
    })
}
