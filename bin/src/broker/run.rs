//! Which command of `millrace broker` it is.

use std::process::ExitCode;

use super::arguments::{BrokerArguments, BrokerCommand};
use super::{describe, list};
use crate::client;

pub(crate) fn run(arguments: &BrokerArguments) -> ExitCode {
    match &arguments.command {
        BrokerCommand::List(arguments) => {
            client::run(&arguments.common.cluster, |cluster| list::run(cluster, arguments))
        }
        BrokerCommand::Describe(arguments) => {
            client::run(&arguments.common.cluster, |cluster| describe::run(cluster, arguments))
        }
    }
}
