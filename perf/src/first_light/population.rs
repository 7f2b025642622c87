//! Thousands of partitions with one record each, and whether the records are still there.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::client::{
    Connection, FetchPlace, NewTopic, Produce, create_topics, encode_batch, fetch, log_ends, produce_frame,
    same_records,
};
use crate::clock;
use crate::error::ClientError;

const PARTITIONS_PER_TOPIC: i32 = 1000;
const VALUE_BYTES: usize = 100;
/// Of one fetch request.
const PARTITIONS_PER_FETCH: usize = 250;
const FETCH_BYTES: i32 = 4096;
/// A broker may answer a fetch with a part of what was asked; after this many rounds what lacks is lost.
const FETCHES_MAX: usize = 20;

/// Topics of 1,000 partitions with one record each.
pub(super) struct Population {
    topics: Vec<String>,
    timestamp_ms: i64,
}

/// What was found of the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Partitions whose log ends behind exactly one record.
    pub(super) ends_right: usize,
    /// Partitions that returned the record that was sent.
    pub(super) records_right: usize,
}

impl Population {
    pub(super) fn new(topics: usize) -> Population {
        let topics = (0..topics).map(|number| format!("many-{number}")).collect();
        Population { topics, timestamp_ms: clock::wall_ms() }
    }

    pub(super) fn partitions(&self) -> usize {
        self.topics.len() * PARTITIONS_PER_TOPIC.unsigned_abs() as usize
    }

    /// Creates all topics with one request: how long that took.
    pub(super) fn create(&self, connection: &mut Connection) -> Result<Duration, ClientError> {
        let topic = |name: &String| NewTopic::new(name.as_str(), PARTITIONS_PER_TOPIC);
        let topics: Vec<NewTopic> = self.topics.iter().map(topic).collect();
        let begun = clock::now();
        create_topics(connection, &topics)?;
        Ok(clock::now() - begun)
    }

    /// Writes one record to each partition, a topic a request: how long each request took.
    pub(super) fn settle(&self, address: SocketAddr) -> Result<Vec<Duration>, ClientError> {
        let mut taken = Vec::new();
        for topic in &self.topics {
            let batches: Vec<(i32, Bytes)> = (0..PARTITIONS_PER_TOPIC)
                .map(|partition| (partition, self.batch(topic, partition)))
                .collect();
            taken.push(Produce::new(address, produce_frame(topic, &batches)?)?.once()?);
        }
        Ok(taken)
    }

    /// Looks at every partition: its end, and its record byte by byte.
    pub(super) fn count(&self, connection: &mut Connection) -> Result<Census, ClientError> {
        let mut census = Census::default();
        for topic in &self.topics {
            let ends = log_ends(connection, &[(topic, PARTITIONS_PER_TOPIC)])?;
            census.ends_right += ends.iter().filter(|end| **end == 1).count();
            census.records_right += self.count_records(connection, topic)?;
        }
        Ok(census)
    }

    fn count_records(&self, connection: &mut Connection, topic: &str) -> Result<usize, ClientError> {
        let mut wanted: Vec<i32> = (0..PARTITIONS_PER_TOPIC).collect();
        let mut right = 0;
        for _ in 0..FETCHES_MAX * wanted.len() / PARTITIONS_PER_FETCH {
            let asked: Vec<i32> = wanted.iter().copied().take(PARTITIONS_PER_FETCH).collect();
            if asked.is_empty() {
                break;
            }
            let place =
                |partition: &i32| FetchPlace { partition: *partition, offset: 0, bytes_max: FETCH_BYTES };
            let places: Vec<FetchPlace> = asked.iter().map(place).collect();
            let mut answered = Vec::new();
            fetch(connection, topic, &places, |partition, records| {
                if !records.is_empty() {
                    answered.push(partition);
                    right += usize::from(same_records(&self.batch(topic, partition), records));
                }
            })?;
            wanted.retain(|partition| !answered.contains(partition));
            // What was not answered goes to the end, so that one lost record does not hide the others.
            let unanswered = asked.len().saturating_sub(answered.len()).min(wanted.len());
            wanted.rotate_left(unanswered);
        }
        Ok(right)
    }

    fn batch(&self, topic: &str, partition: i32) -> Bytes {
        let value = format!("{:<VALUE_BYTES$}", format!("{topic}-{partition}"));
        encode_batch(&[value.as_bytes()], self.timestamp_ms).into()
    }
}
