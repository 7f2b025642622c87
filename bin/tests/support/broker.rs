//! A broker as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::directory::Directory;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace");

/// A broker of one shard unless the arguments say otherwise;
/// killed with the test if the test does not stop it.
pub(crate) struct Broker {
    pub(crate) child: Child,
    pub(crate) log: BufReader<ChildStderr>,
}

impl Broker {
    pub(crate) fn start(directory: &Directory, arguments: &[&str], environment: &[(&str, &str)]) -> Broker {
        let mut command = Command::new(PROGRAM);
        command.args(["dev", "--memory", "64MiB"]);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !arguments.contains(&"--shards") {
            command.args(["--shards", "1"]);
        }
        // No tmpfs: its ring lies in the directory, and goes with it.
        let ring = format!("millrace.shm.dir={}", directory.0.display());
        command
            .arg("--data-dir")
            .arg(directory.0.join("data"))
            .args(["--set", &ring])
            .args(arguments)
            .envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Broker { child, log }
    }

    /// The first lines of the log, as objects, up to the one with this message.
    pub(crate) fn json_until(&mut self, message: &str) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        while seen.last().is_none_or(|last| last["message"] != message) {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended: {seen:?}");
            seen.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
        }
        seen
    }

    pub(crate) fn terminate(&self) {
        signal(&self.child, "TERM");
    }

    pub(crate) fn ended_well(mut self) {
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(process: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

pub(crate) fn address(lines: &[Value], message: &str) -> String {
    let line = lines.iter().find(|line| line["message"] == message).unwrap();
    line["address"].as_str().unwrap().to_owned()
}
