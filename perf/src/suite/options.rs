//! The options of a suite.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// What to measure and how long. The last line is `N passed, N failed`; the exit code is 1 if any failed.
#[derive(Debug, Args)]
pub struct SuiteOptions {
    /// The broker's program; without it only figures that compare with Kafka are taken, of Kafka alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) millrace: Option<PathBuf>,
    /// Measure Apache Kafka beside it, started by the script of clients/.
    #[arg(long)]
    pub(crate) kafka: bool,
    /// That script, if it is not in the tree this was built from.
    #[arg(long, value_name = "FILE")]
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/kafka"))]
    pub(crate) kafka_script: PathBuf,
    /// Seconds that one subject is measured in one round.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// Rounds of A/B comparisons.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Write all figures there.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Only the figure of that name; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Directory for the brokers' data, on a real disk; by default beside this program.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Shards of the broker.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) shards: u16,
    /// Memory of the broker in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub(crate) memory: u64,
    /// For CI: below a minute, smaller loads, only verdicts that hold on a noisy machine.
    #[arg(long)]
    pub(crate) quick: bool,
}

impl SuiteOptions {
    pub(crate) fn slice(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.05, 600.0))
    }
}
