//! `millrace consume`: records of partitions, from a position on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use millrace_client::{ClientError, Cluster, ErrorCode, FetchLimits, Fetched, LogOffset, Place};
use millrace_core::log::BatchFault;

use super::arguments::ConsumeArguments;
use super::batches;
use crate::client::{Done, Logs, complain, output, places_of};

pub(super) const LIMITS: FetchLimits =
    FetchLimits { wait_ms: 500, partition_bytes: 1024 * 1024, answer_bytes: 32 * 1024 * 1024 };

/// Partitions that are read.
struct Reading {
    /// The next offset of each.
    next: BTreeMap<Place, i64>,
    /// The offset at which each ends, where they do.
    stops: BTreeMap<Place, i64>,
    /// Records that may still be printed.
    left: u64,
}

pub(super) fn run(cluster: &mut Cluster, arguments: &ConsumeArguments) -> Result<Done, ClientError> {
    let mut reading = match begin(cluster, arguments)? {
        Ok(reading) => reading,
        Err(refusal) => {
            complain(&refusal);
            return Ok(Done::NotAll);
        }
    };
    reading.drop_finished();
    while reading.left > 0 && !reading.next.is_empty() {
        for (place, answer) in cluster.fetch(&reading.next, LIMITS)? {
            match answer {
                Ok(fetched) => {
                    let mut out = Vec::new();
                    let read = reading.take(&place, &fetched, arguments, &mut out);
                    output::print_bytes(&out);
                    read.map_err(|fault| ClientError::Broker(format!("{place}: {fault}")))?;
                }
                Err(refusal) if refusal.is(ErrorCode::OffsetOutOfRange) => {
                    let starts =
                        cluster.log_offsets(&BTreeSet::from([place.clone()]), LogOffset::Earliest)?;
                    let start = starts.get(&place).copied().flatten().unwrap_or_default();
                    complain(&format!("{place}: the log begins later now, so {start} is taken"));
                    reading.next.insert(place, start);
                }
                Err(refusal) => {
                    complain(&format!("{place}: {refusal}"));
                    return Ok(Done::NotAll);
                }
            }
        }
        reading.drop_finished();
    }
    Ok(Done::All)
}

fn begin(
    cluster: &mut Cluster,
    arguments: &ConsumeArguments,
) -> Result<Result<Reading, String>, ClientError> {
    let mut places = BTreeSet::new();
    for topic in &arguments.topics {
        match places_of(cluster, topic, &arguments.partitions)? {
            Ok(found) => places.extend(found),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    let positions: Vec<_> = [Some(arguments.offset), arguments.until].into_iter().flatten().collect();
    let logs = Logs::read(cluster, &places, &positions)?;
    Ok(reading(&logs, places, arguments))
}

fn reading(logs: &Logs, places: BTreeSet<Place>, arguments: &ConsumeArguments) -> Result<Reading, String> {
    let left = arguments.num.unwrap_or(u64::MAX);
    let mut reading = Reading { next: BTreeMap::new(), stops: BTreeMap::new(), left };
    for place in places {
        let begin = logs.seek(&place, arguments.offset)?;
        if let Some(note) = begin.note {
            complain(&format!("{place}: {note}, so {} is taken", begin.offset));
        }
        if let Some(until) = arguments.until {
            reading.stops.insert(place.clone(), logs.seek(&place, until)?.offset);
        }
        reading.next.insert(place, begin.offset);
    }
    Ok(reading)
}

impl Reading {
    fn drop_finished(&mut self) {
        let stops = &self.stops;
        self.next.retain(|place, next| stops.get(place).is_none_or(|stop| *next < *stop));
    }

    /// Prints the records, and goes on behind the last whole batch.
    fn take(
        &mut self,
        place: &Place,
        fetched: &Fetched,
        arguments: &ConsumeArguments,
        out: &mut Vec<u8>,
    ) -> Result<(), BatchFault> {
        let stop = self.stops.get(place).copied().unwrap_or(i64::MAX);
        let from = self.next.get(place).copied().unwrap_or_default();
        let left = &mut self.left;
        let next = batches::walk(place, fetched, from, |placed| {
            if placed.offset >= stop || *left == 0 {
                return ControlFlow::Break(());
            }
            placed.write(arguments.format(), out);
            *left -= 1;
            ControlFlow::Continue(())
        })?;
        self.next.insert(place.clone(), next);
        Ok(())
    }
}
