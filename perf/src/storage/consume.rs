//! What was just written, read again and again: from memory, as far as the broker keeps it there.

use crate::error::ClientError;
use crate::load::AtEnd;
use crate::measure::{Cell, Flow, Ratios, Table, median};
use crate::suite::{Contender, KAFKA_DEFAULT, MILLRACE_PROCESS, Rig, Topic};

const PARTITIONS: i32 = 6;
const CONNECTIONS: usize = 3;
/// A quarter of the default memory of these suites.
const RESIDENT_BYTES: u64 = 64 * 1024 * 1024;
const SLICES: u32 = 2;
const KAFKA_RATE: f64 = 1.0;
const KAFKA_COST: f64 = 1.5;
const TOPIC: &str = "resident";

struct Subject {
    contender: Contender,
    flows: Vec<Flow>,
    /// Bytes read from the device, of those consumed.
    from_device: Vec<f64>,
}

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let millrace = rig.start_millrace("consume")?;
    let mut contenders = rig.contenders(millrace.as_ref());
    // Reading does not depend on when the writer was answered.
    contenders.retain(|contender| contender.name != MILLRACE_PROCESS);
    let mut subjects = Vec::new();
    for contender in contenders {
        contender.create(TOPIC, PARTITIONS)?;
        Topic::new(&contender, TOPIC, PARTITIONS).fill(RESIDENT_BYTES)?;
        subjects.push(Subject { contender, flows: Vec::new(), from_device: Vec::new() });
    }
    for _ in 0..rig.rounds {
        for subject in &mut subjects {
            let topic = Topic::new(&subject.contender, TOPIC, PARTITIONS);
            let group = topic.consumers(CONNECTIONS, AtEnd::Rewind, &topic.ranges()?)?;
            let outcome = topic.run(vec![group], rig.slice * SLICES)?;
            let read = outcome.broker.map_or(0, |broker| broker.read) as f64;
            subject.from_device.push(read / outcome.flow().bytes as f64 * 100.0);
            subject.flows.push(outcome.flow());
        }
    }
    show(rig, &subjects);
    Ok(())
}

fn show(rig: &mut Rig, subjects: &[Subject]) {
    let rates = |subject: &Subject| subject.flows.iter().map(Flow::megabytes_per_second).collect::<Vec<_>>();
    let costs = |subject: &Subject| subject.flows.iter().map(Flow::cpu_per_gigabyte).collect::<Vec<_>>();
    let mut table = Table::new(&["median", "MB/s", "broker CPU-s/GB", "% read from the device"]);
    for subject in subjects {
        table.row(vec![
            subject.contender.name.into(),
            Cell::Number(median(rates(subject)), 0),
            Cell::Number(median(costs(subject)), 2),
            Cell::Number(median(subject.from_device.iter().copied()), 1),
        ]);
    }
    rig.report.table(&table);
    let is_kafka = |subject: &&Subject| subject.contender.name == KAFKA_DEFAULT;
    let kafka = subjects.iter().find(is_kafka);
    let millrace = subjects.iter().find(|subject| !is_kafka(subject));
    if let (Some(millrace), Some(kafka)) = (millrace, kafka) {
        let rate = Ratios::of_rates(&rates(millrace), &rates(kafka));
        rig.report.ratio_at_least(&format!("consume to {KAFKA_DEFAULT}, MB/s"), &rate, KAFKA_RATE);
        let cost = Ratios::of_rates(&costs(millrace), &costs(kafka));
        rig.report.ratio_at_most(&format!("consume to {KAFKA_DEFAULT}, CPU-s/GB"), &cost, KAFKA_COST);
    }
}
