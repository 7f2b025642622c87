//! A broker as a process of its own, and what the program says of its files.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace");

/// Killed with the test if the test does not end it.
pub(crate) struct Broker {
    child: Child,
    log: BufReader<ChildStderr>,
    /// What it has said until it listened.
    pub(crate) said: String,
}

impl Broker {
    /// One with small journals, and with these settings.
    pub(crate) fn spawn_with(data: &Path, shards: &str, sets: &[&str]) -> Broker {
        let mut child = Command::new(PROGRAM)
            .args(["dev", "--listen", "127.0.0.1:0", "--shards", shards, "--memory", "64MiB", "--data-dir"])
            .arg(data)
            .args(["millrace.journal.bytes=4MiB"].iter().chain(sets).flat_map(|set| ["--set", set]))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Broker { child, log, said: String::new() }
    }

    /// The address at which it listens.
    pub(crate) fn address(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended: {}", self.said);
            if line.contains("listening") {
                return line.split("address=").nth(1).unwrap().trim().to_owned();
            }
            self.said.push_str(&line);
        }
    }

    /// Exit code and log of one that ends by itself.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }

    pub(crate) fn end(mut self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes for a second to the topic `small`, of two partitions.
pub(crate) fn load(address: &str, more: &[&str]) {
    let load = Command::new(PROGRAM)
        .args(["bench", "--quiet", "--bootstrap", address, "--topic", "small", "--warm-up", "0"])
        .args(["--partitions", "2", "--record-size", "1000", "--duration", "1"])
        .args(more)
        .output()
        .unwrap();
    assert!(load.status.success(), "{load:?}");
}

/// The facts that `millrace storage --json` tells.
pub(crate) fn facts(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}
