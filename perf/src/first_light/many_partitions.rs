//! Many partitions beside a hot one: does the journal stay as it is, does anything stall,
//! what does a restart read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::population::Population;
use crate::broker::Millrace;
use crate::client::{Connection, NewTopic, Pipeline, Produce, create_topics, log_ends, produce_frame};
use crate::clock;
use crate::disk;
use crate::error::ClientError;
use crate::measure::{Cell, Latencies, Table, Verdict, megabytes, millis};
use crate::probe::Pace;
use crate::suite::Rig;
use crate::suite::{BATCH_RECORDS, VALUE_BYTES, batch, one_record_each};

/// Of 1,000 partitions each.
const TOPICS: (usize, usize) = (10, 2);
/// The broker's default, and one that a short load fills several times.
const JOURNAL_MIB: (u64, u64) = (64, 16);
/// The hot partition takes this many journals' worth.
const JOURNALS_OF_LOAD: u64 = 5;
const HOT_IN_FLIGHT: usize = 4;
/// Small requests beside the load.
const SMALL_EVERY: Duration = Duration::from_millis(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Seconds that no answer may exceed; on a machine that others use, only what never comes is told apart.
const STALL_LIMIT: (f64, f64) = (1.0, 15.0);
/// Seconds for 10,000 partitions, or the quick run's 2,000.
const CREATE_LIMIT: (f64, f64) = (5.0, 10.0);
/// What a restart may read besides journals and checkpoints.
const FURTHER_READS_BYTES: u64 = 64 * 1024 * 1024;

/// What the load saw.
struct Load {
    hot: Latencies,
    small: Latencies,
    records: u64,
    seconds: f64,
    journal_least: u64,
    journal_most: u64,
}

pub(crate) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let mut settings = rig.settings("many-partitions")?;
    let journal = rig.scale.pick(JOURNAL_MIB.0, JOURNAL_MIB.1);
    settings.arguments.extend(["--set".to_owned(), format!("millrace.journal.bytes={journal}MiB")]);
    let broker = Millrace::start(&settings)?;
    let population = Population::new(rig.scale.pick(TOPICS.0, TOPICS.1));
    populate(rig, &broker, &population)?;
    let load = load(&broker, journal * 1024 * 1024 * JOURNALS_OF_LOAD)?;
    show_load(rig, &load, journal);
    let memory = broker.process().memory()?.all;
    rig.report.note(&format!("broker memory after the load: {:.1} MB", memory as f64 / 1e6));
    broker.kill()?;
    let journals = disk::allocated_bytes(&settings.data_dir().join("journal"), "");
    disk::evict(&settings.data_dir())?;
    let broker = Millrace::start(&settings)?;
    let read = broker.process().read_bytes()?;
    show_restart(rig, &broker, read, journals);
    let mut connection = Connection::open(broker.address)?;
    let census = population.count(&mut connection)?;
    let expected = population.partitions();
    let all = (census.ends_right, census.records_right) == (expected, expected);
    let value = format!("{} ends and {} records right", census.ends_right, census.records_right);
    rig.report.verdict("records after kill -9", Verdict::of(all), &value, &format!("{expected} of each"));
    let end = log_ends(&mut connection, &[("hot", 1)])?;
    let end = end.first().copied().unwrap_or_default();
    let verdict = Verdict::of(u64::try_from(end).is_ok_and(|end| end == load.records));
    let limit = format!("the {} acknowledged", load.records);
    rig.report.verdict("end of the hot partition after kill -9", verdict, &end.to_string(), &limit);
    broker.kill()
}

fn populate(rig: &mut Rig, broker: &Millrace, population: &Population) -> Result<(), ClientError> {
    let partitions = population.partitions();
    let empty = broker.process().memory()?.all;
    let mut connection = Connection::open(broker.address)?;
    let created = population.create(&mut connection)?;
    let settled = population.settle(broker.address)?;
    let each = broker.process().memory()?.all.saturating_sub(empty) / partitions as u64;
    let mut table = Table::new(&["partitions", "ms", "KiB each"]);
    table.row(vec![
        Cell::Text(format!("{partitions} created")),
        millis(created),
        Cell::Number(each as f64 / 1024.0, 1),
    ]);
    let sum: Duration = settled.iter().sum();
    table.row(vec!["first records, a request for 1,000".into(), millis(sum), Cell::Absent]);
    rig.report.table(&table);
    let limit = rig.scale.pick(CREATE_LIMIT.0, CREATE_LIMIT.1);
    rig.report.at_most(&format!("{partitions} partitions created"), created.as_secs_f64(), limit, " s");
    create_topics(&mut connection, &[NewTopic::new("hot", 1), NewTopic::new("small", 1)])
}

