//! Ten thousand partitions: how fast they are there, what they keep in memory, how fast all of them are
//! written, and whether many clients at once stay inside the budget.

use std::time::Duration;

use bytes::Bytes;

use crate::broker::Millrace;
use crate::client::{Produce, encode_batch, produce_frame};
use crate::clock;
use crate::error::ClientError;
use crate::load::{AtEnd, Tally};
use crate::measure::{Cell, Flow, Ratios, Table, median, millis};
use crate::suite::{Contender, POWER, Producers, Rig, Topic};

/// Full, and in the quick run.
const PARTITIONS: (i32, i32) = (10_000, 2_000);
const FEW: i32 = 6;
const CREATED_WITHIN_SECONDS: f64 = 5.0;
const EACH_KIB: f64 = 16.0;
/// Of the rate with six partitions.
const RATE_SHARE: (f64, f64) = (0.6, 0.2);
const ROUNDS_MAX: usize = 3;
const SLICES: u32 = 3;
const CLIENTS: usize = 100;
/// What the producers among them get through at the least, of full produce to six partitions: each batch is
/// consumed at once, by a fetch that asks for a hundred partitions,
/// and all clients share the processors with the broker.
const SERVED_SHARE: (f64, f64) = (0.25, 0.05);
/// Of that the consumers among them read, at the logs' ends or behind them,
/// out of memory for a fraction of a second.
const FOLLOWED_SHARE: (f64, f64) = (0.25, 0.05);
/// Of the requests that bring a first record everywhere.
const PARTITIONS_PER_REQUEST: usize = 1000;
const MANY: &str = "many";
const SIX: &str = "six";

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = Millrace::start(&rig.settings("partitions")?)?;
    let contender = Contender::of(&broker, "millrace", POWER);
    let partitions = rig.scale.pick(PARTITIONS.0, PARTITIONS.1);
    let empty = broker.process().memory()?.all;
    let begun = clock::now();
    contender.create(MANY, partitions)?;
    let created = clock::now() - begun;
    let settled = settle(&contender, partitions)?;
    let each = broker.process().memory()?.all.saturating_sub(empty) as f64 / f64::from(partitions) / 1024.0;
    let mut table = Table::new(&["partitions", "ms", "KiB each"]);
    table.row(vec![Cell::Text(format!("{partitions} created")), millis(created), Cell::Absent]);
    table.row(vec!["with a record in each".into(), millis(settled), Cell::Number(each, 1)]);
    rig.report.table(&table);
    let name = format!("{partitions} partitions created");
    rig.report.at_most(&name, created.as_secs_f64(), CREATED_WITHIN_SECONDS, " s");
    rig.report.at_most("memory of each, with a record", each, EACH_KIB, " KiB");
    contender.create(SIX, FEW)?;
    let six = rates(rig, &contender, partitions)?;
    clients(rig, &broker, &contender, partitions, six)?;
    broker.kill()
}

/// Writes one record to each partition: how long that took.
fn settle(contender: &Contender, partitions: i32) -> Result<Duration, ClientError> {
    let record = Bytes::from(encode_batch(&[b"one record"], clock::wall_ms()));
    let all: Vec<(i32, Bytes)> = (0..partitions).map(|partition| (partition, record.clone())).collect();
    let begun = clock::now();
    for batches in all.chunks(PARTITIONS_PER_REQUEST) {
        Produce::new(contender.address, produce_frame(MANY, batches)?)?.once()?;
    }
    Ok(clock::now() - begun)
}

/// The same batches to all partitions in turn, and to six: the median rate of these.
fn rates(rig: &mut Rig, contender: &Contender, partitions: i32) -> Result<f64, ClientError> {
    let (mut many, mut six) = (Vec::new(), Vec::new());
    for _ in 0..rig.rounds.min(ROUNDS_MAX) {
        for (flows, topic, count) in [(&mut six, SIX, FEW), (&mut many, MANY, partitions)] {
            flows.push(Topic::new(contender, topic, count).produce(rig.slice * SLICES)?.flow());
        }
    }
    let rates = |flows: &[Flow]| flows.iter().map(Flow::megabytes_per_second).collect::<Vec<_>>();
    let costs = |flows: &[Flow]| flows.iter().map(Flow::cpu_per_gigabyte).collect::<Vec<_>>();
    let mut table = Table::new(&["produce, median", "MB/s", "broker CPU-s/GB"]);
    for (name, flows) in [("6 partitions".to_owned(), &six), (format!("{partitions} partitions"), &many)] {
        let (rate, cost) = (median(rates(flows)), median(costs(flows)));
        table.row(vec![Cell::Text(name), Cell::Number(rate, 0), Cell::Number(cost, 2)]);
    }
    rig.report.table(&table);
    let share = rig.scale.pick(RATE_SHARE.0, RATE_SHARE.1);
    let ratio = Ratios::of_rates(&rates(&many), &rates(&six));
    rig.report.ratio_at_least(&format!("{partitions} partitions to 6, MB/s"), &ratio, share);
    Ok(median(rates(&six)))
}

/// As many producers and consumers over all partitions at once, the consumers at the logs' ends; `six` is the
/// rate of full produce to six partitions.
fn clients(
    rig: &mut Rig,
    broker: &Millrace,
    contender: &Contender,
    partitions: i32,
    six: f64,
) -> Result<(), ClientError> {
    let topic = Topic::new(contender, MANY, partitions);
    let ends: Vec<(i64, i64)> = topic.ranges()?.iter().map(|(_, end)| (*end, i64::MAX)).collect();
    let producers = Producers { connections: CLIENTS, partitions_each: 1, in_flight: 1, ..Producers::FULL };
    let groups = vec![topic.producers(producers)?, topic.consumers(CLIENTS, AtEnd::Follow, &ends)?];
    let outcome = topic.run(groups, rig.slice * SLICES)?;
    let peak = outcome.broker.map_or(0, |broker| broker.memory_peak) as f64 / 1e6;
    let mut table = Table::new(&["at once", "MB/s", "p99 ms"]);
    let names = [format!("{CLIENTS} producers"), format!("{CLIENTS} consumers")];
    let rate_of = |tally: &Tally| tally.bytes as f64 / 1e6 / outcome.seconds;
    for (name, tally) in names.into_iter().zip(&outcome.tallies) {
        table.row(vec![Cell::Text(name), Cell::Number(rate_of(tally), 0), millis(tally.latencies.at(0.99))]);
    }
    let produced = outcome.tallies.first().map_or(0.0, rate_of);
    let consumed = outcome.tallies.last().map_or(0.0, rate_of);
    rig.report.table(&table);
    // A broker that serves nobody stays inside its memory too.
    let share = rig.scale.pick(SERVED_SHARE.0, SERVED_SHARE.1) * six;
    let name = format!("{CLIENTS} producers beside {CLIENTS} consumers");
    rig.report.at_least(&name, produced, share.round(), " MB/s");
    let share = rig.scale.pick(FOLLOWED_SHARE.0, FOLLOWED_SHARE.1) * produced;
    rig.report.at_least(&format!("{CLIENTS} consumers beside them"), consumed, share.round(), " MB/s");
    let name = format!("peak memory with {CLIENTS} producers and {CLIENTS} consumers");
    rig.report.at_most(&name, peak, broker.settings.budget_megabytes(1.0), " MB");
    Ok(())
}
