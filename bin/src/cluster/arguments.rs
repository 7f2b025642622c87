//! The command line of `millrace cluster`.

use clap::{Args, Subcommand};

use crate::client::CommonArguments;

#[derive(Debug, Args)]
pub(crate) struct ClusterCommandArguments {
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Id, controller, brokers, and how many topics and partitions there are.
    Info(ViewArguments),
    /// Whether all brokers answer and all partitions have a leader and all their replicas;
    /// exit code 1 if not.
    Health(HealthArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ViewArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Look again each second until it is healthy, for so many seconds at most; says what is wrong meanwhile.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) wait: Option<u32>,
}
