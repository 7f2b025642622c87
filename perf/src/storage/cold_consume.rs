//! Old records, read by a broker that holds none of them in memory, beside direct reads of the same disk.

use crate::broker::Millrace;
use crate::disk;
use crate::error::ClientError;
use crate::load::AtEnd;
use crate::measure::{Cell, Flow, Ratios, Table, median};
use crate::probe::DiskReadProbe;
use crate::suite::{Contender, POWER, Rig, Topic, VALUE_BYTES};

const PARTITIONS: i32 = 6;
const CONNECTIONS: usize = 3;
/// Read once in a round, and in no other round.
const ROUND_BYTES: u64 = 512 * 1024 * 1024;
const PROBE_SHARE: f64 = 0.8;
const TOPIC: &str = "old";

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = Millrace::start(&rig.settings("cold-consume")?)?;
    let settings = broker.settings.clone();
    let contender = Contender::of(&broker, "millrace", POWER);
    contender.create(TOPIC, PARTITIONS)?;
    Topic::new(&contender, TOPIC, PARTITIONS).fill(ROUND_BYTES * rig.rounds as u64)?;
    broker.stop()?;
    disk::evict(&settings.data_dir())?;
    let broker = Millrace::start(&settings)?;
    let contender = Contender::of(&broker, "millrace", POWER);
    let topic = Topic::new(&contender, TOPIC, PARTITIONS);
    let probe = DiskReadProbe::new(&rig.dir)?;
    let (mut flows, mut probes, mut depths) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rig.rounds {
        let best = probe.best(rig.slice)?;
        probes.push(best.bytes_per_second / 1e6);
        depths.push(best.depth.to_string());
        let ranges: Vec<(i64, i64)> =
            topic.ranges()?.iter().map(|whole| part(*whole, round, rig.rounds)).collect();
        let group = topic.consumers(CONNECTIONS, AtEnd::Stop, &ranges)?;
        flows.push(topic.run_out(vec![group])?);
    }
    let rates: Vec<f64> = flows.iter().map(|outcome| outcome.flow().megabytes_per_second()).collect();
    let costs = flows.iter().map(|outcome| outcome.flow()).map(|flow: Flow| flow.cpu_per_gigabyte());
    let read: u64 = flows.iter().filter_map(|outcome| outcome.broker).map(|broker| broker.read).sum();
    let consumed: u64 = flows.iter().map(|outcome| outcome.flow().bytes).sum();
    let mut table = Table::new(&["median", "MB/s", "broker CPU-s/GB", "bytes read per byte"]);
    let amplification = read as f64 / consumed as f64;
    table.row(vec![
        "millrace".into(),
        Cell::Number(median(rates.iter().copied()), 0),
        Cell::Number(median(costs), 2),
        Cell::Number(amplification, 2),
    ]);
    let ceiling = median(probes.iter().copied());
    table.row(vec!["direct reads of 1 MiB".into(), Cell::Number(ceiling, 0), Cell::Absent, Cell::Absent]);
    rig.report.table(&table);
    rig.report.note(&format!("best depths of the probe: {}", depths.join(", ")));
    let share = Ratios::of_rates(&rates, &probes);
    rig.report.ratio_at_least("cold consume to direct reads", &share, PROBE_SHARE);
    broker.kill()
}

/// The offsets of one of so many rounds.
fn part((begin, end): (i64, i64), round: usize, rounds: usize) -> (i64, i64) {
    let at = |round: usize| {
        let all = u128::try_from(end - begin).unwrap_or_default();
        begin + i64::try_from(all * round as u128 / rounds as u128).unwrap_or_default()
    };
    (at(round), at(round + 1))
}

const _: () = assert!(ROUND_BYTES > 100 * VALUE_BYTES as u64, "a round holds many records");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_share_a_log_without_gap() {
        let parts: Vec<(i64, i64)> = (0..3).map(|round| part((10, 110), round, 3)).collect();
        assert_eq!(parts, [(10, 43), (43, 76), (76, 110)]);
    }
}
