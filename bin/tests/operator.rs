//! What the operator sees of the process: logs, metrics, and what the service manager is told.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/metrics.rs"]
mod metrics;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use broker::{Broker, PROGRAM, address};
use directory::Directory;
use metrics::{SERVED, metrics};

#[test]
fn json_logs_are_an_object_a_line() {
    let directory = Directory::new("json");
    let mut broker =
        Broker::start(&directory, &["--log-format", "json", "--admin-listen", "127.0.0.1:0"], &[]);
    let lines = broker.json_until(SERVED);
    for line in &lines {
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line["level"].is_string() && line["target"].is_string(), "{line}");
    }
    assert!(metrics(&address(&lines, SERVED)).contains("\nmillrace_log_lines_lost_total 0\n"));
    broker.terminate();
    let rest = broker.json_until("stopped");
    assert!(rest.iter().any(|line| line["message"] == "SIGTERM: stopping"), "{rest:?}");
    broker.ended_well();
}

#[test]
fn the_level_is_that_of_the_flag_the_environment_or_the_key() {
    let directory = Directory::new("level");
    // The broker says more than this, were it not for the level;
    // the last line of the text is printed by hand.
    for (arguments, environment, speaks) in [
        (&["--set", "millrace.log.level=error"][..], &[][..], false),
        (&["--set", "millrace.log.level=error"], &[("MILLRACE_LOG", "info")], true),
        (&["--log-level", "error"], &[("MILLRACE_LOG", "info")], false),
    ] {
        let mut broker = Broker::start(&directory, arguments, environment);
        let mut greeting = String::new();
        BufReader::new(broker.child.stdout.as_mut().unwrap()).read_line(&mut greeting).unwrap();
        broker.terminate();
        let mut log = String::new();
        broker.log.read_to_string(&mut log).unwrap();
        assert_eq!(log.contains("listening"), speaks, "{arguments:?} {environment:?}: {log}");
        broker.ended_well();
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let directory = Directory::new("unread");
    let arguments = [
        "--log-format",
        "json",
        "--log-level",
        "info,millrace_server=debug",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let mut broker = Broker::start(&directory, &arguments, &[]);
    let lines = broker.json_until(SERVED);
    let (clients, admin) = (address(&lines, "listening"), address(&lines, SERVED));
    // More lines than the pipe and the queue hold: each connection that sends nonsense is one.
    for _ in 0..4000 {
        let mut stream = TcpStream::connect(&clients).unwrap();
        stream.write_all(&[0xff; 4]).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "it is closed");
    }
    let answer = metrics(&admin);
    let lost = answer.lines().find_map(|line| line.strip_prefix("millrace_log_lines_lost_total ")).unwrap();
    assert!(lost.parse::<u64>().unwrap() > 0, "{lost}");
    broker.terminate();
    broker.ended_well();
}

#[test]
fn the_service_manager_is_told() {
    let directory = Directory::new("manager");
    // Relative to the directory: the name of a socket is short.
    let socket = std::env::temp_dir().join(format!("millrace-notify-{}", std::process::id()));
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let broker = Broker::start(&directory, &[], &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    let told = || {
        let mut text = [0; 64];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    assert_eq!(told(), "READY=1");
    broker.terminate();
    assert_eq!(told(), "STOPPING=1");
    broker.ended_well();
    std::fs::remove_file(socket).unwrap();
}

/// What the unit needs so that the broker has its rings, opens its files, and is known to be ready.
#[test]
fn the_unit_file_says_what_the_broker_needs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/millrace.service");
    let unit = std::fs::read_to_string(path).unwrap();
    let lines: BTreeSet<&str> = unit.lines().collect();
    for wanted in ["Type=notify", "LimitMEMLOCK=infinity", "LimitNOFILE=1048576"] {
        assert!(lines.contains(wanted), "{wanted}");
    }
    let start =
        lines.iter().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/millrace ")).unwrap();
    let arguments: Vec<&str> = start.split(' ').collect();
    let output = Command::new(PROGRAM).args(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot read the configuration file /etc/millrace/server.properties"), "{said}");
}
