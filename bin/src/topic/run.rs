//! Which command of `millrace topic` it is.

use std::process::ExitCode;

use super::arguments::{TopicArguments, TopicCommand};
use super::{alter, create, delete, describe, list, trim};
use crate::client;

pub(crate) fn run(arguments: &TopicArguments) -> ExitCode {
    let common = match &arguments.command {
        TopicCommand::Create(arguments) => &arguments.common,
        TopicCommand::List(arguments) => &arguments.common,
        TopicCommand::Describe(arguments) => &arguments.common,
        TopicCommand::Delete(arguments) => &arguments.common,
        TopicCommand::Alter(arguments) => &arguments.common,
        TopicCommand::Trim(arguments) => &arguments.common,
    };
    client::run(&common.cluster, |cluster| match &arguments.command {
        TopicCommand::Create(arguments) => create::run(cluster, arguments),
        TopicCommand::List(arguments) => list::run(cluster, arguments),
        TopicCommand::Describe(arguments) => describe::run(cluster, arguments),
        TopicCommand::Delete(arguments) => delete::run(cluster, arguments),
        TopicCommand::Alter(arguments) => alter::run(cluster, arguments),
        TopicCommand::Trim(arguments) => trim::run(cluster, arguments),
    })
}
