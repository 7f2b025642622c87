//! Ten thousand partitions in a process that may open few files: all are written,
//! and read again after a restart.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/directory.rs"]
mod directory;
#[path = "support/metrics.rs"]
mod metrics;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use directory::Directory;
use metrics::{SERVED, metrics};

const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace");
const DESCRIPTORS: u64 = 512;
const PARTITIONS: usize = 10_000;
const TOPIC: &str = "many";

/// A broker of one shard under that limit; killed with the test if the test does not stop it.
struct Broker {
    child: Child,
    log: BufReader<ChildStderr>,
    admin: String,
    address: String,
}

impl Broker {
    fn start(directory: &Path) -> Broker {
        let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited, PROGRAM, "dev", "--listen", "127.0.0.1:0", "--shards", "1"]);
        command.args(["--admin-listen", "127.0.0.1:0", "--log-format", "json", "--data-dir"]);
        command.arg(directory.join("data"));
        // No tmpfs: its ring lies in the directory, and goes with it.
        command.args(["--set", &format!("millrace.shm.dir={}", directory.display())]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut broker = Broker { child, log, admin: String::new(), address: String::new() };
        broker.address = broker.told("listening", "address");
        broker.admin = broker.told(SERVED, "address");
        broker
    }

    /// A field of the next line of the log with this message.
    fn told(&mut self, message: &str, field: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended before it said: {message}");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == message {
                return line[field].as_str().unwrap().to_owned();
            }
        }
    }

    fn bench(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(PROGRAM);
        command.args([
            "bench",
            "--quiet",
            "--bootstrap",
            &self.address,
            "--topic",
            TOPIC,
            "--json",
            "/dev/stderr",
        ]);
        let output = command.args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_str(&said).unwrap()
    }

    /// The number of a metric of shard 0.
    fn metric(&self, name: &str) -> u64 {
        let answer = metrics(&self.admin);
        let begin = format!("{name}{{shard=\"0\"}} ");
        let line = answer.lines().find_map(|line| line.strip_prefix(&begin));
        line.unwrap_or_else(|| panic!("no {name} in {answer}")).parse().unwrap()
    }

    fn stop(mut self) {
        let sent = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{rest}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bytes(value: &Value) -> f64 {
    value.pointer("/phases/0/parts/0/bytes").and_then(Value::as_f64).unwrap()
}

#[test]
fn few_descriptors_serve_ten_thousand_partitions() {
    let directory = Directory::new("descriptors");
    let broker = Broker::start(&directory.0);
    let partitions = PARTITIONS.to_string();
    let load = ["--partitions", &partitions, "--record-size", "100", "--batch-size", "200"];
    broker.bench(&[&load[..], &["--duration", "3", "--warm-up", "0"]].concat());
    broker.stop();
    let logs = |partition: &Path| std::fs::read_dir(partition).unwrap().flatten().count();
    let topics = std::fs::read_dir(directory.0.join("data/topics")).unwrap();
    let written = topics.flatten().filter(|partition| logs(&partition.path()) > 0).count();
    assert!(written as u64 > 4 * DESCRIPTORS, "{written} partitions have files");

    let broker = Broker::start(&directory.0);
    let consumed = broker.bench(&["--consume", "--duration", "3", "--warm-up", "0"]);
    assert!(bytes(&consumed) > 0.0, "{consumed:#}");
    let (open, most) =
        (broker.metric("millrace_open_segment_files"), broker.metric("millrace_open_segment_files_max"));
    assert!(most < DESCRIPTORS / 2 && open <= most, "{open} of {most} are open");
    assert!(broker.metric("millrace_segment_files_evicted_total") > 0);
    assert_eq!(broker.metric("millrace_descriptor_waits_total"), 0);
    println!("{written} partitions written, {open} of {most} files open");
    broker.stop();
}
