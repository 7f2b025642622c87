//! Levels of loggers that a client sets at run time: they act on the log at once,
//! and are gone with the process.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/requests.rs"]
mod requests;

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;

use broker::{Broker, address};
use directory::Directory;
use requests::{Answer, Bytes, Connection};

const DESCRIBE_CONFIGS: (i16, i16) = (32, 1);
const INCREMENTAL_ALTER_CONFIGS: (i16, i16) = (44, 0);

/// Type of a resource.
const BROKER_LOGGER: u8 = 8;
/// Who says that a connection sends nonsense, at level debug.
const READER: &str = "millrace_server::serve::reader";
const NONSENSE: &str = "no request has this length";

/// Sets the level of a logger, or, without one, deletes it; the error.
fn alter(connection: &mut Connection, logger: &str, level: Option<&str>) -> i16 {
    let mut body = Bytes::default();
    body.i32(1).0.push(BROKER_LOGGER);
    body.text("1").i32(1).text(logger).0.push(u8::from(level.is_none()));
    match level {
        Some(level) => body.text(level),
        None => body.i16(-1),
    };
    body.0.push(0);
    let answer = connection.ask(INCREMENTAL_ALTER_CONFIGS, &body.0);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i32(), answer.i32()), (0, 1));
    answer.i16()
}

fn level(connection: &mut Connection, logger: &str) -> String {
    let mut body = Bytes::default();
    body.i32(1).0.push(BROKER_LOGGER);
    body.text("1").i32(1).text(logger).0.push(0);
    let answer = connection.ask(DESCRIBE_CONFIGS, &body.0);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i32(), answer.i32(), answer.i16()), (0, 1, 0), "{}", answer.text());
    let _message = answer.text();
    answer.0 = answer.0.strip_prefix(&[BROKER_LOGGER]).unwrap();
    assert_eq!((answer.text().as_str(), answer.i32()), ("1", 1));
    assert_eq!(answer.text(), logger);
    answer.text()
}

/// Where a broker listens, from its log as text.
fn listening(broker: &mut Broker) -> String {
    let mut line = String::new();
    while !line.contains(" listening ") {
        line.clear();
        assert!(broker.log.read_line(&mut line).unwrap() > 0, "it ended");
    }
    line.split("address=").nth(1).unwrap().trim().to_owned()
}

/// A connection that the broker closes.
fn send_nonsense(address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&[0xff; 4]).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "it is closed");
}

#[test]
fn levels_act_at_once_and_end_with_the_process() {
    for format in ["json", "text"] {
        let directory = Directory::new(&format!("loggers-{format}"));
        let arguments = ["--log-format", format, "--log-level", "info,millrace_shard=warn"];
        let mut broker = Broker::start(&directory, &arguments, &[]);
        let address = match format {
            "json" => address(&broker.json_until("listening"), "listening"),
            _ => listening(&mut broker),
        };
        let mut client = Connection::open(&address);
        let levels = |client: &mut Connection| {
            ["root", "millrace_server", READER, "millrace_shard", "millrace_shard::flush"]
                .map(|it| level(client, it))
        };
        assert_eq!(levels(&mut client), ["INFO", "INFO", "INFO", "WARN", "WARN"]);
        send_nonsense(&address);
        assert_eq!(alter(&mut client, "millrace_server", Some("DEBUG")), 0);
        send_nonsense(&address);
        assert_eq!(levels(&mut client), ["INFO", "DEBUG", "DEBUG", "WARN", "WARN"]);
        assert_eq!(alter(&mut client, READER, Some("ERROR")), 0);
        send_nonsense(&address);
        assert_eq!(alter(&mut client, READER, None), 0);
        send_nonsense(&address);
        assert_eq!(alter(&mut client, "millrace_server", None), 0);
        send_nonsense(&address);
        assert_eq!(alter(&mut client, "millrace_shard", None), 0);
        assert_eq!(levels(&mut client), ["INFO", "INFO", "INFO", "INFO", "INFO"]);
        assert_eq!(alter(&mut client, "root", Some("DEBUG")), 0);
        assert_eq!(alter(&mut client, "millrace_nobody", Some("TRACE")), 40);
        send_nonsense(&address);
        assert_eq!(alter(&mut client, "root", Some("FATAL")), 0);
        assert_eq!(level(&mut client, READER), "FATAL");
        broker.terminate();
        let mut log = String::new();
        broker.log.read_to_string(&mut log).unwrap();
        assert_eq!(log.matches(NONSENSE).count(), 3, "{log}");
        assert!(!log.contains("stopped"), "nothing is fatal: {log}");
        broker.ended_well();

        let mut broker = Broker::start(&directory, &["--log-format", "json"], &[]);
        let address = self::address(&broker.json_until("listening"), "listening");
        assert_eq!(level(&mut Connection::open(&address), READER), "INFO");
        broker.terminate();
        broker.ended_well();
    }
}
