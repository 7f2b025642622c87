//! The process from outside: what it says of wrong input, how it starts and stops, its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/directory.rs"]
mod directory;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use directory::Directory;

const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace");

impl Directory {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

/// What the single-node file that ships with Kafka 4.3 sets.
const SINGLE_NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/core/tests/single_node.properties");

#[test]
fn wrong_input_is_named_and_nothing_is_opened() {
    let directory = Directory::new("wrong");
    let data = directory.path("data");
    let cases: [(&str, &[&str], &str); 11] = [
        (
            "",
            &["--set", "num.partitions=x"],
            "Invalid value x for configuration num.partitions: Not a number",
        ),
        ("listeners=SSL://:9092", &[], "listeners of protocol SSL are not served yet"),
        ("no.such.key=1", &["--strict"], "Unknown configuration no.such.key"),
        ("", &["--memory", "many"], "Invalid value many for configuration millrace.memory"),
        (
            "",
            &["--shards", "0"],
            "Invalid value 0 for configuration millrace.shards: Value must be at least 1",
        ),
        ("a=\\u00", &[], "line 1: \\u needs four hexadecimal digits"),
        ("", &["--listen", "9092"], "it is not HOST:PORT"),
        ("", &["--admin-listen", "9644"], "millrace.admin.listener: Not an address: HOST:PORT"),
        ("", &["--log-format", "xml"], "possible values: text, json"),
        ("millrace.log.level=verbose", &[], "millrace.log.level: `verbose` is no level"),
        ("", &["--log-level", "info,a=loud"], "`loud` is no level"),
    ];
    for (text, more, expected) in cases {
        let file = directory.file("server.properties", text);
        let output = run(&[&["serve", "--config", &file, "--data-dir", &data], more].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text} {more:?}: {said}");
        assert!(said.contains(expected), "{text} {more:?}: {said}");
    }
    assert!(!Path::new(&data).exists());
    let absent = run(&["serve", "--config", &directory.path("absent")]);
    assert_eq!(absent.status.code(), Some(2));
}

/// A broker that listens; killed with the test if the test does not stop it.
struct Running {
    child: Child,
    /// Kept open, as a terminal would be.
    log: BufReader<ChildStderr>,
    address: String,
}

impl Running {
    /// Starts it and waits until it says where it listens.
    fn start(arguments: &[&str]) -> Running {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut running = Running { child, log, address: String::new() };
        let mut seen = String::new();
        while running.address.is_empty() {
            let mut line = String::new();
            assert!(running.log.read_line(&mut line).unwrap() > 0, "it ended: {seen}");
            seen.push_str(&line);
            if line.contains("listening") {
                running.address = line.split("address=").nth(1).unwrap().trim().to_owned();
            }
        }
        running
    }

    /// Sends a signal by its name and returns the exit code.
    fn stop(mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn both_signals_stop_it_cleanly() {
    let directory = Directory::new("signals");
    let data = directory.path("data");
    for signal in ["TERM", "INT"] {
        let mut broker = Running::start(&["dev", "--data-dir", &data, "--listen", "127.0.0.1:0"]);
        std::net::TcpStream::connect(&broker.address).unwrap();
        let mut greeting = BufReader::new(broker.child.stdout.take().unwrap());
        let mut first = String::new();
        greeting.read_line(&mut first).unwrap();
        assert_eq!(first, format!("Millrace listens on {}.\n", broker.address));
        assert_eq!(broker.stop(signal), Some(0), "{signal}");
    }
}

#[test]
fn kafkas_own_single_node_file_starts_it() {
    let directory = Directory::new("single-node");
    let data = directory.path("data");
    let broker = Running::start(&[
        "serve",
        "--config",
        SINGLE_NODE,
        "--data-dir",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--memory",
        "64MiB",
    ]);
    assert_eq!(broker.stop("TERM"), Some(0));
}

#[test]
fn what_is_in_use_is_named() {
    let directory = Directory::new("in-use");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["dev", "--data-dir", &directory.path("one"), "--listen", &address]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&address) && said.contains("is in use"), "{said}");

    let data = directory.path("two");
    let broker = Running::start(&["dev", "--data-dir", &data, "--listen", "127.0.0.1:0"]);
    let output = run(&["dev", "--data-dir", &data, "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("is used by another process"), "{said}");
    assert_eq!(broker.stop("TERM"), Some(0));
}
