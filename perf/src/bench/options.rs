//! The options of the command.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::client::Acks;
use crate::load::{Rate, Span};

/// Loads a Kafka-compatible broker and says what it gave: throughput, latency percentiles, and, where the
/// broker runs on this machine, its processor time, memory and device bytes.
///
/// With --rate the load is open: requests have intended moments, and a latency counts from there, whether the
/// request could be sent then or not. At maximum rate it is closed: each answer makes room for the next
/// request, and a latency counts from there.
#[derive(Debug, Args)]
pub struct BenchOptions {
    /// The broker, or one of its cluster.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub(crate) bootstrap: String,
    /// Topic to load; without it one is created, and deleted at the end.
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Partitions of a topic that does not exist yet.
    #[arg(long, value_name = "N", default_value_t = 6)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=100_000))]
    pub(crate) partitions: i32,
    /// Replicas of a topic that does not exist yet.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) replication_factor: i16,
    /// Configuration of a topic that does not exist yet, for instance millrace.durability=process;
    /// may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = read_setting)]
    pub(crate) topic_config: Vec<(String, String)>,
    /// Bytes of a record's value.
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = bounded::<1, VALUE_BYTES_MAX>)]
    pub(crate) record_size: usize,
    /// Bytes of a batch at most; it holds a record at least.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = bounded::<1, BATCH_BYTES_MAX>)]
    pub(crate) batch_size: usize,
    /// Batches of one produce request, each to another partition.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = bounded::<1, 10_000>)]
    pub(crate) batches_per_request: usize,
    /// Records per second of all connections together, or `max`.
    #[arg(long, value_name = "N", default_value = "max", value_parser = read_rate)]
    pub(crate) rate: Rate,
    /// Seconds that count.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) duration: f64,
    /// Seconds before that, not counted.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    pub(crate) warm_up: f64,
    /// When a produce request is answered.
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) acks: AcksArgument,
    /// Connections of producers, or of consumers with --consume.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = bounded::<1, 10_000>)]
    pub(crate) connections: usize,
    /// Produce requests in flight on each connection at most.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = bounded::<1, 10_000>)]
    pub(crate) in_flight: usize,
    /// Threads that drive the connections; by default half of the processors.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Read the topic instead, from its beginning to its end and again.
    #[arg(long, conflicts_with_all = ["mixed", "rate"])]
    pub(crate) consume: bool,
    /// Produce twice: alone, and beside a consumer that reads the topic from its beginning.
    #[arg(long)]
    pub(crate) mixed: bool,
    /// Bytes of one partition in a fetch answer at most.
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_576)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) fetch_size: i32,
    /// Process of the broker on this machine; behind a loopback address it is found by its port.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,
    /// Measure beside it what the disk below this directory and the loopback can do.
    #[arg(long, value_name = "DIR")]
    pub(crate) probe: Option<PathBuf>,
    /// Write all figures there.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// No progress lines.
    #[arg(long)]
    pub(crate) quiet: bool,
}

const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
const SECONDS_MAX: f64 = 86_400.0;
/// So short a window still holds a few answers.
const SECONDS_MIN: f64 = 0.1;

/// `all`, `1` or `0`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum AcksArgument {
    /// When all replicas in sync have it.
    All,
    /// When the leader has it.
    #[value(name = "1")]
    Leader,
    /// Never; it counts as answered when the kernel has taken it.
    #[value(name = "0")]
    None,
}

impl AcksArgument {
    pub fn acks(self) -> Acks {
        match self {
            AcksArgument::All => Acks::All,
            AcksArgument::Leader => Acks::Leader,
            AcksArgument::None => Acks::None,
        }
    }
}

/// What the load does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Produce,
    Consume,
    Mixed,
}

impl BenchOptions {
    pub(crate) fn mode(&self) -> Mode {
        match (self.consume, self.mixed) {
            (true, _) => Mode::Consume,
            (_, true) => Mode::Mixed,
            _ => Mode::Produce,
        }
    }

    pub(crate) fn acks(&self) -> Acks {
        self.acks.acks()
    }

    pub(crate) fn span(&self) -> Span {
        Span {
            warm_up: Duration::from_secs_f64(self.warm_up.clamp(0.0, SECONDS_MAX)),
            length: Duration::from_secs_f64(self.duration.clamp(SECONDS_MIN, SECONDS_MAX)),
        }
    }

    /// On two processors one: the broker needs the other.
    pub(crate) fn threads(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or(processors / 2).max(1)
    }
}

fn read_rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Maximum);
    }
    let rate: f64 = text.parse().map_err(|_| "it is neither a number nor `max`".to_owned())?;
    match rate.is_finite() && rate > 0.0 {
        true => Ok(Rate::RecordsPerSecond(rate)),
        false => Err("it is not positive".to_owned()),
    }
}

fn read_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn bounded<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "it is not a number".to_owned())?;
    match (LEAST..=MOST).contains(&number) {
        true => Ok(number),
        false => Err(format!("it is not within {LEAST} and {MOST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_positive_or_maximum() {
        assert_eq!(read_rate("max"), Ok(Rate::Maximum));
        assert_eq!(read_rate("2.5"), Ok(Rate::RecordsPerSecond(2.5)));
        for wrong in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(read_rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let cases = [("1", Ok(1)), ("9", Ok(9)), ("0", Err(())), ("10", Err(())), ("x", Err(()))];
        for (text, expected) in cases {
            assert_eq!(bounded::<1, 9>(text).map_err(drop), expected, "{text}");
        }
    }
}
