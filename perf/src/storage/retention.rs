//! The 99th percentile of produce, open loop, to a topic that keeps all and to one whose oldest segments are
//! deleted.

use std::time::Duration;

use crate::broker::Millrace;
use crate::error::ClientError;
use crate::measure::{Latencies, Ratios, Table, Verdict};
use crate::suite::{Contender, POWER, Producers, Rig, Topic};

const PARTITIONS: i32 = 6;
const SLICES: u32 = 4;
/// Beside its own baseline.
const SLOWER_LIMIT: f64 = 1.5;
const KEPT: &str = "kept";
const DELETED: &str = "deleted";
/// Looked at often enough that every round deletes.
const CHECK_EVERY: &str = "log.retention.check.interval.ms=500";
/// At 50 MB/s over six partitions a segment rolls every other second in each.
const RETENTION: &[(&str, &str)] = &[
    ("millrace.durability", "power"),
    ("retention.bytes", "33554432"),
    ("segment.bytes", "16777216"),
    ("file.delete.delay.ms", "100"),
];

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let mut settings = rig.settings("retention")?;
    settings.arguments.extend(["--set".to_owned(), CHECK_EVERY.to_owned()]);
    let broker = Millrace::start(&settings)?;
    let kept = Contender::of(&broker, "millrace", POWER);
    let deleted = Contender::of(&broker, "millrace", RETENTION);
    kept.create(KEPT, PARTITIONS)?;
    deleted.create(DELETED, PARTITIONS)?;
    let (kept, deleted) = (Topic::new(&kept, KEPT, PARTITIONS), Topic::new(&deleted, DELETED, PARTITIONS));
    let length = rig.slice * SLICES;
    // Until there is something to delete.
    deleted.produce(length)?;
    let (mut alone, mut beside, mut deletions) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rig.rounds {
        alone.extend(steady(&kept, length)?);
        let before = first_offsets(&deleted)?;
        beside.extend(steady(&deleted, length)?);
        deletions += usize::from(first_offsets(&deleted)? > before);
    }
    let mut table = Table::of_latencies();
    table.latencies("keeping all", &Latencies::merged(&alone));
    table.latencies("while retention deletes", &Latencies::merged(&beside));
    rig.report.table(&table);
    let value = format!("{deletions} of {} rounds", rig.rounds);
    rig.report.verdict("rounds that deleted", Verdict::of(deletions == rig.rounds), &value, "all");
    let ratio = Ratios::of_percentiles(&beside, &alone, 0.99);
    rig.report.ratio_at_most("p99 while retention deletes to its own baseline", &ratio, SLOWER_LIMIT);
    broker.kill()
}

fn steady(topic: &Topic<'_>, length: Duration) -> Result<Option<Latencies>, ClientError> {
    let outcome = topic.run(vec![topic.producers(Producers::STEADY)?], length)?;
    Ok(outcome.tallies.first().map(|tally| tally.latencies.clone()))
}

/// Of all partitions together.
fn first_offsets(topic: &Topic<'_>) -> Result<i64, ClientError> {
    Ok(topic.ranges()?.iter().map(|(start, _)| start).sum())
}
