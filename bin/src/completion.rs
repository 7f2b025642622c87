//! `millrace completion`: what a shell completes of this command line.

use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::client::output;

#[derive(Debug, Args)]
pub(crate) struct CompletionArguments {
    #[arg(value_enum)]
    shell: ShellArgument,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShellArgument {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(arguments: &CompletionArguments) -> ExitCode {
    let shell = match arguments.shell {
        ShellArgument::Bash => Shell::Bash,
        ShellArgument::Zsh => Shell::Zsh,
        ShellArgument::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "millrace", &mut script);
    output::print_bytes(&script);
    ExitCode::SUCCESS
}
