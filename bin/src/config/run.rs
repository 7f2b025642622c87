//! Which command of `millrace config` it is.

use std::process::ExitCode;

use millrace_client::{SettingChange, SettingOperation};

use super::arguments::{ConfigArguments, ConfigCommand};
use super::{change, get};
use crate::client;

pub(crate) fn run(arguments: &ConfigArguments) -> ExitCode {
    let owner = match &arguments.command {
        ConfigCommand::Get(arguments) => &arguments.owner,
        ConfigCommand::Set(arguments) => &arguments.owner,
        ConfigCommand::Unset(arguments) => &arguments.owner,
    };
    client::run(&owner.common.cluster, |cluster| match &arguments.command {
        ConfigCommand::Get(arguments) => get::run(cluster, arguments),
        ConfigCommand::Set(arguments) => change::run(cluster, owner, &arguments.changes, arguments.dry_run),
        ConfigCommand::Unset(arguments) => {
            let unset = |key: &String| SettingChange { key: key.clone(), operation: SettingOperation::Unset };
            let changes: Vec<_> = arguments.keys.iter().map(unset).collect();
            change::run(cluster, owner, &changes, arguments.dry_run)
        }
    })
}
