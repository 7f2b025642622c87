//! A round: one durable record to each of 100 partitions, in one request.

use super::bench::{Bench, MILLRACE_POWER};
use super::one_in_flight::{Subject, merged, ratio};
use super::workload::VALUE_BYTES;
use crate::failure::Failure;
use crate::measure::{Latencies, Table};
use crate::probe::DsyncProbe;

const PARTITIONS: i32 = 100;
/// Of the median, to one write of 4 KiB.
const LIMIT: f64 = 4.0;
const SMALL_VALUE_BYTES: usize = 100;

pub(crate) fn take(bench: &mut Bench) -> Result<(), Failure> {
    let millrace = bench.start_millrace("rounds")?;
    let mut device = DsyncProbe::new(&bench.dir)?;
    let mut table = Table::of_latencies();
    for (kind, bytes) in [("1 KiB", VALUE_BYTES), ("100 B", SMALL_VALUE_BYTES)] {
        let mut subjects = Vec::new();
        for contender in bench.contenders(millrace.as_ref()) {
            let topic = format!("round-{bytes}-{}", contender.name.replace(' ', "-"));
            subjects.push(Subject::new(&contender, &topic, PARTITIONS, bytes)?);
        }
        let mut floor: Vec<Latencies> = Vec::new();
        for _ in 0..bench.rounds {
            for subject in &mut subjects {
                let pace = subject.round(bench.slice)?;
                if subject.name == MILLRACE_POWER {
                    floor.push(Latencies::of(&pace.run(bench.slice, || device.once())?));
                }
            }
        }
        for subject in &subjects {
            table.latencies(&format!("{kind}, {}", subject.name), &merged(&subject.rounds));
        }
        if let Some(power) = subjects.iter().find(|subject| subject.name == MILLRACE_POWER) {
            table.latencies(&format!("{kind}, DSYNC probe of 4 KiB, same pace"), &merged(&floor));
            let name = format!("round of {PARTITIONS} partitions, {kind} each, p50 to the DSYNC probe");
            ratio(&mut bench.report, &name, &power.rounds, &floor, LIMIT);
        }
    }
    bench.report.table(&table);
    Ok(())
}