/// Batches to the hot partition, small requests to another, and looks at the journal's size, all at once.
fn load(broker: &Millrace, bytes: u64) -> Result<Load, ClientError> {
    let request_bytes = (BATCH_RECORDS * VALUE_BYTES) as u64;
    let requests = bytes.div_ceil(request_bytes);
    let frame = produce_frame("hot", &[(0, batch(BATCH_RECORDS, 11))])?;
    let mut hot = Pipeline::new(broker.address, vec![frame], HOT_IN_FLIGHT)?;
    let mut small = Produce::new(broker.address, one_record_each("small", 1, VALUE_BYTES)?)?;
    let journal = broker.settings.data_dir().join("journal");
    let done = AtomicBool::new(false);
    let begun = clock::now();
    let (hot, small, sizes) = thread::scope(|scope| {
        let small = scope.spawn(|| -> Result<Latencies, ClientError> {
            let mut latencies = Latencies::new();
            while !done.load(Ordering::Relaxed) {
                for taken in Pace::Every(SMALL_EVERY).run(LOOK_EVERY, || small.once())? {
                    latencies.record(taken);
                }
            }
            Ok(latencies)
        });
        let sizes = scope.spawn(|| {
            let mut sizes = vec![disk::allocated_bytes(&journal, "slot-")];
            while !done.load(Ordering::Relaxed) {
                clock::sleep(LOOK_EVERY);
                sizes.push(disk::allocated_bytes(&journal, "slot-"));
            }
            sizes
        });
        let hot = run_hot(&mut hot, requests);
        done.store(true, Ordering::Relaxed);
        (hot, small.join(), sizes.join())
    });
    let panicked = |_| ClientError::Usage("a loading thread panicked".to_owned());
    let sizes = sizes.map_err(panicked)?;
    let (hot, answers) = hot?;
    Ok(Load {
        hot,
        small: small.map_err(panicked)??,
        records: answers * BATCH_RECORDS as u64,
        seconds: (clock::now() - begun).as_secs_f64(),
        journal_least: sizes.iter().copied().min().unwrap_or_default(),
        journal_most: sizes.iter().copied().max().unwrap_or_default(),
    })
}

/// Latencies, and the number of batches that were acknowledged.
fn run_hot(hot: &mut Pipeline, requests: u64) -> Result<(Latencies, u64), ClientError> {
    let mut latencies = Latencies::new();
    for _ in 0..requests {
        latencies.record(hot.step()?);
    }
    let rest = hot.finish()?;
    Ok((latencies, requests + rest))
}

fn show_load(rig: &mut Rig, load: &Load, journal_mib: u64) {
    let mut table = Table::of_latencies();
    table.latencies("hot partition, 64 KiB, 4 in flight", &load.hot);
    table.latencies("small produces beside it", &load.small);
    rig.report.table(&table);
    let megabytes = (load.records * VALUE_BYTES as u64) as f64 / 1e6;
    let rate = megabytes / load.seconds;
    rig.report.note(&format!("hot load: {megabytes:.0} MB at {rate:.0} MB/s, journal of {journal_mib} MiB"));
    let constant = Verdict::of(load.journal_least == load.journal_most && load.journal_most > 0);
    let seen = format!("{:.1} to {:.1} MB", load.journal_least as f64 / 1e6, load.journal_most as f64 / 1e6);
    rig.report.verdict("journal size under load", constant, &seen, "constant");
    let limit = rig.scale.pick(STALL_LIMIT.0, STALL_LIMIT.1);
    rig.report.at_most("longest answer of the hot partition", load.hot.max().as_secs_f64(), limit, " s");
    rig.report.at_most("longest small produce beside it", load.small.max().as_secs_f64(), limit, " s");
}

fn show_restart(rig: &mut Rig, broker: &Millrace, read: u64, journals: u64) {
    let mut table = Table::new(&["restart after kill -9", "ms", "MB read", "MB journals and checkpoints"]);
    table.row(vec!["millrace".into(), millis(broker.started_in), megabytes(read), megabytes(journals)]);
    rig.report.table(&table);
    let limit = (journals + FURTHER_READS_BYTES) as f64 / 1e6;
    rig.report.at_most("bytes read by the restart", read as f64 / 1e6, limit, " MB");
}
