//! A round: one durable record to each of 100 partitions, in one request.

use std::time::Duration;

use super::turns::{Subject, TURNS, add, ratio};
use crate::broker::Process;
use crate::clock;
use crate::error::ClientError;
use crate::measure::{Latencies, Table};
use crate::probe::DsyncProbe;
use crate::suite::VALUE_BYTES;
use crate::suite::{MILLRACE_POWER, Rig};

const PARTITIONS: i32 = 100;
/// About the frame of a round of 1 KiB each: a multiple of 4 KiB costs more than one.
const LARGE_WRITE_BYTES: usize = 128 * 1024;
/// Of the median, to one write of 4 KiB.
const LIMIT: f64 = 4.0;
/// Time to finish what the load left, and time that is looked at then.
const REST_BEFORE: Duration = Duration::from_secs(2);
const REST: Duration = Duration::from_secs(2);
/// A little upkeep is fine; work that never ends is not.
const REST_PERCENT_LIMIT: f64 = 2.0;
const REST_WRITES_LIMIT: f64 = 1.0;
const SMALL_VALUE_BYTES: usize = 100;

pub(crate) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let millrace = rig.start_millrace("rounds")?;
    let mut device = DsyncProbe::new(&rig.dir)?;
    let mut large = DsyncProbe::of_size(&rig.dir, LARGE_WRITE_BYTES)?;
    let mut table = Table::of_latencies();
    for (kind, bytes) in [("1 KiB", VALUE_BYTES), ("100 B", SMALL_VALUE_BYTES)] {
        let mut subjects = Vec::new();
        for contender in rig.contenders(millrace.as_ref()) {
            let topic = format!("round-{bytes}-{}", contender.name.replace(' ', "-"));
            subjects.push(Subject::new(&contender, &topic, PARTITIONS, bytes)?);
        }
        let (mut floor, mut large_floor) = (Vec::new(), Vec::new());
        let length = rig.slice / TURNS;
        for round in (0..rig.rounds).flat_map(|round| (0..TURNS).map(move |_| round)) {
            for subject in &mut subjects {
                let pace = subject.turn(round, length)?;
                if subject.name == MILLRACE_POWER {
                    add(&mut floor, round, &pace.run(length, || device.once())?);
                    add(&mut large_floor, round, &pace.run(length, || large.once())?);
                }
            }
        }
        for subject in &subjects {
            table.latencies(&format!("{kind}, {}", subject.name), &Latencies::merged(&subject.rounds));
        }
        if let Some(power) = subjects.iter().find(|subject| subject.name == MILLRACE_POWER) {
            table.latencies(&format!("{kind}, DSYNC probe of 4 KiB, same pace"), &Latencies::merged(&floor));
            let write = format!("{kind}, DSYNC probe of 128 KiB, same pace");
            table.latencies(&write, &Latencies::merged(&large_floor));
            let name = format!("round of {PARTITIONS} partitions, {kind} each, p50 to the DSYNC probe");
            ratio(&mut rig.report, &name, &power.rounds, &floor, LIMIT);
        }
    }
    rig.report.table(&table);
    millrace.map_or(Ok(()), |broker| rest_after_load(rig, broker.process()))
}

/// Many short tails lie in the journal now; a broker that nobody asks anything leaves them there.
fn rest_after_load(rig: &mut Rig, process: Process) -> Result<(), ClientError> {
    clock::sleep(REST_BEFORE);
    let (written, used, begun) = (process.written_bytes()?, process.run_time(), clock::now());
    clock::sleep(REST);
    let seconds = (clock::now() - begun).as_secs_f64();
    let percent = process.run_time().saturating_sub(used).as_secs_f64() / seconds * 100.0;
    let rate = (process.written_bytes()? - written) as f64 / 1e6 / seconds;
    rig.report.at_most("processor at rest after the rounds", percent, REST_PERCENT_LIMIT, " %");
    rig.report.at_most("writes at rest after the rounds", rate, REST_WRITES_LIMIT, " MB/s");
    Ok(())
}
