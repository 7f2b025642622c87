//! Which command of `millrace topic` it is.

use std::process::ExitCode;

use super::arguments::{TopicArguments, TopicCommand};
use super::{alter, create, delete, describe, list, trim};
use crate::client;

pub(crate) fn run(arguments: &TopicArguments) -> ExitCode {
    match &arguments.command {
        TopicCommand::Create(arguments) => {
            client::run(&arguments.common.cluster, |cluster| create::run(cluster, arguments))
        }
        TopicCommand::List(arguments) => {
            client::run(&arguments.common.cluster, |cluster| list::run(cluster, arguments))
        }
        TopicCommand::Describe(arguments) => {
            client::run(&arguments.common.cluster, |cluster| describe::run(cluster, arguments))
        }
        TopicCommand::Delete(arguments) => {
            client::run(&arguments.common.cluster, |cluster| delete::run(cluster, arguments))
        }
        TopicCommand::Alter(arguments) => {
            client::run(&arguments.common.cluster, |cluster| alter::run(cluster, arguments))
        }
        TopicCommand::Trim(arguments) => {
            client::run(&arguments.common.cluster, |cluster| trim::run(cluster, arguments))
        }
    }
}
