//! How much goes in, against the ceilings of disk and loopback at that moment, and against Kafka.

use std::time::Duration;

use crate::client::{Connection, delete_topics};
use crate::error::ClientError;
use crate::measure::{Cell, Flow, Ratios, Table, median};
use crate::probe::{disk_write_rate, loopback_rate};
use crate::suite::{Contender, KAFKA_DEFAULT, Rig, Topic};

const PARTITIONS: i32 = 6;
const SLICES: u32 = 3;
/// Of the lower of the two probes.
const PROBE_SHARE: f64 = 0.45;
/// Of Kafka's rate, and of its processor time for the same bytes.
const KAFKA_RATE: f64 = 2.0;
const KAFKA_COST: f64 = 0.5;

struct Subject {
    contender: Contender,
    flows: Vec<Flow>,
    own_cost: Vec<f64>,
}

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let millrace = rig.start_millrace("produce")?;
    let subject = |contender| Subject { contender, flows: Vec::new(), own_cost: Vec::new() };
    let mut subjects: Vec<Subject> = rig.contenders(millrace.as_ref()).into_iter().map(subject).collect();
    let (mut disk, mut loopback) = (Vec::new(), Vec::new());
    for round in 0..rig.rounds {
        disk.push(disk_write_rate(&rig.dir, rig.slice)? / 1e6);
        loopback.push(loopback_rate(rig.slice)? / 1e6);
        for subject in &mut subjects {
            one(subject, round, rig.slice * SLICES).map_err(ClientError::of(subject.contender.name))?;
        }
    }
    show(rig, &subjects, &disk, &loopback);
    let ceiling: Vec<f64> = disk.iter().zip(&loopback).map(|(disk, loopback)| disk.min(*loopback)).collect();
    judge(rig, &subjects, &ceiling);
    if let Some(broker) = &millrace {
        let peak = broker.process().memory_peak()? as f64 / 1e6;
        let limit = broker.settings.memory_limit_megabytes();
        rig.report.at_most("peak memory under full produce", peak, limit, " MB");
    }
    Ok(())
}

fn one(subject: &mut Subject, round: usize, length: Duration) -> Result<(), ClientError> {
    let contender = &subject.contender;
    let name = format!("produce-{round}-{}", contender.name.replace(' ', "-"));
    contender.create(&name, PARTITIONS)?;
    // What others left unwritten is not this one's.
    nix::unistd::sync();
    let outcome = Topic::new(contender, &name, PARTITIONS).produce(length)?;
    let own = Flow { cpu: outcome.own_cpu.as_secs_f64(), ..outcome.flow() };
    subject.flows.push(outcome.flow());
    subject.own_cost.push(own.cpu_per_gigabyte());
    delete_topics(&mut Connection::open(contender.address)?, &[&name])
}

fn rates(subject: &Subject) -> Vec<f64> {
    subject.flows.iter().map(Flow::megabytes_per_second).collect()
}

fn costs(subject: &Subject) -> Vec<f64> {
    subject.flows.iter().map(Flow::cpu_per_gigabyte).collect()
}

fn show(rig: &mut Rig, subjects: &[Subject], disk: &[f64], loopback: &[f64]) {
    let mut table = Table::new(&["median", "MB/s", "broker CPU-s/GB", "generator CPU-s/GB"]);
    for subject in subjects {
        table.row(vec![
            subject.contender.name.into(),
            Cell::Number(median(rates(subject)), 0),
            Cell::Number(median(costs(subject)), 2),
            Cell::Number(median(subject.own_cost.iter().copied()), 2),
        ]);
    }
    for (name, rates) in [("direct writes of 1 MiB", disk), ("loopback stream", loopback)] {
        let rate = Cell::Number(median(rates.iter().copied()), 0);
        table.row(vec![name.into(), rate, Cell::Absent, Cell::Absent]);
    }
    rig.report.table(&table);
}

fn judge(rig: &mut Rig, subjects: &[Subject], ceiling: &[f64]) {
    let kafka = subjects.iter().find(|subject| subject.contender.name == KAFKA_DEFAULT);
    for subject in subjects.iter().filter(|subject| subject.contender.name != KAFKA_DEFAULT) {
        let name = subject.contender.name;
        let of_probe = Ratios::of_rates(&rates(subject), ceiling);
        rig.report.ratio_at_least(&format!("{name} to the lower probe"), &of_probe, PROBE_SHARE);
        let Some(kafka) = kafka else { continue };
        let rate = Ratios::of_rates(&rates(subject), &rates(kafka));
        rig.report.ratio_at_least(&format!("{name} to {KAFKA_DEFAULT}, MB/s"), &rate, KAFKA_RATE);
        let cost = Ratios::of_rates(&costs(subject), &costs(kafka));
        rig.report.ratio_at_most(&format!("{name} to {KAFKA_DEFAULT}, CPU-s/GB"), &cost, KAFKA_COST);
    }
}
