//! Runs a command against the cluster, and ends with the code of what came of it.

use std::process::ExitCode;

use millrace_client::{ClientError, Cluster};

use super::arguments::ClusterArguments;
use super::outcome::Done;
use super::output;
use super::profiles;

/// The broker, or a rule of this command, refused something.
const CODE_REFUSED: u8 = 1;
/// What was asked for makes no sense; clap exits with the same code.
const CODE_USAGE: u8 = 2;
/// No broker answered.
const CODE_NO_BROKER: u8 = 3;

/// Opens the cluster that the arguments name, for the command.
pub(crate) fn run(
    arguments: &ClusterArguments,
    command: impl FnOnce(&mut Cluster) -> Result<Done, ClientError>,
) -> ExitCode {
    let cluster = profiles::bootstrap(arguments).and_then(|bootstrap| Cluster::open(&bootstrap));
    finish(cluster.and_then(|mut cluster| command(&mut cluster)))
}

/// The exit code, and what went wrong if something did.
pub(crate) fn finish(outcome: Result<Done, ClientError>) -> ExitCode {
    match outcome {
        Ok(Done::All) => ExitCode::SUCCESS,
        Ok(Done::NotAll) => ExitCode::from(CODE_REFUSED),
        Err(failure) => {
            output::complain(&failure.to_string());
            ExitCode::from(match failure {
                ClientError::Io { .. } => CODE_NO_BROKER,
                ClientError::Usage(_) => CODE_USAGE,
                _ => CODE_REFUSED,
            })
        }
    }
}
