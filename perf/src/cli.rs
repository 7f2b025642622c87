//! The command line of `millrace-perf`.

use clap::{Parser, Subcommand};
use millrace_perf::{BenchOptions, SuiteOptions};

/// Loads Kafka-compatible brokers over TCP and measures them beside what the machine itself can do.
#[derive(Debug, Parser)]
#[command(name = "millrace-perf", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The figures of the first broker: start, latency, durability, many partitions, hostile peers,
    /// throughput.
    FirstLight(SuiteOptions),
    /// The figures of the whole storage engine: throughput, cold reads, 10,000 partitions, memory, restarts.
    Storage(SuiteOptions),
    /// The figures of consumer groups: load after a crash, rebalances, many members, commits, memory, shards.
    Groups(SuiteOptions),
    /// Hostile peers of nine kinds: memory within the budget, and an honest client's latency beside each.
    Hostile(SuiteOptions),
    /// Loads one broker, wherever it runs: `millrace bench` under another name.
    Bench(BenchOptions),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
