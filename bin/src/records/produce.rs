//! `millrace produce`: records from standard input.

use std::collections::BTreeMap;
use std::io::{BufReader, IsTerminal, Read, stdin};
use std::time::Duration;

use millrace_client::{Acks, ClientError, Cluster, Place};
use millrace_core::base::TimestampMs;
use millrace_core::log::{BatchBuilder, BatchRecord};
use serde_json::json;

use super::arguments::ProduceArguments;
use super::partitioner::place_of;
use super::reading::{self, NewRecord};
use crate::client::output::{self, Table, cell};
use crate::client::{Done, Stopwatch, complain, now_ms, places_of};

/// Records of one batch, before compression; a broker takes a batch of 1 MiB by default.
const BATCH_BYTES: usize = 512 * 1024;
/// Read at once; records that are there together go in one batch.
const READ_BYTES: usize = 256 * 1024;
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);

/// What a partition got.
#[derive(Default)]
struct Given {
    records: i64,
    bytes: usize,
    first: Option<i64>,
    last: Option<i64>,
}

struct Producing<'a> {
    cluster: &'a mut Cluster,
    arguments: &'a ProduceArguments,
    partitions: Vec<i32>,
    /// Of records without key and partition, changed with each batch.
    turn: usize,
    waiting: BTreeMap<Place, BatchBuilder>,
    given: BTreeMap<Place, Given>,
    said: Stopwatch,
}

pub(super) fn run(cluster: &mut Cluster, arguments: &ProduceArguments) -> Result<Done, ClientError> {
    let partitions = match places_of(cluster, &arguments.topic, arguments.partition.as_slice())? {
        Ok(_) => places_of(cluster, &arguments.topic, &[])?.unwrap_or_default(),
        Err(refusal) => {
            complain(&refusal);
            return Ok(Done::NotAll);
        }
    };
    let mut producing = Producing {
        cluster,
        arguments,
        partitions: partitions.into_iter().map(|place| place.partition).collect(),
        turn: 0,
        waiting: BTreeMap::new(),
        given: BTreeMap::new(),
        said: Stopwatch::start(),
    };
    let done = producing.send_all(&mut BufReader::with_capacity(READ_BYTES, stdin().lock()));
    if !arguments.quiet {
        producing.tell();
    }
    done
}

impl Producing<'_> {
    fn send_all(&mut self, input: &mut BufReader<impl Read>) -> Result<Done, ClientError> {
        let mut done = Done::All;
        loop {
            // Whoever types does not wait for more to be typed.
            if input.buffer().is_empty() && self.flush()? == Done::NotAll {
                return Ok(Done::NotAll);
            }
            let record = match reading::next(input, &self.arguments.format) {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => {
                    complain(&format!("standard input: {error}"));
                    done = Done::NotAll;
                    break;
                }
            };
            if self.push(record)? == Done::NotAll {
                return Ok(Done::NotAll);
            }
        }
        done = self.flush()?.and(done);
        if self.arguments.acks.acks() == Acks::None {
            self.cluster.settle()?;
        }
        Ok(done)
    }

    fn push(&mut self, record: NewRecord) -> Result<Done, ClientError> {
        let key = record.key.as_deref().or(self.arguments.key.as_deref().map(str::as_bytes));
        let partition = record.partition.or(self.arguments.partition).unwrap_or_else(|| {
            let place = key.map_or(self.turn, |key| place_of(key, self.partitions.len()));
            self.partitions.get(place % self.partitions.len().max(1)).copied().unwrap_or(0)
        });
        let own = record.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        let added =
            self.arguments.headers.iter().map(|(key, value)| (key.as_bytes(), Some(value.as_bytes())));
        let headers: Vec<(&[u8], Option<&[u8]>)> = own.chain(added).collect();
        let is_tombstone = |value: &&[u8]| self.arguments.tombstone && value.is_empty();
        let codec = self.arguments.compression.codec();
        let place = Place::new(self.arguments.topic.as_str(), partition);
        let batch = self.waiting.entry(place).or_insert_with(|| BatchBuilder::new(codec));
        batch.push(BatchRecord {
            timestamp: TimestampMs(record.timestamp_ms.unwrap_or_else(now_ms)),
            key,
            value: record.value.as_deref().filter(|value| !is_tombstone(value)),
            headers: &headers,
        });
        if batch.records_bytes() >= BATCH_BYTES { self.flush() } else { Ok(Done::All) }
    }

    /// Sends what waits, a batch for each partition.
    fn flush(&mut self) -> Result<Done, ClientError> {
        if self.waiting.is_empty() {
            return Ok(Done::All);
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.turn = self.turn.wrapping_add(1);
        let batches = waiting.iter().map(|(place, batch)| (place.clone(), batch.build().into())).collect();
        let mut done = Done::All;
        for (place, answer) in self.cluster.produce(&batches, self.arguments.acks.acks())? {
            let Some(batch) = waiting.get(&place) else { continue };
            match answer {
                Ok(first) => {
                    let given = self.given.entry(place).or_default();
                    let count = i64::from(batch.len());
                    given.records += count;
                    given.bytes += batch.records_bytes();
                    given.first = given.first.or(first);
                    given.last = first.map(|first| first + count - 1);
                }
                Err(refusal) => {
                    complain(&format!("{} record(s) for {place} are not stored: {refusal}", batch.len()));
                    done = Done::NotAll;
                }
            }
        }
        self.progress();
        Ok(done)
    }

    fn progress(&mut self) {
        let is_wanted = !self.arguments.quiet && std::io::stderr().is_terminal();
        if is_wanted && self.said.elapsed() >= PROGRESS {
            self.said = Stopwatch::start();
            let records: i64 = self.given.values().map(|given| given.records).sum();
            let bytes: usize = self.given.values().map(|given| given.bytes).sum();
            complain(&format!("{records} records, {bytes} bytes"));
        }
    }

    fn tell(&self) {
        if self.arguments.json {
            let object = |(place, given): (&Place, &Given)| {
                json!({
                    "topic": place.topic, "partition": place.partition, "records": given.records,
                    "bytes": given.bytes, "first": given.first, "last": given.last,
                })
            };
            return output::print(&output::lines(&self.given.iter().map(object).collect::<Vec<_>>()));
        }
        let mut table = Table::new(&["topic", "partition", "records", "first", "last"]);
        for (place, given) in &self.given {
            let numbers = [place.partition.to_string(), given.records.to_string()];
            let offsets = [cell(given.first), cell(given.last)];
            table.add([vec![place.topic.clone()], numbers.into(), offsets.into()].concat());
        }
        output::print(&table.text());
    }
}
