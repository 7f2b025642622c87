//! The command lines of `millrace produce` and `millrace consume`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use millrace_core::log::Codec;
use millrace_perf::AcksArgument;

use super::writing::RecordFormat;
use crate::client::{ClusterArguments, Position, read_setting};

#[derive(Debug, Args)]
pub(crate) struct ProduceArguments {
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: String,
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// How records are cut from standard input: a template of %k (key), %v (value), %p (partition), %T
    /// (milliseconds since 1970) with separators behind them, for instance '%k\t%v\n'; or `json`, an object a
    /// line as `consume --format json` writes them.
    #[arg(long, short, value_name = "TEMPLATE|json", default_value = "%v\\n")]
    #[arg(value_parser = RecordFormat::read)]
    pub(crate) format: RecordFormat,
    /// Key of each record that brings none.
    #[arg(long, short)]
    pub(crate) key: Option<String>,
    /// A header for each record; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "KEY=VALUE", value_parser = read_setting)]
    pub(crate) headers: Vec<(String, String)>,
    /// Partition of each record that names none. Without it keys choose as with Kafka's clients for Java, and
    /// records without a key go to one partition after the other, a batch each.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Option<i32>,
    /// Compression of the batches.
    #[arg(long, short = 'z', value_enum, default_value = "none")]
    pub(crate) compression: CompressionArgument,
    /// When a batch counts as stored.
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) acks: AcksArgument,
    /// Empty values are tombstones: no value at all.
    #[arg(long)]
    pub(crate) tombstone: bool,
    /// The summary as an object for each partition.
    #[arg(long)]
    pub(crate) json: bool,
    /// No summary, no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CompressionArgument {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl CompressionArgument {
    pub(super) fn codec(self) -> Codec {
        match self {
            CompressionArgument::None => Codec::None,
            CompressionArgument::Gzip => Codec::Gzip,
            CompressionArgument::Snappy => Codec::Snappy,
            CompressionArgument::Lz4 => Codec::Lz4,
            CompressionArgument::Zstd => Codec::Zstd,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ConsumeArguments {
    #[arg(required = true, value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    #[command(flatten)]
    pub(crate) membership: MembershipArguments,
    /// Only this partition; may be repeated. Without it, all.
    #[arg(
        long = "partition", short, value_name = "N", value_parser = clap::value_parser!(i32).range(0..),
        conflicts_with = "group"
    )]
    pub(crate) partitions: Vec<i32>,
    /// Where to begin: `start`, `end`, an offset, +N from the start, -N from the end, or @TIME, the first
    /// record that is not older (ISO 8601, milliseconds since 1970, or how long ago: @-10m). With --group,
    /// where the group has committed nothing.
    #[arg(
        long, short, value_name = "POSITION", default_value = "start", value_parser = Position::read,
        allow_hyphen_values = true
    )]
    pub(crate) offset: Position,
    /// Where to stop; without it, never. `end` is what is the end at the start.
    #[arg(
        long, value_name = "POSITION", value_parser = Position::read, allow_hyphen_values = true,
        conflicts_with = "group"
    )]
    pub(crate) until: Option<Position>,
    /// Stop after so many records.
    #[arg(long, short, value_name = "N")]
    pub(crate) num: Option<u64>,
    /// How records are printed: a template of %t (topic), %p (partition), %o (offset), %k (key), %v (value),
    /// %K and %V (their bytes, -1 where there is none), %h (headers), %T (milliseconds since 1970) and %%,
    /// with \n \t \r \0 \xHH; or `json`, an object a line.
    #[arg(long, short, value_name = "TEMPLATE|json", default_value = "%v\\n")]
    #[arg(value_parser = RecordFormat::read)]
    pub(crate) format: RecordFormat,
    /// An object a line: `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// How `consume` takes part in a group.
#[derive(Debug, Args)]
pub(crate) struct MembershipArguments {
    /// Read as a member of this consumer group: its members share the partitions,
    /// and go on where it has committed.
    #[arg(long, short = 'g', value_name = "GROUP", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) group: Option<String>,
    /// Commit nothing of what is printed.
    #[arg(long, requires = "group")]
    pub(crate) no_commit: bool,
    /// A static member of this name (group.instance.id): it keeps its partitions while it is restarted, and
    /// gives them back only when its session has timed out.
    #[arg(long, value_name = "NAME", requires = "group", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) instance_id: Option<String>,
    /// Milliseconds that the group waits for this member when nothing is heard of it (session.timeout.ms).
    #[arg(
        long, value_name = "MS", requires = "group", default_value = "45000",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX))
    )]
    pub(crate) session_timeout_ms: u32,
}

impl ConsumeArguments {
    pub(super) fn format(&self) -> &RecordFormat {
        if self.json { &RecordFormat::Json } else { &self.format }
    }
}
