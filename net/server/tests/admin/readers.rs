//! Readers that wait, and leave: neither their place nor the memory of their request is kept.

use std::time::{Duration, Instant};

use crate::kafka::Client;
use crate::metrics::Metrics;
use crate::running::Running;

const READERS: usize = 20;
const PARTITIONS: i32 = 4;
/// Far beyond the test.
const MAX_WAIT_MS: i32 = 600_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the samples add up to this.
fn until(broker: &Running, sample: &str, expected: f64) {
    let begun = Instant::now();
    loop {
        let value = Metrics::scrape(broker.admin).sum(sample);
        if (value - expected).abs() < 0.5 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{sample} is {value}, not {expected}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn readers_that_vanish_in_a_long_poll_leave_nothing_behind() {
    let broker = Running::start("vanish", 2, &[]);
    let mut client = Client::connect(broker.address);
    client.create_topic("t", PARTITIONS);
    let readers: Vec<Client> = (0..READERS)
        .map(|number| {
            let mut reader = Client::connect(broker.address);
            // Each partition's owner is one of both shards, and so is the connection's.
            reader.send_fetch("t", number as i32 % PARTITIONS, 0, MAX_WAIT_MS);
            reader
        })
        .collect();
    until(&broker, "millrace_watches", READERS as f64);
    drop(readers);
    until(&broker, "millrace_watches", 0.0);
    until(&broker, "millrace_fetches_waiting", 0.0);
    until(&broker, "millrace_connections", 1.0);
    // A reader that stays is served as before.
    let mut reader = Client::connect(broker.address);
    reader.send_fetch("t", 0, 0, MAX_WAIT_MS);
    until(&broker, "millrace_watches", 1.0);
    assert_eq!(client.produce("t", 0, b"value"), 0);
    assert!(reader.fetched() > 0);
    until(&broker, "millrace_watches", 0.0);
    broker.stop();
}
