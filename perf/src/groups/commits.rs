//! The 99th percentile of produce, open loop, alone and while a thousand groups commit.

use std::time::Duration;

use super::population;
use crate::error::ClientError;
use crate::load::{CommitLoad, Group};
use crate::measure::{Latencies, Ratios, Table, median};
use crate::suite::{Contender, POWER, Producers, Rig, Topic};

const PARTITIONS: i32 = 6;
const SLICES: u32 = 4;
const GROUPS: usize = 1_000;
/// A connection serves one commit after another, and each waits for the disk.
const CONNECTIONS: usize = 100;
const IN_FLIGHT: usize = 64;
const COMMITS_PER_SECOND: f64 = 20_000.0;
/// Of these commits: beside fewer the latency would say something else.
const ANSWERED_SHARE: f64 = 0.95;
/// Beside its own baseline.
const SLOWER_LIMIT: f64 = 1.3;
const LIVE: &str = "live";

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = population::start(&rig.settings("commits")?, 1)?;
    let contender = Contender::of(&broker, "millrace", POWER);
    contender.create(LIVE, PARTITIONS)?;
    let topic = Topic::new(&contender, LIVE, PARTITIONS);
    let groups = population::named("group", GROUPS);
    let load = CommitLoad {
        topic: population::TOPIC,
        groups: &groups,
        in_flight: IN_FLIGHT,
        commits_per_second: COMMITS_PER_SECOND,
    };
    let length: Duration = rig.slice * SLICES;
    // The first lap of the journal waits for slots that are zeroed just ahead of it.
    topic.produce(rig.slice * SLICES)?;
    let (mut alone, mut beside, mut late) = (Vec::new(), Vec::new(), Vec::new());
    let (mut commits, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..rig.rounds {
        let outcome = topic.run(vec![topic.producers(Producers::STEADY)?], length)?;
        alone.extend(outcome.tallies.first().map(|tally| tally.latencies.clone()));
        let committers = Group::committers(&load, broker.address, CONNECTIONS)?;
        let outcome = topic.run(vec![topic.producers(Producers::STEADY)?, committers], length)?;
        beside.extend(outcome.tallies.first().map(|tally| tally.latencies.clone()));
        late.extend(outcome.tallies.first().map(|tally| tally.lags.clone()));
        commits.extend(outcome.tallies.last().map(|tally| tally.latencies.clone()));
        rates.extend(outcome.tallies.last().map(|tally| tally.requests as f64 / outcome.seconds));
    }
    let mut table = Table::of_latencies();
    table.latencies("produce, alone", &Latencies::merged(&alone));
    table.latencies("produce, beside commits", &Latencies::merged(&beside));
    table.latencies("  of it before it was sent", &Latencies::merged(&late));
    table.latencies("commits", &Latencies::merged(&commits));
    rig.report.table(&table);
    let rate = median(rates.iter().copied());
    let wanted = COMMITS_PER_SECOND * ANSWERED_SHARE;
    rig.report.at_least(&format!("commits answered for {GROUPS} groups"), rate.round(), wanted, " a second");
    let ratio = Ratios::of_percentiles(&beside, &alone, 0.99);
    rig.report.ratio_at_most("produce p99 beside commits to its own baseline", &ratio, SLOWER_LIMIT);
    broker.kill()
}
