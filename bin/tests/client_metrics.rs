//! Metrics that clients push (KIP-714), over a broker process that is killed: what is wanted is there again,
//! and what is pushed shows at `/metrics`.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/compact.rs"]
mod compact;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/metrics.rs"]
mod metrics;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/settings.rs"]
mod settings;

use std::process::Command;
use std::time::{Duration, Instant};

use broker::{Broker, PROGRAM, address};
use directory::Directory;
use metrics::{SERVED, metrics};
use requests::{Answer, Bytes, CLIENT, Connection};
use settings::described;

const API_VERSIONS: (i16, i16) = (18, 3);
const GET_TELEMETRY_SUBSCRIPTIONS: (i16, i16) = (71, 0);
const PUSH_TELEMETRY: (i16, i16) = (72, 0);

/// Type of a resource.
const CLIENT_METRICS: i8 = 16;

const UNKNOWN_SUBSCRIPTION_ID: i16 = 117;
const INVALID_RECORD: i16 = 87;

const PATIENCE: Duration = Duration::from_secs(10);

/// OTLP's `MetricsData` of one sum, pushed as a difference: three more of `org.apache.kafka.b`,
/// for the topic `t`.
const THREE_MORE: [&[u8]; 5] = [
    b"\x0a\x4c\x12\x4a\x12\x48\x0a\x12org.apache.kafka.b",
    // A sum of one point.
    b"\x3a\x32\x0a\x2c\x11\x01\0\0\0\0\0\0\0\x19\x02\0\0\0\0\0\0\0",
    b"\x31\x03\0\0\0\0\0\0\0",
    b"\x3a\x0f\x0a\x05topic\x12\x06\x0a\x04t\"ab",
    // A difference, of what only grows.
    b"\x10\x01\x18\x01",
];

struct Running {
    broker: Broker,
    address: String,
    admin: String,
}

fn start(directory: &Directory) -> Running {
    let arguments = ["--log-format", "json", "--shards", "2", "--admin-listen", "127.0.0.1:0"];
    let mut broker = Broker::start(directory, &arguments, &[]);
    let mut lines = broker.json_until(SERVED);
    if lines.iter().all(|line| line["message"] != "listening") {
        lines.extend(broker.json_until("listening"));
    }
    Running { address: address(&lines, "listening"), admin: address(&lines, SERVED), broker }
}

/// `millrace config`, which must succeed.
fn config(running: &Running, words: &[&str]) {
    let done = Command::new(PROGRAM)
        .arg("config")
        .args(words)
        .args(["--bootstrap", &running.address])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{words:?}: {}{}", text(&done.stdout), text(&done.stderr));
}

/// The values of `/metrics` whose line holds this.
fn shown(running: &Running, what: &str) -> Vec<String> {
    let answer = metrics(&running.admin);
    let lines = answer.lines().filter(|line| line.contains(what) && !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.to_owned()).collect()
}

/// The client says what it is.
fn introduce(connection: &mut Connection) {
    let mut body = Bytes::default();
    body.i8(0).compact("test").compact("1.2").i8(0);
    let answer = connection.ask(API_VERSIONS, &body.0);
    assert_eq!(Answer(&answer).i16(), 0);
}

/// An instance's id, its subscription, how often it may push in milliseconds,
/// and the metrics that are wanted of it.
fn wanted(connection: &mut Connection, id: [u8; 16]) -> ([u8; 16], i32, i32, Vec<String>) {
    let mut body = Bytes::default();
    body.i8(0).0.extend(id);
    body.i8(0);
    let answer = connection.ask(GET_TELEMETRY_SUBSCRIPTIONS, &body.0);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i8(), answer.i32(), answer.i16()), (0, 0, 0));
    let (id, rest) = answer.0.split_first_chunk().unwrap();
    let mut answer = Answer(rest);
    let (subscription, codecs) = (answer.i32(), answer.i8());
    for _ in 1..codecs {
        answer.i8();
    }
    let (interval_ms, _bytes_max, _deltas, metrics) = (answer.i32(), answer.i32(), answer.i8(), answer.i8());
    (*id, subscription, interval_ms, (1..metrics).map(|_| answer.compact()).collect())
}

