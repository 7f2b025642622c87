//! Which command of `millrace quota` it is.

use std::process::ExitCode;

use millrace_client::QuotaEntity;

use super::arguments::{QuotaArguments, QuotaCommand};
use super::{alter, list};
use crate::client;

pub(crate) fn run(arguments: &QuotaArguments) -> ExitCode {
    let common = match &arguments.command {
        QuotaCommand::List(arguments) => &arguments.common,
        QuotaCommand::Describe(arguments) => &arguments.common,
        QuotaCommand::Alter(arguments) => &arguments.common,
    };
    client::run(&common.cluster, |cluster| match &arguments.command {
        QuotaCommand::List(_) => list::run(cluster, &QuotaEntity::new(), common.is_json()),
        QuotaCommand::Describe(arguments) => {
            list::run(cluster, &arguments.entity.entity()?, common.is_json())
        }
        QuotaCommand::Alter(arguments) => alter::run(cluster, arguments),
    })
}
