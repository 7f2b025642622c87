//! Runs `clients/golden`, which records the bytes that Kafka's own classes write, into `net/wire/tests/golden`.

use crate::codegen::{APIS, root};
use std::error::Error;
use std::process::Command;

/// Rewrites the golden files and the table of error codes.
pub(crate) fn record() -> Result<String, Box<dyn Error>> {
    let source = root().join("clients/golden");
    let class_path = root().join("clients/.cache/golden");
    let mut maven = Command::new("mvn");
    maven.arg("--quiet").arg("--file").arg(source.join("pom.xml")).arg("dependency:copy-dependencies");
    run(maven.arg(format!("-DoutputDirectory={}", class_path.display())))?;

    let output = root().join("net/wire/tests/golden");
    let mut java = Command::new("java");
    java.arg("-cp").arg(class_path.join("*")).arg(source.join("Golden.java"));
    run(java.arg(root().join("net/wire/error_codes.txt")).arg(&output).args(APIS))?;
    Ok(format!("{} APIs in {}", APIS.len(), output.display()))
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
