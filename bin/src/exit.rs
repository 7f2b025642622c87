//! How the process ends: its errors, and the exit code of each kind.

use std::path::PathBuf;
use std::process::ExitCode;

use millrace_core::base::config::{ConfigError, PropertiesFault};
use millrace_server::StartError;
use thiserror::Error;

/// The command line or the configuration is wrong; clap exits with the same code.
const CODE_CONFIGURATION: u8 = 2;
/// The configuration is good and the broker could not start with it.
const CODE_START: u8 = 3;

/// Why the process did not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("cannot read the configuration file {0}: {1}")]
    Read(PathBuf, String),
    #[error("the configuration file {0}, {1}")]
    Properties(PathBuf, PropertiesFault),
    #[error("the configuration is wrong, nothing was opened:{}", list(.0))]
    Configuration(Vec<ConfigError>),
    #[error("cannot write logs: {0}")]
    Log(String),
    #[error("cannot handle signals: {0}")]
    Signals(String),
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Failure {
    /// Prints the reason; the code tells its kind.
    #[expect(clippy::print_stderr, reason = "the process's last word, also where logs are filtered out")]
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("millrace: {self}");
        ExitCode::from(match self {
            Failure::Read(..) | Failure::Properties(..) | Failure::Configuration(_) => CODE_CONFIGURATION,
            Failure::Log(_) | Failure::Signals(_) | Failure::Start(_) => CODE_START,
        })
    }
}

fn list(errors: &[ConfigError]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}
