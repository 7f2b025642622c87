//! The command line of `millrace broker`.

use clap::{Args, Subcommand};

use crate::client::CommonArguments;

#[derive(Debug, Args)]
pub(crate) struct BrokerArguments {
    #[command(subcommand)]
    pub(crate) command: BrokerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BrokerCommand {
    /// All brokers: address, rack, whether they answer, partitions that they lead and have, bytes.
    List(BrokerListArguments),
    /// A broker's directories: room, and the logs in them.
    Describe(BrokerDescribeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BrokerListArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct BrokerDescribeArguments {
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) broker: i32,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Each log, too.
    #[arg(long)]
    pub(crate) logs: bool,
}
