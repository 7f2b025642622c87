//! Development commands: checks, the whole of CI, schema conversion and code generation.
#![forbid(unsafe_code)]

mod codegen;
mod golden;
mod schema;
mod tidy;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Development commands of Millrace")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the rules of the house that clippy cannot check.
    Tidy,
    /// Convert the message definitions inside Kafka's clients jar into net/wire/schema.
    Schema {
        /// The kafka-clients jar.
        #[arg(long)]
        jar: PathBuf,
    },
    /// Write the Rust code of the wire messages from net/wire/schema.
    Codegen,
    /// Record what Kafka's own classes write, for the APIs that have code; needs Java 17 and Maven.
    Golden,
}

#[expect(clippy::print_stderr, reason = "a command line tool reports on its standard error")]
fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Tidy => tidy::run(),
        Command::Schema { jar } => schema::convert(&jar),
        Command::Codegen => codegen::run(),
        Command::Golden => golden::record(),
    };
    match result {
        Ok(summary) => {
            eprintln!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
