//! Which command of `millrace group` it is.

use std::process::ExitCode;

use super::arguments::{GroupArguments, GroupCommand};
use super::{delete, describe, list, seek};
use crate::client;

pub(crate) fn run(arguments: &GroupArguments) -> ExitCode {
    match &arguments.command {
        GroupCommand::List(arguments) => {
            client::run(&arguments.common.cluster, |cluster| list::run(cluster, arguments))
        }
        GroupCommand::Describe(arguments) => {
            client::run(&arguments.common.cluster, |cluster| describe::run(cluster, arguments))
        }
        GroupCommand::Delete(arguments) => {
            client::run(&arguments.common.cluster, |cluster| delete::run(cluster, arguments))
        }
        GroupCommand::Seek(arguments) => {
            client::run(&arguments.common.cluster, |cluster| seek::run(cluster, arguments))
        }
    }
}
