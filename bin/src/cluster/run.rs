//! Which command of `millrace cluster` it is.

use std::process::ExitCode;

use super::arguments::{ClusterCommand, ClusterCommandArguments};
use super::{health, view};
use crate::client;

pub(crate) fn run(arguments: &ClusterCommandArguments) -> ExitCode {
    match &arguments.command {
        ClusterCommand::Info(arguments) => {
            client::run(&arguments.common.cluster, |cluster| view::run(cluster, arguments))
        }
        ClusterCommand::Health(arguments) => {
            client::run(&arguments.common.cluster, |cluster| health::run(cluster, arguments))
        }
    }
}
