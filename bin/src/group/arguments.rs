//! The command line of `millrace group`.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use crate::client::{CommonArguments, Position};

#[derive(Debug, Args)]
pub(crate) struct GroupArguments {
    #[command(subcommand)]
    pub(crate) command: GroupCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// All groups with their type and state.
    List(GroupListArguments),
    /// Members with what they are assigned, and partitions with committed offset, end of the log and lag.
    Describe(GroupDescribeArguments),
    /// Deletes groups that have no members, with what they committed.
    Delete(GroupDeleteArguments),
    /// Says to which offsets a group without members would move, and moves it with --execute.
    Seek(SeekArguments),
}

#[derive(Debug, Args)]
pub(crate) struct GroupListArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Only groups in this state; may be repeated.
    #[arg(long = "state", value_enum, value_name = "STATE")]
    pub(crate) states: Vec<StateArgument>,
    /// Only groups of this type; may be repeated.
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) kinds: Vec<GroupKindArgument>,
}

#[derive(Debug, Args)]
pub(crate) struct GroupDescribeArguments {
    #[arg(required = true, value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct GroupDeleteArguments {
    #[arg(required = true, value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("where").required(true).args(["to", "shift"])))]
pub(crate) struct SeekArguments {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[arg(long)]
    pub(crate) topic: String,
    /// Only this partition; may be repeated. Without it, all of the topic.
    #[arg(long = "partition", value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partitions: Vec<i32>,
    /// `start` (or `earliest`), `end` (or `latest`), an offset, +N from the start, -N from the end, or a
    /// time: the first record that is not older. Times are those of ISO 8601, for instance
    /// 2026-11-22T18:30:00Z (UTC where no zone is given), @ and milliseconds since 1970, or how long ago:
    /// @-10m.
    #[arg(long, value_name = "POSITION", value_parser = Position::read, allow_hyphen_values = true)]
    pub(crate) to: Option<Position>,
    /// So many records on from what is committed, or back where it is negative.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) shift: Option<i64>,
    /// Change nothing; this is what happens without --execute.
    #[arg(long, conflicts_with = "execute")]
    pub(crate) dry_run: bool,
    /// Commit the offsets.
    #[arg(long)]
    pub(crate) execute: bool,
}

impl SeekArguments {
    pub(super) fn executes(&self) -> bool {
        self.execute && !self.dry_run
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StateArgument {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
    Assigning,
    Reconciling,
}

impl StateArgument {
    /// As Kafka writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            StateArgument::Empty => "Empty",
            StateArgument::PreparingRebalance => "PreparingRebalance",
            StateArgument::CompletingRebalance => "CompletingRebalance",
            StateArgument::Stable => "Stable",
            StateArgument::Dead => "Dead",
            StateArgument::Assigning => "Assigning",
            StateArgument::Reconciling => "Reconciling",
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum GroupKindArgument {
    Classic,
    Consumer,
    Share,
    Streams,
}

impl GroupKindArgument {
    pub(super) fn name(self) -> &'static str {
        match self {
            GroupKindArgument::Classic => "classic",
            GroupKindArgument::Consumer => "consumer",
            GroupKindArgument::Share => "share",
            GroupKindArgument::Streams => "streams",
        }
    }
}
