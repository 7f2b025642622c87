//! Development commands: checks, the whole of CI, schema conversion and code generation.
#![forbid(unsafe_code)]

mod ci;
mod codegen;
mod golden;
mod instructions;
mod schema;
mod table;
mod tidy;

use clap::{Parser, Subcommand};
use std::error::Error;
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
    /// Run everything that CI runs; the last line is `N passed, N failed`.
    Ci {
        /// Seeds of the simulation.
        #[arg(long, default_value_t = 20)]
        seeds: u32,
        /// The sweeps of the simulated disk crash or fail every so many operations.
        #[arg(long, default_value_t = 80)]
        every: u32,
        /// Cycles of kill -9 in each durability mode.
        #[arg(long, default_value_t = 4)]
        cycles: u32,
        /// Seconds of each fuzz target.
        #[arg(long, default_value_t = 1)]
        fuzz: u32,
        /// A step that takes longer hangs, and is ended; the first one compiles every dependency.
        #[arg(long, default_value_t = 40)]
        minutes: u64,
        /// At most so many steps beside one another; 1: one at a time.
        #[arg(long, default_value_t = 100)]
        at_once: usize,
        /// Leave out what has passed in this clone and has not changed since.
        #[arg(long)]
        changed: bool,
        /// Names of steps; all of them when none is given.
        steps: Vec<String>,
    },
    /// Check format, the rules of the house, and clippy of the crates that differ from the last commit.
    Check {
        /// Run the tests of those crates, too.
        #[arg(long)]
        tests: bool,
    },
    /// Check the rules of the house that clippy cannot check.
    Tidy,
    /// Print what a crate is built of: its structs, its folders, and which folders call which.
    Rooms {
        /// The folder of the crate.
        #[arg(default_value = "engine/shard")]
        folder: String,
    },
    /// Break comments that are longer than code may be.
    Wrap {
        /// Folders or files.
        #[arg(required = true)]
        folders: Vec<String>,
    },
    /// Count the instructions of the append, fetch and codec paths and compare with benches/instructions.txt;
    /// needs valgrind.
    Instructions {
        /// Write the baseline anew.
        #[arg(long)]
        bless: bool,
    },
    /// Convert the definitions inside Kafka's jars into net/wire/schema and engine/core/schema.
    Schema {
        /// The kafka-clients jar.
        #[arg(long)]
        jar: PathBuf,
        /// The kafka-group-coordinator jar.
        #[arg(long)]
        group_jar: PathBuf,
    },
    /// Write the Rust code of the wire's messages and of coordinator records from their schemas.
    Codegen,
    /// Record what Kafka's own classes write, for the APIs that have code; needs Java 17 and Maven.
    Golden,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Ci { seeds, every, cycles, fuzz, minutes, at_once, changed, steps } => {
            ci::run(&ci::Request { seeds, every, cycles, fuzz, minutes, at_once, changed, steps })
        }
        Command::Check { tests } => {
            let tests = if tests { ci::Tests::Run } else { ci::Tests::Leave };
            ci::check(tests).map(succeed)
        }
        Command::Tidy => tidy::run().map(succeed),
        Command::Wrap { folders } => tidy::wrap(&folders).map(succeed),
        Command::Rooms { folder } => tidy::rooms(&folder).map(print),
        Command::Instructions { bless } => {
            let purpose = if bless { instructions::Purpose::Bless } else { instructions::Purpose::Check };
            instructions::run(purpose).map(succeed)
        }
        Command::Schema { jar, group_jar } => schema::convert(&jar, &group_jar).map(succeed),
        Command::Codegen => codegen::run().map(succeed),
        Command::Golden => golden::record().map(succeed),
    };
    result.unwrap_or_else(fail)
}

#[expect(clippy::print_stdout, reason = "a report is what the command is for")]
fn print(report: String) -> ExitCode {
    print!("{report}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "a command line tool reports on its standard error")]
fn succeed(summary: String) -> ExitCode {
    eprintln!("{summary}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "a command line tool reports on its standard error")]
fn fail(error: Box<dyn Error>) -> ExitCode {
    eprintln!("xtask: {error}");
    ExitCode::FAILURE
}
