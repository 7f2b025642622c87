//! `millrace serve`: a broker with a configuration file.

use std::path::Path;

use millrace_core::base::config::Properties;

use crate::cli::ServeArguments;
use crate::exit::Failure;
use crate::run;

pub(crate) fn run(arguments: &ServeArguments) -> Result<(), Failure> {
    let properties = read(&arguments.config)?;
    run::run(properties, &arguments.common, None)
}

fn read(path: &Path) -> Result<Properties, Failure> {
    #[expect(clippy::disallowed_methods, reason = "read before any shard runs")]
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::Read(path.to_owned(), error.to_string()))?;
    Properties::parse(&text).map_err(|fault| Failure::Properties(path.to_owned(), fault))
}