/// The error of a push.
fn push(connection: &mut Connection, id: [u8; 16], subscription: i32, metrics: &[u8]) -> i16 {
    let mut body = Bytes::default();
    body.i8(0).0.extend(id);
    body.i32(subscription).i8(0).i8(0).i8(i8::try_from(metrics.len() + 1).unwrap()).0.extend(metrics);
    body.i8(0);
    let answer = connection.ask(PUSH_TELEMETRY, &body.0);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i8(), answer.i32()), (0, 0));
    answer.i16()
}

#[test]
fn what_clients_push_shows_and_what_is_wanted_outlives_a_kill() {
    let directory = Directory::new("client-metrics");
    let running = start(&directory);
    let (id, _, interval_ms, metrics) = wanted(&mut Connection::open(&running.address), [0; 16]);
    assert!(id != [0; 16] && interval_ms == 300_000 && metrics.is_empty(), "nothing is wanted yet");
    let subscription = ["set", "client-metrics", "s", "metrics=org.apache.kafka.b", "interval.ms=100"];
    config(&running, &[&subscription[..], &[&format!("match=client_id={CLIENT}")]].concat());
    let mut broker = running.broker;
    broker.child.kill().unwrap();
    assert_eq!(broker.child.wait().unwrap().code(), None);

    let running = start(&directory);
    assert_eq!(
        described(&mut Connection::open(&running.address), (CLIENT_METRICS, "s"), "metrics"),
        "org.apache.kafka.b"
    );
    let mut connection = Connection::open(&running.address);
    introduce(&mut connection);
    let (id, subscription, interval_ms, metrics) = wanted(&mut connection, [0; 16]);
    assert_eq!((interval_ms, metrics), (100, vec!["org.apache.kafka.b".to_owned()]));
    let data = THREE_MORE.concat();
    for total in ["3", "6"] {
        assert_eq!(push(&mut connection, id, subscription, &data), 0);
        let label = "org_apache_kafka_b_total{client_instance_id=";
        assert_eq!(shown(&running, label), [total]);
        std::thread::sleep(Duration::from_millis(110));
    }
    let labels =
        format!("client_id=\"{CLIENT}\",client_software_name=\"test\",client_software_version=\"1.2\"");
    assert_eq!(shown(&running, &format!("{labels},topic=\"t\\\"ab\"}}")), ["6"]);
    assert_eq!(push(&mut connection, id, subscription, b"no protobuf"), INVALID_RECORD);
    std::thread::sleep(Duration::from_millis(110));
    assert_eq!(push(&mut connection, id, subscription + 1, &data), UNKNOWN_SUBSCRIPTION_ID);
    for (metric, value) in [
        ("kafka_server_client_metrics_plugin_export_count", "2"),
        ("kafka_server_client_metrics_plugin_error_count", "1"),
        ("kafka_server_client_metrics_unknown_subscription_request_count", "1"),
        ("kafka_server_client_metrics_instance_count", "1"),
    ] {
        assert_eq!(shown(&running, metric), [value], "{metric}");
    }

    // Who has gone is not counted, and what it pushed is there for a while.
    drop(connection);
    let deadline = Instant::now() + PATIENCE;
    while shown(&running, "kafka_server_client_metrics_instance_count") != ["0"] {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(shown(&running, "org_apache_kafka_b_total{"), ["6"]);
    config(&running, &["unset", "client-metrics", "s", "metrics", "interval.ms", "match"]);
    assert_eq!(wanted(&mut Connection::open(&running.address), id).2, 300_000);
    running.broker.terminate();
    running.broker.ended_well();
}
