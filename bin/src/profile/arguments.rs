//! The command line of `millrace profile`.

use clap::{Args, Subcommand};

use crate::client::OutputArguments;

#[derive(Debug, Args)]
pub(crate) struct ProfileArguments {
    #[command(subcommand)]
    pub(crate) command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// All profiles; the one in use has a star.
    List(ProfileListArguments),
    /// Adds a profile, or changes it; the first one is in use at once.
    Create(ProfileCreateArguments),
    /// Makes a profile the one whose cluster commands ask that name neither brokers nor a profile.
    Use(NamedArguments),
    /// Forgets a profile.
    Delete(NamedArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ProfileListArguments {
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileCreateArguments {
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Brokers of the cluster.
    #[arg(long, short = 'b', value_name = "HOST:PORT,...")]
    pub(crate) bootstrap: String,
    /// What it is, for the list.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) description: String,
}

#[derive(Debug, Args)]
pub(crate) struct NamedArguments {
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}
