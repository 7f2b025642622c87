//! Apache Kafka beside Millrace, started by the script of `clients/`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Process;
use crate::disk;
use crate::error::ClientError;

/// Away from the ports that the other users of the script take.
const PORT: u16 = 19_592;

/// A running Kafka in its default settings; dropping it kills it.
pub(crate) struct Kafka {
    script: PathBuf,
    dir: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
}

impl Kafka {
    /// A fresh one-node cluster with its data below `dir`.
    pub(crate) fn start(script: &Path, dir: &Path) -> Result<Kafka, ClientError> {
        let dir = dir.join("kafka");
        run(script, &dir, &["start", "--fresh"])?;
        let id = disk::read_text(&dir.join("kafka.pid"))?;
        let id = id.trim().parse().map_err(|_| ClientError::Usage(format!("{id} is no process")))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        Ok(Kafka { script: script.to_path_buf(), dir, address, process: Process { id } })
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let stopped = run(&self.script, &self.dir, &["stop", "--kill"]);
        // The directory stays if Kafka does: it shows why.
        if stopped.is_ok() {
            let _left_behind = disk::remove_dir(&self.dir);
        }
    }
}

fn run(script: &Path, dir: &Path, arguments: &[&str]) -> Result<(), ClientError> {
    let mut command = Command::new(script);
    command.args(arguments).args(["--port", &PORT.to_string(), "--dir"]).arg(dir);
    let output = command.output().map_err(ClientError::io(format!("running {}", script.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(ClientError::Broker(format!("{} {} failed: {text}", script.display(), arguments.join(" "))))
}
