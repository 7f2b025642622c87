//! What every command takes that asks a cluster.

use clap::{Args, ValueEnum};

/// How a cluster is reached.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Brokers of the cluster, the first that answers is asked; wins over profiles.
    /// 127.0.0.1:9092 where there is neither.
    #[arg(long, short = 'b', value_name = "HOST:PORT,...")]
    pub(crate) bootstrap: Option<String>,
    /// The cluster of this profile instead of the one in use (`millrace profile`).
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// How answers are printed.
#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// `table` for people, `json` an object a line.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: OutputFormat,
    /// An object a line: `--format json`.
    #[arg(long)]
    pub(crate) json: bool,
}

impl OutputArguments {
    pub(crate) fn is_json(&self) -> bool {
        self.json || matches!(self.format, OutputFormat::Json)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OutputFormat {
    Table,
    Json,
}

/// Both.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

impl CommonArguments {
    pub(crate) fn is_json(&self) -> bool {
        self.output.is_json()
    }
}
