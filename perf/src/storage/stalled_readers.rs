//! Readers that ask for much and take nothing, while producers write as fast as they are answered.

use crate::broker::Millrace;
use crate::client::{Connection, Dialect, FetchPlace, fetch_frame};
use crate::error::ClientError;
use crate::measure::{Cell, Table};
use crate::suite::{Contender, POWER, Rig, Topic};

const READERS: usize = 100;
/// Requests of each; none of the answers is read.
const REQUESTS_EACH: usize = 4;
const PARTITIONS: i32 = 6;
const FETCH_BYTES: i32 = 4 * 1024 * 1024;
/// There before the readers ask.
const STORED_BYTES: u64 = 512 * 1024 * 1024;
const SLICES: u32 = 5;
/// Beyond the budget.
const BEYOND: f64 = 1.1;
const READ: &str = "read";
const WRITTEN: &str = "written";

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = Millrace::start(&rig.settings("stalled-readers")?)?;
    let contender = Contender::of(&broker, "millrace", POWER);
    contender.create(READ, PARTITIONS)?;
    contender.create(WRITTEN, PARTITIONS)?;
    Topic::new(&contender, READ, PARTITIONS).fill(STORED_BYTES)?;
    let topic = Topic::new(&contender, WRITTEN, PARTITIONS);
    let alone = topic.produce(rig.slice * SLICES)?;
    let readers = (0..READERS).map(|_| stall(&broker)).collect::<Result<Vec<_>, _>>()?;
    let beside = topic.produce(rig.slice * SLICES)?;
    drop(readers);
    let mut table = Table::new(&["full produce", "MB/s", "p99 ms", "peak MB"]);
    for (name, outcome) in [("alone", &alone), ("beside stalled readers", &beside)] {
        let p99 =
            outcome.tallies.first().map_or(f64::NAN, |tally| tally.latencies.at(0.99).as_secs_f64() * 1e3);
        let peak = outcome.broker.map_or(0, |broker| broker.memory_peak) as f64 / 1e6;
        let rate = outcome.flow().megabytes_per_second();
        table.row(vec![name.into(), Cell::Number(rate, 0), Cell::Number(p99, 1), Cell::Number(peak, 0)]);
    }
    rig.report.table(&table);
    // Of its whole life: also of moments between two looks.
    let peak = broker.process().memory_peak()? as f64 / 1e6;
    let name = format!("peak memory beside {READERS} readers that never drain");
    rig.report.at_most(&name, peak, broker.settings.budget_megabytes(BEYOND), " MB");
    broker.kill()
}

/// A connection whose answers stay in the broker, as far as the kernel's buffers do not take them.
fn stall(broker: &Millrace) -> Result<Connection, ClientError> {
    let mut connection = Connection::open(broker.address)?;
    let place = |partition| FetchPlace { partition, offset: 0, bytes_max: FETCH_BYTES };
    let places: Vec<FetchPlace> = (0..PARTITIONS).map(place).collect();
    let frame = fetch_frame(Dialect::NEWEST.fetch, READ, &places)?;
    for _ in 0..REQUESTS_EACH {
        connection.send(&frame)?;
    }
    Ok(connection)
}
