//! The 99th percentile of produce, open loop, alone and while a consumer reads old records as fast as it can.

use std::time::Duration;

use crate::clock;
use crate::disk;
use crate::error::ClientError;
use crate::load::{AtEnd, Outcome};
use crate::measure::{Cell, Latencies, Ratios, Table};
use crate::suite::{Contender, KAFKA_DEFAULT, MILLRACE_PROCESS, Producers, Rig, Topic};

const PARTITIONS: i32 = 6;
/// More than the memory of these suites holds, so that each pass reads the disk again.
const OLD_BYTES: u64 = 1536 * 1024 * 1024;
const SLICES: u32 = 8;
/// After the old records were written: the baseline is not to pay for them.
const SETTLE: Duration = Duration::from_secs(3);
/// Beside its own baseline.
const SLOWER_LIMIT: f64 = 1.5;
const OLD: &str = "old";
const LIVE: &str = "live";

struct Subject {
    contender: Contender,
    alone: Vec<Latencies>,
    beside: Vec<Latencies>,
    read: Vec<f64>,
}

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let millrace = rig.start_millrace("cold-reader")?;
    let mut contenders = rig.contenders(millrace.as_ref());
    contenders.retain(|contender| contender.name != MILLRACE_PROCESS);
    let mut subjects = Vec::new();
    for contender in contenders {
        contender.create(OLD, PARTITIONS)?;
        contender.create(LIVE, PARTITIONS)?;
        Topic::new(&contender, OLD, PARTITIONS).fill(OLD_BYTES)?;
        subjects.push(Subject { contender, alone: Vec::new(), beside: Vec::new(), read: Vec::new() });
    }
    clock::sleep(SETTLE);
    for _ in 0..rig.rounds {
        for subject in &mut subjects {
            // A reader finds the page cache empty, as one of much older records does,
            // and the device no writes of others.
            disk::evict(&rig.dir)?;
            round(rig, subject).map_err(ClientError::of(subject.contender.name))?;
        }
    }
    show(rig, &subjects);
    Ok(())
}

fn round(rig: &Rig, subject: &mut Subject) -> Result<(), ClientError> {
    let (old, live) =
        (Topic::new(&subject.contender, OLD, PARTITIONS), Topic::new(&subject.contender, LIVE, PARTITIONS));
    let length = rig.slice * SLICES;
    let latencies = |outcome: &Outcome| outcome.tallies.first().map(|tally| tally.latencies.clone());
    let alone = live.run(vec![live.producers(Producers::STEADY)?], length)?;
    subject.alone.extend(latencies(&alone));
    let reader = old.consumers(1, AtEnd::Rewind, &old.ranges()?)?;
    let beside = live.run(vec![live.producers(Producers::STEADY)?, reader], length)?;
    subject.beside.extend(latencies(&beside));
    let read = beside.tallies.last().map_or(0, |tally| tally.bytes) as f64 / 1e6 / beside.seconds;
    subject.read.push(read);
    Ok(())
}

fn show(rig: &mut Rig, subjects: &[Subject]) {
    let mut table = Table::of_latencies();
    let mut readers = Table::new(&["cold reader, by round", "MB/s least", "most"]);
    for subject in subjects {
        let name = subject.contender.name;
        for (what, rounds) in [("alone", &subject.alone), ("beside a reader", &subject.beside)] {
            table.latencies(&format!("{name}, {what}"), &Latencies::merged(rounds));
        }
        let least = subject.read.iter().copied().fold(f64::INFINITY, f64::min);
        let most = subject.read.iter().copied().fold(0.0, f64::max);
        readers.row(vec![name.into(), Cell::Number(least, 0), Cell::Number(most, 0)]);
    }
    rig.report.table(&table);
    rig.report.table(&readers);
    for subject in subjects {
        let ratio = Ratios::of_percentiles(&subject.beside, &subject.alone, 0.99);
        let name = format!("{}, p99 beside a cold reader to its own baseline", subject.contender.name);
        match subject.contender.name {
            KAFKA_DEFAULT => rig.report.note(&format!("{name}: {}", ratio.show())),
            _ => rig.report.ratio_at_most(&name, &ratio, SLOWER_LIMIT),
        }
    }
}
