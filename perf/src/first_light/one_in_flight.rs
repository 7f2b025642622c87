//! The time of one answer, beside the floor of the device and of the loopback at the same pace.

use super::placed;
use super::turns::{Subject, TURNS, add, ratio};
use crate::error::ClientError;
use crate::measure::{Latencies, Report, Table};
use crate::probe::{DsyncProbe, Pace, PingPong};
use crate::suite::VALUE_BYTES;
use crate::suite::{Contender, KAFKA_DEFAULT, MILLRACE_POWER, MILLRACE_PROCESS, PROCESS, Rig};

/// Of the median.
const POWER_LIMIT: f64 = 3.0;
const KAFKA_LIMIT: f64 = 1.0;
/// Part of a turn in which probes run as fast as they can, for orientation.
const BACK_TO_BACK: u32 = 4;

/// What a machine can do at best, round by round.
#[derive(Default)]
struct Floors {
    device: Vec<Latencies>,
    loopback: Vec<Latencies>,
    device_back_to_back: Vec<Latencies>,
    loopback_back_to_back: Vec<Latencies>,
}

pub(crate) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let millrace = rig.start_millrace("one-in-flight")?;
    let mut subjects = Vec::new();
    for contender in rig.contenders(millrace.as_ref()) {
        let topic = format!("one-{}", contender.name.replace(' ', "-"));
        subjects.push(Subject::new(&contender, &topic, 1, VALUE_BYTES)?);
    }
    let mut device = DsyncProbe::new(&rig.dir)?;
    let mut loopback = PingPong::new()?;
    let mut floors = Floors::default();
    let length = rig.slice / TURNS;
    for round in (0..rig.rounds).flat_map(|round| (0..TURNS).map(move |_| round)) {
        for subject in &mut subjects {
            let pace = subject.turn(round, length)?;
            match subject.name {
                MILLRACE_POWER => add(&mut floors.device, round, &pace.run(length, || device.once())?),
                MILLRACE_PROCESS => add(&mut floors.loopback, round, &pace.run(length, || loopback.once())?),
                _ => {}
            }
        }
        let short = length / BACK_TO_BACK;
        let taken = Pace::BackToBack.run(short, || device.once())?;
        add(&mut floors.device_back_to_back, round, &taken);
        let taken = Pace::BackToBack.run(short, || loopback.once())?;
        add(&mut floors.loopback_back_to_back, round, &taken);
    }
    show(&mut rig.report, &subjects, &floors);
    let broker = millrace.map(|broker| (Contender::of(&broker, MILLRACE_PROCESS, PROCESS), broker));
    broker.map_or(Ok(()), |(contender, _broker)| placed::take(rig, &contender))
}

fn show(report: &mut Report, subjects: &[Subject], floors: &Floors) {
    let mut table = Table::of_latencies();
    for subject in subjects {
        table.latencies(subject.name, &Latencies::merged(&subject.rounds));
        match subject.name {
            MILLRACE_POWER => table.latencies("  DSYNC probe, same pace", &Latencies::merged(&floors.device)),
            MILLRACE_PROCESS => {
                table.latencies("  ping-pong, same pace", &Latencies::merged(&floors.loopback))
            }
            _ => {}
        }
    }
    table.latencies("DSYNC probe, back to back", &Latencies::merged(&floors.device_back_to_back));
    table.latencies("ping-pong, back to back", &Latencies::merged(&floors.loopback_back_to_back));
    report.table(&table);
    let rounds = |name| subjects.iter().find(|subject| subject.name == name).map(|subject| &subject.rounds);
    if let Some(power) = rounds(MILLRACE_POWER) {
        ratio(report, "power p50 to the DSYNC probe", power, &floors.device, POWER_LIMIT);
    }
    if let (Some(process), Some(kafka)) = (rounds(MILLRACE_PROCESS), rounds(KAFKA_DEFAULT)) {
        ratio(report, "process p50 to Kafka's default", process, kafka, KAFKA_LIMIT);
    }
}
