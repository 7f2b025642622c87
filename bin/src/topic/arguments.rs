//! The command line of `millrace topic`.

use clap::{Args, Subcommand};

use crate::client::{CommonArguments, Position, read_setting};

#[derive(Debug, Args)]
pub(crate) struct TopicArguments {
    #[command(subcommand)]
    pub(crate) command: TopicCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Creates topics, and waits until their partitions are served.
    Create(TopicCreateArguments),
    /// All topics with their partitions and replicas.
    List(TopicListArguments),
    /// Settings that are not the default's, and partitions with leader, replicas and offsets.
    Describe(TopicDescribeArguments),
    /// Deletes topics, with all that is in them.
    Delete(TopicDeleteArguments),
    /// Gives topics more partitions; records of a key go elsewhere from then on.
    Alter(TopicAlterArguments),
    /// Says which records before a position would be deleted, and deletes them with --execute.
    Trim(TrimArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TopicCreateArguments {
    #[arg(required = true, value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Partitions; without it as the broker is configured (num.partitions).
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: Option<i32>,
    /// Replicas of each partition; without it as the broker is configured (default.replication.factor).
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    pub(crate) replication_factor: Option<i16>,
    /// A setting, for instance retention.ms=60000; may be repeated.
    #[arg(long = "config", short = 'c', value_name = "KEY=VALUE", value_parser = read_setting)]
    pub(crate) configs: Vec<(String, String)>,
    /// A topic that exists already is no error.
    #[arg(long)]
    pub(crate) if_not_exists: bool,
    /// Only ask the broker whether it would.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopicListArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// The brokers' own topics, too.
    #[arg(long, short)]
    pub(crate) internal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopicDescribeArguments {
    #[arg(required = true, value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct TopicDeleteArguments {
    #[arg(required = true, value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// A topic that does not exist is no error.
    #[arg(long)]
    pub(crate) if_exists: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopicAlterArguments {
    #[arg(required = true, value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Partitions in all, more than there are.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: i32,
    /// Only ask the broker whether it would.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TrimArguments {
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: String,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Where the logs are to begin: an offset, `end`, -N from the end, +N from the start, or @TIME.
    #[arg(long, value_name = "POSITION", value_parser = Position::read, allow_hyphen_values = true)]
    pub(crate) to: Position,
    /// Only this partition; may be repeated. Without it, all of the topic.
    #[arg(long = "partition", short, value_name = "PARTITION")]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partitions: Vec<i32>,
    /// Change nothing; this is what happens without --execute.
    #[arg(long, conflicts_with = "execute")]
    pub(crate) dry_run: bool,
    /// Delete the records.
    #[arg(long)]
    pub(crate) execute: bool,
}
