//! Runs `clients/golden`, which records the bytes that Kafka's own classes write,
//! for the tests of the codecs.

use crate::codegen::{APIS, CLIENT_PROTOCOL, RECORDS, root};
use std::error::Error;
use std::process::Command;

/// Rewrites the golden files of `net/wire` and `engine/core`, and the table of error codes.
pub(crate) fn record() -> Result<String, Box<dyn Error>> {
    let source = root().join("clients/golden");
    let class_path = root().join("clients/.cache/golden");
    let mut maven = Command::new("mvn");
    maven.arg("--quiet").arg("--file").arg(source.join("pom.xml")).arg("dependency:copy-dependencies");
    run(maven.arg(format!("-DoutputDirectory={}", class_path.display())))?;

    let golden = || {
        let mut java = Command::new("java");
        java.arg("-cp").arg(class_path.join("*")).arg(source.join("Golden.java"));
        java
    };
    let wire = root().join("net/wire/tests/golden");
    run(golden().arg("wire").arg(root().join("net/wire/error_codes.txt")).arg(&wire).args(APIS))?;
    let records = root().join("engine/core/tests/group_records/golden");
    let keys_and_values = RECORDS.iter().flat_map(|name| [format!("{name}Key"), format!("{name}Value")]);
    run(golden().arg("records").arg(&records).args(keys_and_values).args(CLIENT_PROTOCOL))?;
    Ok(format!(
        "{} APIs in {}, {} records in {}",
        APIS.len(),
        wire.display(),
        RECORDS.len(),
        records.display()
    ))
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
