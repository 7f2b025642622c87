//! `millrace bench` from end to end, against a broker inside this process:
//! what it counts is what the broker has.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/directory.rs"]
mod directory;
#[path = "support/embedded.rs"]
mod embedded;

use std::process::Command;

use serde_json::Value;

use embedded::Embedded;

const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace");

impl Embedded {
    /// Runs the command: what it printed, and its JSON.
    fn bench(&self, arguments: &[&str]) -> (String, Value) {
        let json = self.path("bench.json");
        let mut command = Command::new(PROGRAM);
        command.args(["bench", "--quiet", "--bootstrap", &self.address, "--json"]).arg(&json);
        let output = command.args(arguments).output().unwrap();
        let (said, failed) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {said}\n{failed}");
        let value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
        (said.into_owned(), value)
    }
}

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} is no number in {value:#}"))
}

#[test]
fn an_open_load_is_sent_as_intended_read_back_and_mixed() {
    let broker = Embedded::start("bench-open", &[]);
    let open = ["--topic", "t", "--partitions", "4", "--record-size", "100", "--batch-size", "1200"];
    let rate = ["--rate", "2000", "--duration", "1", "--warm-up", "0.2", "--connections", "2"];
    let (said, value) = broker.bench(&[&open[..], &rate].concat());
    assert!(said.contains("open loop: latencies count from the intended moments"), "{said}");
    let part = "/phases/0/parts/0";
    // Batches of ten records, two a request: a hundred requests are meant for the second that counts.
    assert_eq!(number(&value, &format!("{part}/latency/count")), 100.0, "{value:#}");
    assert_eq!(number(&value, &format!("{part}/unanswered")), 0.0);
    let (records, bytes) =
        (number(&value, &format!("{part}/records")), number(&value, &format!("{part}/bytes")));
    assert_eq!(bytes, records * 100.0);
    // How many came within the second is the disk's word; more than were meant by its end cannot have.
    assert!(records <= 2400.0, "{records} records answered in the second");
    assert_eq!(number(&value, "/broker_pid"), f64::from(std::process::id()), "found by its port");
    assert!(number(&value, "/phases/0/broker/memory_peak_bytes") > 0.0);

    let (_, value) = broker.bench(&["--topic", "t", "--consume", "--duration", "0.5", "--warm-up", "0"]);
    let stored = number(&value, &format!("{part}/bytes")) / number(&value, &format!("{part}/records"));
    // A record of 100 bytes takes 108, and a tenth of a batch's header.
    assert!((108.0..120.0).contains(&stored), "{stored} bytes a record");

    let (said, value) = broker.bench(&[&open[..], &rate, &["--mixed"]].concat());
    assert!(said.contains("produce p99:"), "{said}");
    for place in ["/phases/0/parts/0", "/phases/1/parts/0"] {
        assert_eq!(number(&value, &format!("{place}/latency/count")), 100.0, "{place}");
    }
    assert!(number(&value, "/phases/1/parts/1/records") > 0.0);
}

#[test]
fn maximum_rate_fills_the_pipeline_and_leaves_no_topic_behind() {
    let broker = Embedded::start("bench-max", &[]);
    for acks in ["all", "1", "0"] {
        let (said, value) = broker.bench(&["--acks", acks, "--duration", "0.5", "--warm-up", "0"]);
        assert!(said.contains("closed loop"), "{said}");
        // However long the disk takes to answer the first: all that fits in flight was sent meanwhile.
        let places = number(&value, "/connections") * number(&value, "/in_flight");
        assert!(number(&value, "/phases/0/parts/0/latency/count") >= places, "acks={acks}: {value:#}");
        assert_eq!(number(&value, "/phases/0/parts/0/unanswered"), 0.0, "acks={acks}");
        let topic = value["topic"].as_str().unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["bench", "--bootstrap", &broker.address, "--consume", "--topic", topic]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("--consume needs a topic that exists"), "{said}");
    }
}
