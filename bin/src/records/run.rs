//! Both commands, from their arguments to their exit codes.

use std::process::ExitCode;

use millrace_client::ClientError;

use super::arguments::{ConsumeArguments, ProduceArguments};
use super::{consume, group, produce, reading};
use crate::client;

pub(crate) fn run_produce(arguments: &ProduceArguments) -> ExitCode {
    if let Err(wrong) = reading::check_separators(&arguments.format) {
        return client::finish(Err(ClientError::Usage(wrong)));
    }
    client::run(&arguments.cluster, |cluster| produce::run(cluster, arguments))
}

pub(crate) fn run_consume(arguments: &ConsumeArguments) -> ExitCode {
    client::run(&arguments.cluster, |cluster| match &arguments.membership.group {
        Some(group) => group::run(cluster, arguments, group),
        None => consume::run(cluster, arguments),
    })
}
