//! The command `millrace-parity`: records Apache Kafka's answers, and compares a running broker with them.

use clap::{Parser, Subcommand};
use millrace_parity::{Judged, Listing, compare, list, record};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Compares a broker's answers with recorded answers of Apache Kafka")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends every case to Apache Kafka and writes its answers to `recorded/`.
    Record {
        #[arg(long, value_name = "HOST:PORT")]
        bootstrap: String,
        /// Cases or beginnings of their names; all when none is given.
        cases: Vec<String>,
    },
    /// Sends every case to a broker and prints what differs from the recording.
    Compare {
        #[arg(long, value_name = "HOST:PORT")]
        bootstrap: String,
        /// Also print the result of each case.
        #[arg(long)]
        list: bool,
        /// Judge the cases of not-served.txt like all others.
        #[arg(long)]
        not_served: bool,
        /// The document whose section "Parity differences" names the wanted ones.
        #[arg(long, value_name = "FILE")]
        compatibility: Option<PathBuf>,
        /// Cases or beginnings of their names; all when none is given.
        cases: Vec<String>,
    },
    /// Prints the names of the cases, and how many there are of each subject.
    List,
}

#[expect(clippy::print_stderr, reason = "a command line tool reports on its standard error")]
fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Record { bootstrap, cases } => record(&bootstrap, &cases),
        Command::Compare { bootstrap, list, not_served, compatibility, cases } => {
            let listing = if list { Listing::Every } else { Listing::Differing };
            let judged = if not_served { Judged::Every } else { Judged::Served };
            compare(&bootstrap, &cases, (listing, judged), compatibility.as_deref())
        }
        Command::List => list(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("parity: {error}");
            ExitCode::from(2)
        }
    }
}
