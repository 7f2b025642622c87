//! `millrace completion`: what a shell completes of this command line.

use std::process::ExitCode;

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

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

/// Prints the script for this command line.
pub(crate) fn run(arguments: &CompletionArguments, command: &mut Command) -> ExitCode {
    let shell = match arguments.shell {
        ShellArgument::Bash => Shell::Bash,
        ShellArgument::Zsh => Shell::Zsh,
        ShellArgument::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "millrace", &mut script);
    output::print_bytes(&script);
    ExitCode::SUCCESS
}
