//! A line a second while a load runs, kept for the JSON too.

use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{BrokerUse, Progress, Tally};

/// Whether lines are printed while the load runs; they are collected in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Print,
    Keep,
}

/// One entry a second.
pub(super) struct Seconds {
    pub(super) lines: Lines,
    pub(super) values: Vec<Value>,
}

impl Progress for Seconds {
    #[expect(clippy::print_stderr, reason = "progress, apart from the tables on standard output")]
    fn second(&mut self, elapsed: Duration, groups: &[Tally], broker: Option<&BrokerUse>) {
        let parts: Vec<String> = groups.iter().map(show_second).collect();
        let memory = broker.map(|broker| format!("   broker peak {:.0} MB", broker.memory_peak as f64 / 1e6));
        if self.lines == Lines::Print {
            let memory = memory.unwrap_or_default();
            eprintln!("{:>4} s   {}{memory}", elapsed.as_secs(), parts.join("   |   "));
        }
        let part = |tally: &Tally| {
            json!({
                "bytes": tally.bytes,
                "records": tally.records,
                "p50_us": micros(tally.latencies.median()),
                "p99_us": micros(tally.latencies.at(0.99)),
                "max_us": micros(tally.latencies.max()),
            })
        };
        let parts: Vec<Value> = groups.iter().map(part).collect();
        self.values.push(json!({"second": elapsed.as_secs(), "parts": parts}));
    }
}

fn show_second(tally: &Tally) -> String {
    let [p50, p99, max] = [tally.latencies.median(), tally.latencies.at(0.99), tally.latencies.max()]
        .map(|latency| latency.as_secs_f64() * 1e3);
    let (megabytes, records) = (tally.bytes as f64 / 1e6, tally.records);
    format!("{megabytes:.1} MB  {records} records  p50 {p50:.2} p99 {p99:.2} max {max:.2} ms")
}

/// As latencies are reported.
pub(super) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
