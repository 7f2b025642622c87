//! How much goes in and comes back, and what the broker pays for it.

use std::thread;
use std::time::Duration;

use super::bench::{Bench, Contender, KAFKA_DEFAULT};
use super::workload::{BATCH_RECORDS, VALUE_BYTES, batch};
use crate::client::{Connection, FetchPlace, Pipeline, delete_topics, fetch, log_ends, produce_frame};
use crate::clock;
use crate::failure::Failure;
use crate::measure::{Cell, Ratios, Table};
use crate::probe::disk_write_rate;

const CONNECTIONS: i32 = 3;
const PARTITIONS_PER_CONNECTION: i32 = 2;
const PARTITIONS: i32 = CONNECTIONS * PARTITIONS_PER_CONNECTION;
const IN_FLIGHT: usize = 4;
/// Different payloads in turn, so that no cache of the processor holds one.
const FRAMES: u64 = 4;
const ROUNDS_MAX: usize = 3;
const PRODUCE_SLICES: u32 = 2;
/// The default of consumers (`max.partition.fetch.bytes`).
const FETCH_BYTES: i32 = 1024 * 1024;
/// Where the number of the last record stands in a batch, and where the length.
const LENGTH_AT: usize = 8;
const COUNTED_AT: usize = 12;
const LAST_DELTA_AT: usize = 23;

/// Bytes of values in some time.
#[derive(Debug, Clone, Copy)]
struct Flow {
    bytes: u64,
    seconds: f64,
    /// Processor seconds of the broker.
    cpu: f64,
}

impl Flow {
    fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds
    }

    fn cpu_per_gigabyte(&self) -> f64 {
        self.cpu / (self.bytes as f64 / 1e9)
    }
}

struct Subject {
    contender: Contender,
    produced: Vec<Flow>,
    consumed: Vec<Flow>,
}

pub(crate) fn take(bench: &mut Bench) -> Result<(), Failure> {
    let millrace = bench.start_millrace("throughput")?;
    let subject = |contender| Subject { contender, produced: Vec::new(), consumed: Vec::new() };
    let mut subjects: Vec<Subject> = bench.contenders(millrace.as_ref()).into_iter().map(subject).collect();
    for round in 0..bench.rounds.min(ROUNDS_MAX) {
        for subject in &mut subjects {
            let contender = &subject.contender;
            let topic = format!("through-{round}-{}", contender.name.replace(' ', "-"));
            contender.create(&topic, PARTITIONS)?;
            // What others left unwritten is not this one's.
            nix::unistd::sync();
            let produced = produce(contender, &topic, bench.slice * PRODUCE_SLICES);
            subject.produced.push(produced.map_err(Failure::of(contender.name))?);
            subject.consumed.push(consume(contender, &topic).map_err(Failure::of(contender.name))?);
            delete_topics(&mut Connection::open(contender.address)?, &[&topic])?;
        }
    }
    let device = disk_write_rate(&bench.dir, bench.slice)? / 1e6;
    bench.report.note(&format!("direct sequential writes of 1 MiB: {device:.0} MB/s"));
    show(bench, &subjects);
    if let Some(broker) = &millrace {
        let memory = broker.process().memory()?;
        let [own, shared] = [memory.anonymous, memory.shared].map(|bytes| bytes as f64 / 1e6);
        bench.report.note(&format!("{own:.0} MB of its own and {shared:.0} MB shared after the load"));
        let peak = broker.process().memory_peak()? as f64 / 1e6;
        bench.report.at_most("peak memory under load", peak, broker.settings.memory_limit_megabytes(), " MB");
    }
    Ok(())
}

fn show(bench: &mut Bench, subjects: &[Subject]) {
    let mut table =
        Table::new(&["median", "produce MB/s", "CPU-s/GB", "consume MB/s", "CPU-s/GB ", "peak MB"]);
    let rates = |flows: &[Flow]| flows.iter().map(Flow::megabytes_per_second).collect::<Vec<f64>>();
    let costs = |flows: &[Flow]| flows.iter().map(Flow::cpu_per_gigabyte).collect::<Vec<f64>>();
    for subject in subjects {
        let peak = subject.contender.process.memory_peak().unwrap_or_default();
        table.row(vec![
            subject.contender.name.into(),
            Cell::Number(median(&rates(&subject.produced)), 0),
            Cell::Number(median(&costs(&subject.produced)), 2),
            Cell::Number(median(&rates(&subject.consumed)), 0),
            Cell::Number(median(&costs(&subject.consumed)), 2),
            Cell::Number(peak as f64 / 1e6, 0),
        ]);
    }
    bench.report.table(&table);
    let Some(kafka) = subjects.iter().find(|subject| subject.contender.name == KAFKA_DEFAULT) else { return };
    for subject in subjects.iter().filter(|subject| subject.contender.name != KAFKA_DEFAULT) {
        let produce = Ratios::of_rates(&rates(&subject.produced), &rates(&kafka.produced)).show();
        let consume = Ratios::of_rates(&rates(&subject.consumed), &rates(&kafka.consumed)).show();
        let name = subject.contender.name;
        bench.report.note(&format!("{name} to {KAFKA_DEFAULT}: produce {produce}; consume {consume}"));
    }
}

