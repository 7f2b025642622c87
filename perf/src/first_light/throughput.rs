//! How much goes in and comes back, and what the broker pays for it.

use crate::client::{Connection, delete_topics};
use crate::error::ClientError;
use crate::measure::{Cell, Flow, Ratios, Table, median};
use crate::probe::disk_write_rate;
use crate::suite::{Contender, KAFKA_DEFAULT, Rig, Topic};

const PARTITIONS: i32 = 6;
const ROUNDS_MAX: usize = 3;
const PRODUCE_SLICES: u32 = 2;

struct Subject {
    contender: Contender,
    produced: Vec<Flow>,
    consumed: Vec<Flow>,
}

pub(crate) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let millrace = rig.start_millrace("throughput")?;
    let subject = |contender| Subject { contender, produced: Vec::new(), consumed: Vec::new() };
    let mut subjects: Vec<Subject> = rig.contenders(millrace.as_ref()).into_iter().map(subject).collect();
    for round in 0..rig.rounds.min(ROUNDS_MAX) {
        for subject in &mut subjects {
            let contender = &subject.contender;
            let topic = format!("through-{round}-{}", contender.name.replace(' ', "-"));
            contender.create(&topic, PARTITIONS)?;
            // What others left unwritten is not this one's.
            nix::unistd::sync();
            let loaded = Topic::new(contender, &topic, PARTITIONS);
            let produced = loaded.produce(rig.slice * PRODUCE_SLICES);
            subject.produced.push(produced.map_err(ClientError::of(contender.name))?.flow());
            let consumed = loaded.consume_once();
            subject.consumed.push(consumed.map_err(ClientError::of(contender.name))?.flow());
            delete_topics(&mut Connection::open(contender.address)?, &[&topic])?;
        }
    }
    let device = disk_write_rate(&rig.dir, rig.slice)? / 1e6;
    rig.report.note(&format!("direct sequential writes of 1 MiB: {device:.0} MB/s"));
    show(rig, &subjects);
    if let Some(broker) = &millrace {
        let memory = broker.process().memory()?;
        let [own, shared] = [memory.anonymous, memory.shared].map(|bytes| bytes as f64 / 1e6);
        rig.report.note(&format!("{own:.0} MB of its own and {shared:.0} MB shared after the load"));
        let peak = broker.process().memory_peak()? as f64 / 1e6;
        rig.report.at_most("peak memory under load", peak, broker.settings.memory_limit_megabytes(), " MB");
    }
    Ok(())
}

fn show(rig: &mut Rig, subjects: &[Subject]) {
    let mut table =
        Table::new(&["median", "produce MB/s", "CPU-s/GB", "consume MB/s", "CPU-s/GB ", "peak MB"]);
    let rates = |flows: &[Flow]| flows.iter().map(Flow::megabytes_per_second).collect::<Vec<f64>>();
    let costs = |flows: &[Flow]| flows.iter().map(Flow::cpu_per_gigabyte).collect::<Vec<f64>>();
    for subject in subjects {
        let peak = subject.contender.process.memory_peak().unwrap_or_default();
        table.row(vec![
            subject.contender.name.into(),
            Cell::Number(median(rates(&subject.produced)), 0),
            Cell::Number(median(costs(&subject.produced)), 2),
            Cell::Number(median(rates(&subject.consumed)), 0),
            Cell::Number(median(costs(&subject.consumed)), 2),
            Cell::Number(peak as f64 / 1e6, 0),
        ]);
    }
    rig.report.table(&table);
    let Some(kafka) = subjects.iter().find(|subject| subject.contender.name == KAFKA_DEFAULT) else { return };
    for subject in subjects.iter().filter(|subject| subject.contender.name != KAFKA_DEFAULT) {
        let produce = Ratios::of_rates(&rates(&subject.produced), &rates(&kafka.produced)).show();
        let consume = Ratios::of_rates(&rates(&subject.consumed), &rates(&kafka.consumed)).show();
        let name = subject.contender.name;
        rig.report.note(&format!("{name} to {KAFKA_DEFAULT}: produce {produce}; consume {consume}"));
    }
}
