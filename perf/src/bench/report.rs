//! What the command shows in the end: tables, and JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::options::BenchOptions;
use super::phase::Phase;
use super::probes::Probes;
use super::progress::micros;
use super::target::Target;
use crate::load::{BrokerUse, Rate, Tally};
use crate::measure::{Cell, Flow, Latencies, Table};

/// Shares of latencies that are reported.
const SHARES: [(&str, f64); 5] =
    [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p99_9_us", 0.999), ("p99_99_us", 0.9999)];

/// The tables of all phases.
pub(super) fn tables(phases: &[Phase], probes: Option<&Probes>) -> Vec<Table> {
    let mut rates = Table::new(&[
        "load",
        "MB/s",
        "records/s",
        "requests/s",
        "broker CPU-s/GB",
        "peak MB",
        "MB/s to disk",
        "from disk",
        "own CPU-s/GB",
    ]);
    let mut latencies = Table::of_latencies();
    let mut lags = Vec::new();
    for phase in phases {
        for (part, tally) in phase.parts.iter().zip(&phase.outcome.tallies) {
            let name = if phase.parts.len() == 1 {
                phase.name.to_owned()
            } else {
                format!("{}: {part}", phase.name)
            };
            rates.row(rate_row(&name, phase, tally));
            latencies.latencies(&name, &tally.latencies);
            lags.push((format!("{name}, sent late by"), &tally.lags));
        }
    }
    // A closed loop is never late.
    for (name, lag) in lags.iter().filter(|(_, lag)| !lag.max().is_zero()) {
        latencies.latencies(name, lag);
    }
    if let Some(probes) = probes {
        probes.rows(&mut latencies);
    }
    vec![rates, latencies]
}

fn rate_row(name: &str, phase: &Phase, tally: &Tally) -> Vec<Cell> {
    let seconds = phase.outcome.seconds;
    // What the processes paid is for all loads of the phase.
    let bytes = phase.outcome.tallies.iter().map(|tally| tally.bytes).sum();
    let cost = |cpu: Duration| Flow { bytes, seconds, cpu: cpu.as_secs_f64() }.cpu_per_gigabyte();
    let flow = Flow { bytes: tally.bytes, seconds, cpu: 0.0 };
    let broker = phase.outcome.broker.as_ref();
    let of_broker = |value: &dyn Fn(&BrokerUse) -> f64, decimals| {
        broker.map_or(Cell::Absent, |broker| Cell::Number(value(broker), decimals))
    };
    vec![
        name.into(),
        Cell::Number(flow.megabytes_per_second(), 1),
        Cell::Number(tally.records as f64 / seconds, 0),
        Cell::Number(tally.requests as f64 / seconds, 0),
        of_broker(&|broker| cost(broker.cpu), 2),
        of_broker(&|broker| broker.memory_peak as f64 / 1e6, 0),
        of_broker(&|broker| broker.written as f64 / 1e6 / seconds, 1),
        of_broker(&|broker| broker.read as f64 / 1e6 / seconds, 1),
        Cell::Number(cost(phase.outcome.own_cpu), 2),
    ]
}

/// Everything, for programs.
pub(super) fn value(
    options: &BenchOptions,
    target: &Target,
    phases: &[Phase],
    probes: Option<&Probes>,
) -> Value {
    json!({
        "bootstrap": options.bootstrap,
        "topic": target.topic,
        "partitions": target.leaders.len(),
        "record_bytes": options.record_size,
        "batch_bytes": options.batch_size,
        "batches_per_request": options.batches_per_request,
        "rate": match options.rate {
            Rate::Maximum => json!("max"),
            Rate::RecordsPerSecond(rate) => json!(rate),
        },
        "acks": format!("{:?}", options.acks()).to_lowercase(),
        "connections": options.connections,
        "in_flight": options.in_flight,
        "broker_pid": target.process.map(|process| process.id),
        "phases": phases.iter().map(phase_value).collect::<Vec<_>>(),
        "probes": probes.map(Probes::value),
    })
}

fn phase_value(phase: &Phase) -> Value {
    let outcome = &phase.outcome;
    let part = |(name, tally): (&&str, &Tally)| {
        json!({
            "name": name,
            "requests": tally.requests,
            "records": tally.records,
            "bytes": tally.bytes,
            "unanswered": tally.unanswered,
            "latency": latency_value(&tally.latencies),
            "sent_late": latency_value(&tally.lags),
        })
    };
    json!({
        "name": phase.name,
        "seconds": outcome.seconds,
        "parts": phase.parts.iter().zip(&outcome.tallies).map(part).collect::<Vec<_>>(),
        "broker": outcome.broker.map(|broker| json!({
            "cpu_seconds": broker.cpu.as_secs_f64(),
            "memory_peak_bytes": broker.memory_peak,
            "written_bytes": broker.written,
            "read_bytes": broker.read,
        })),
        "progress": phase.seconds,
        "own_cpu_seconds": outcome.own_cpu.as_secs_f64(),
    })
}

fn latency_value(latencies: &Latencies) -> Value {
    let mut value = json!({"count": latencies.count()});
    for (name, share) in SHARES {
        value[name] = json!(micros(latencies.at(share)));
    }
    value["max_us"] = json!(micros(latencies.max()));
    let curve = latencies.curve().into_iter().map(|(share, latency)| json!([share, micros(latency)]));
    value["curve"] = Value::Array(curve.collect());
    value
}
