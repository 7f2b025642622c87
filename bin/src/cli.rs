//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use millrace_perf::BenchOptions;

use crate::broker::BrokerArguments;
use crate::client::read_setting;
use crate::cluster::ClusterCommandArguments;
use crate::completion::CompletionArguments;
use crate::config::ConfigArguments;
use crate::group::GroupArguments;
use crate::profile::ProfileArguments;
use crate::quota::QuotaArguments;
use crate::records::{ConsumeArguments, ProduceArguments};
use crate::topic::TopicArguments;

/// Millrace: a log broker that speaks Kafka's protocol.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 stopped cleanly; 1 `storage verify` found damage, a benchmark failed, or a cluster refused \
something; 2 the command line or the configuration is wrong, nothing was opened; 3 the broker could not \
start, or none answered; 70 a failure ended the running broker (its reason is the last line of the log); \
134 a bug was caught; 130, 143 a second SIGINT or SIGTERM ended it at once. MILLRACE_LOG sets what is \
logged, for instance `debug` or `warn,millrace_server=debug`.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A broker for development: no configuration, data in ./millrace-data, 127.0.0.1:9092,
    /// 256 MiB of memory.
    Dev(DevArguments),
    /// A broker with a configuration file in the form of Kafka's server.properties.
    Serve(ServeArguments),
    /// Loads any Kafka-compatible broker: throughput, latency percentiles,
    /// and the broker's own cost on this machine.
    Bench(BenchOptions),
    /// Topics of a running cluster: created, looked at, deleted, grown, trimmed.
    Topic(TopicArguments),
    /// Settings of topics, brokers, loggers and groups of a running cluster.
    Config(ConfigArguments),
    /// Sends records from standard input to a topic.
    Produce(ProduceArguments),
    /// Prints records of topics, from a position on.
    Consume(ConsumeArguments),
    /// Consumer groups of a running broker: which there are, who is in them, how far behind they are.
    Group(GroupArguments),
    /// A running cluster as a whole: its brokers, and whether it is well.
    Cluster(ClusterCommandArguments),
    /// The brokers of a running cluster, and what they store.
    Broker(BrokerArguments),
    /// What users, clients and addresses may use of a running cluster.
    Quota(QuotaArguments),
    /// Clusters by name, so that commands need not be told their brokers.
    Profile(ProfileArguments),
    /// Prints what bash, zsh or fish completes of this command line.
    Completion(CompletionArguments),
    /// Looks into a data directory that no broker uses: what is damaged, what could be saved,
    /// what each file holds.
    Storage(StorageArguments),
}

#[derive(Debug, Args)]
pub(crate) struct StorageArguments {
    #[command(subcommand)]
    pub(crate) command: StorageCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Checks every file; exit code 0 if all are as they were written, 1 if something is damaged.
    Verify(VerifyArguments),
    /// Prints batches, index entries, frames, checkpoints and metadata.
    Dump(DumpArguments),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The data directory (log.dirs).
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) places: StoragePlaces,
    /// Only what is damaged, and the summary.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DumpArguments {
    /// The data directory, or one of its files: segment, index, journal slot, ring, checkpoint, metadata log,
    /// manifest.
    #[arg(value_name = "DIR|FILE")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) places: StoragePlaces,
    /// Each record's offset, time and sizes too.
    #[arg(long)]
    pub(crate) records: bool,
    /// Each record's key and value, too.
    #[arg(long)]
    pub(crate) print_data_log: bool,
}

/// What every look into a data directory takes.
#[derive(Debug, Args)]
pub(crate) struct StoragePlaces {
    /// Where the journal is, if elsewhere (millrace.journal.dir).
    #[arg(long, value_name = "DIR")]
    pub(crate) journal_dir: Option<PathBuf>,
    /// Where rings are looked for that are not where the manifest says (millrace.shm.dir).
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    pub(crate) shm_dir: PathBuf,
    /// An object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    #[command(flatten)]
    pub(crate) common: ServingArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Configuration file; Kafka's own single-node server.properties serves unchanged.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) common: ServingArguments,
}

/// What every broker takes; each wins over the configuration file.
#[derive(Debug, Args)]
pub(crate) struct ServingArguments {
    /// Directory of everything that survives a restart (log.dirs).
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Serve clients at this address only (listeners); 0.0.0.0 is every address of this machine,
    /// port 0 any free one.
    #[arg(long, value_name = "HOST:PORT", value_parser = read_address)]
    pub(crate) listen: Option<(String, u16)>,
    /// Serve metrics and health at this address (millrace.admin.listener); port 0 is any free one.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admin_listen: Option<String>,
    /// Number of shards, one thread each (millrace.shards).
    #[arg(long, value_name = "N")]
    pub(crate) shards: Option<u16>,
    /// Memory of the process, for instance 256MiB (millrace.memory).
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// What an acknowledged record survives (millrace.durability).
    #[arg(long, value_enum)]
    pub(crate) durability: Option<DurabilityArgument>,
    /// Set any configuration key; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = read_setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Form of the log's lines (millrace.log.format).
    #[arg(long, value_enum)]
    pub(crate) log_format: Option<LogFormatArgument>,
    /// What is logged: a level, or levels by module (millrace.log.level); wins over MILLRACE_LOG.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Unknown configuration keys are errors, not warnings.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DurabilityArgument {
    /// A power loss.
    Power,
    /// The end of the process; a power loss may take the last moments.
    Process,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormatArgument {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

fn read_address(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("it is not HOST:PORT")?;
    let port = port.parse().map_err(|_| format!("{port} is not a port"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    /// Paths of all commands below this one.
    fn paths(command: &clap::Command, above: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands() {
            let path = format!("{above} {}", below.get_name());
            if below.has_subcommands() { paths(below, &path, found) } else { found.push(path) }
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the documentation is read once")]
    fn commands_of_users_are_documented() {
        use clap::CommandFactory;
        let documents = ["docs/cli.md", "docs/operations.md", "docs/config.md"];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text: String =
            documents.iter().map(|document| std::fs::read_to_string(root.join(document)).unwrap()).collect();
        let mut found = Vec::new();
        paths(&Cli::command(), "millrace", &mut found);
        assert!(found.len() > 25, "{found:?}");
        for path in found {
            assert!(text.contains(&path), "no document has `{path}`");
        }
    }

    #[test]
    fn addresses_are_split_once() {
        assert_eq!(read_address("127.0.0.1:9092"), Ok(("127.0.0.1".to_owned(), 9092)));
        assert_eq!(read_address("[::1]:0"), Ok(("::1".to_owned(), 0)));
        assert_eq!(read_address(":9092"), Ok((String::new(), 9092)));
        assert!(read_address("9092").is_err());
        assert!(read_address("host:70000").is_err());
    }
}
