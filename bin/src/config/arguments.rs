//! The command line of `millrace config`.

use clap::{Args, Subcommand, ValueEnum};
use millrace_client::{ClientError, Resource, SettingChange, SettingOperation};

use crate::client::{CommonArguments, read_setting};

#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Settings with where each comes from.
    Get(GetArguments),
    /// Changes settings while the cluster runs: all of those named, or none.
    Set(SetArguments),
    /// Takes settings back: what holds without them holds again.
    Unset(UnsetArguments),
}

/// Whose settings.
#[derive(Debug, Args)]
pub(crate) struct OwnerArguments {
    #[arg(value_enum, value_name = "KIND")]
    pub(crate) kind: OwnerKind,
    /// A topic's, group's or subscription's name, a broker's id, or `default` for what all brokers have.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OwnerKind {
    Topic,
    Broker,
    /// Levels of a broker's loggers.
    Logger,
    Group,
    /// Which metrics which clients are to push.
    ClientMetrics,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    #[command(flatten)]
    pub(crate) owner: OwnerArguments,
    /// Only these; without them all.
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Only what is not the default.
    #[arg(long)]
    pub(crate) changed: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    #[command(flatten)]
    pub(crate) owner: OwnerArguments,
    /// KEY=VALUE; KEY+=VALUE adds to a list, KEY-=VALUE takes out of it.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = read_change)]
    pub(crate) changes: Vec<SettingChange>,
    /// Only ask the broker whether it would.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UnsetArguments {
    #[command(flatten)]
    pub(crate) owner: OwnerArguments,
    #[arg(required = true, value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Only ask the broker whether it would.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl OwnerArguments {
    pub(super) fn resource(&self) -> Result<Resource, ClientError> {
        let id = || {
            let id = self.name.parse::<i32>().ok().filter(|id| *id >= 0);
            id.ok_or_else(|| ClientError::Usage(format!("{} is no broker's id", self.name)))
        };
        Ok(match self.kind {
            OwnerKind::Topic => Resource::Topic(self.name.clone()),
            OwnerKind::Group => Resource::Group(self.name.clone()),
            OwnerKind::ClientMetrics => Resource::ClientMetrics(self.name.clone()),
            OwnerKind::Broker if self.name == "default" => Resource::AllBrokers,
            OwnerKind::Broker => Resource::Broker(id()?),
            OwnerKind::Logger => Resource::Loggers(id()?),
        })
    }

    /// `topic orders`.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.kind_name(), self.name)
    }

    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            OwnerKind::Topic => "topic",
            OwnerKind::Broker => "broker",
            OwnerKind::Logger => "logger",
            OwnerKind::Group => "group",
            OwnerKind::ClientMetrics => "client-metrics",
        }
    }
}

fn read_change(text: &str) -> Result<SettingChange, String> {
    let (key, value) = read_setting(text)?;
    let (key, operation) = if let Some(key) = key.strip_suffix('+') {
        (key, SettingOperation::Append(value))
    } else if let Some(key) = key.strip_suffix('-') {
        (key, SettingOperation::Subtract(value))
    } else {
        (key.as_str(), SettingOperation::Set(value))
    };
    match key.trim() {
        "" => Err("the key is empty".to_owned()),
        key => Ok(SettingChange { key: key.to_owned(), operation }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_apart() {
        let value = || "v".to_owned();
        for (text, expected) in [
            ("k=v", Some(SettingOperation::Set(value()))),
            ("k+=v", Some(SettingOperation::Append(value()))),
            ("k-=v", Some(SettingOperation::Subtract(value()))),
            ("k=", Some(SettingOperation::Set(String::new()))),
            ("k", None),
            ("+=v", None),
            ("=v", None),
        ] {
            let change = expected.map(|operation| SettingChange { key: "k".to_owned(), operation });
            assert_eq!(read_change(text).ok(), change, "{text}");
        }
    }
}