fn median(values: &[f64]) -> f64 {
    Ratios::of_rates(values, &vec![1.0; values.len()]).median()
}

/// Runs a thread for each connection: the bytes of all, the time of all, the broker's processor time.
fn measured<F>(contender: &Contender, work: F) -> Result<Flow, Failure>
where
    F: Fn(i32) -> Result<u64, Failure> + Sync,
{
    let before = contender.process.cpu_time()?;
    let begun = clock::now();
    let parts = thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..CONNECTIONS).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let seconds = (clock::now() - begun).as_secs_f64();
    let cpu = (contender.process.cpu_time()? - before).as_secs_f64();
    let mut bytes = 0;
    for part in parts {
        bytes += part.map_err(|_| Failure::Usage("a loading thread panicked".to_owned()))??;
    }
    Ok(Flow { bytes, seconds, cpu })
}

fn own_partitions(connection: i32) -> impl Iterator<Item = i32> {
    let first = connection * PARTITIONS_PER_CONNECTION;
    first..first + PARTITIONS_PER_CONNECTION
}

fn produce(contender: &Contender, topic: &str, length: Duration) -> Result<Flow, Failure> {
    let batches: Vec<_> = (0..FRAMES).map(|seed| batch(BATCH_RECORDS, seed)).collect();
    let pipeline = |number| {
        let frame = |batch: &bytes::Bytes| {
            let batches: Vec<_> =
                own_partitions(number).map(|partition| (partition, batch.clone())).collect();
            produce_frame(topic, &batches)
        };
        Pipeline::new(contender.address, batches.iter().map(frame).collect::<Result<_, _>>()?, IN_FLIGHT)
    };
    let request_bytes =
        (BATCH_RECORDS * VALUE_BYTES) as u64 * u64::from(PARTITIONS_PER_CONNECTION.unsigned_abs());
    measured(contender, |number| {
        let mut pipeline = pipeline(number)?;
        let (end, mut answers) = (clock::now() + length, 0);
        while clock::now() < end {
            pipeline.step()?;
            answers += 1;
        }
        Ok((answers + pipeline.finish()?) * request_bytes)
    })
}

/// Reads the whole topic, each connection its own partitions.
fn consume(contender: &Contender, topic: &str) -> Result<Flow, Failure> {
    let mut connection = Connection::open(contender.address)?;
    let ends = log_ends(&mut connection, &[(topic, PARTITIONS)])?;
    measured(contender, |number| {
        let mut connection = Connection::open(contender.address)?;
        let mut places: Vec<FetchPlace> = own_partitions(number)
            .map(|partition| FetchPlace { partition, offset: 0, bytes_max: FETCH_BYTES })
            .collect();
        let end = |place: &FetchPlace| {
            ends.get(place.partition.unsigned_abs() as usize).copied().unwrap_or_default()
        };
        let mut records = 0;
        loop {
            let open: Vec<FetchPlace> =
                places.iter().copied().filter(|place| place.offset < end(place)).collect();
            if open.is_empty() {
                return Ok(records * VALUE_BYTES as u64);
            }
            fetch(&mut connection, topic, &open, |partition, batches| {
                let place = places.iter_mut().find(|place| place.partition == partition);
                if let (Some(place), Some(next)) = (place, next_offset(batches)) {
                    records += u64::try_from(next - place.offset).unwrap_or_default();
                    place.offset = next;
                }
            })?;
        }
    })
}

/// The offset behind the last whole batch.
fn next_offset(mut batches: &[u8]) -> Option<i64> {
    let mut next = None;
    while let Some((size, end)) = first_batch(batches) {
        next = Some(end);
        batches = &batches[size..];
    }
    next
}

/// Size of the first batch and the offset behind it; `None` if it is not there whole.
fn first_batch(batches: &[u8]) -> Option<(usize, i64)> {
    let length = u32::from_be_bytes(*batches.get(LENGTH_AT..)?.first_chunk()?);
    let size = COUNTED_AT + usize::try_from(length).ok()?;
    let base = i64::from_be_bytes(*batches.first_chunk()?);
    let delta = i32::from_be_bytes(*batches.get(LAST_DELTA_AT..)?.first_chunk()?);
    (size <= batches.len()).then_some((size, base + i64::from(delta) + 1))
}
