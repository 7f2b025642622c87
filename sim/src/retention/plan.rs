//! What is sent: to each partition one idempotent stream, whose batches have known offsets.

use std::rc::Rc;

use millrace_core::base::{Durability, Offset, PartitionIndex, PartitionKey, ProducerId};
use millrace_core::meta::NewTopic;

use crate::chance::Chance;
use crate::workload::{Planned, StreamKind, Topic, plan, topic};

const FIRST_PRODUCER: i64 = 3_000_000;
/// Two segments.
pub(super) const RETENTION_BYTES: u64 = 2 << 20;
/// What is older is gone at the next look; batches of the plan are all older than the node's clock.
const RETENTION_MS: u64 = 400;
/// Files of deleted segments live on so long.
const DELETE_DELAY_MS: u64 = 150;

/// What a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    Bytes,
    Time,
}

/// One partition and all that is sent to it.
pub(super) struct RetainedStream {
    pub(super) key: PartitionKey,
    pub(super) durability: Durability,
    pub(super) keeps: Keeps,
    pub(super) batches: Vec<Planned>,
    /// Of each batch, and behind the last.
    pub(super) offsets: Vec<Offset>,
}

impl RetainedStream {
    /// The place of the batch that holds `offset`; the number of batches at the end.
    pub(super) fn place_of(&self, offset: Offset) -> usize {
        match self.offsets.binary_search(&offset) {
            Ok(place) => place,
            Err(next) => next - 1,
        }
    }

    /// Bytes of the batches from the one that holds `start` to the one before `end`.
    pub(super) fn bytes_between(&self, start: Offset, end: Offset) -> u64 {
        let places = self.place_of(start)..self.place_of(end);
        self.batches[places].iter().map(|batch| batch.bytes.len() as u64).sum()
    }
}

/// Everything that one seed sends. The same for each of its runs.
pub(crate) struct RetentionPlan {
    pub(super) seed: u64,
    topics: Vec<(Topic, Keeps)>,
    pub(super) streams: Vec<RetainedStream>,
}

impl RetentionPlan {
    pub(crate) fn new(seed: u64) -> Rc<RetentionPlan> {
        let mut chance = Chance::new(seed);
        let topics = vec![
            (topic(&mut chance, "sized", 2, Durability::Power), Keeps::Bytes),
            (topic(&mut chance, "sized-process", 1, Durability::Process), Keeps::Bytes),
            (topic(&mut chance, "aged", 1, Durability::Power), Keeps::Time),
        ];
        let mut streams = Vec::new();
        for (topic, keeps) in &topics {
            for partition in 0..topic.partitions {
                let producer = ProducerId(FIRST_PRODUCER + streams.len() as i64);
                let batches = plan(&mut chance, StreamKind::Idempotent, producer, &sizes(seed, *keeps));
                let mut offsets = vec![Offset::ZERO];
                for batch in &batches {
                    let next = offsets[offsets.len() - 1].plus(i64::from(batch.header.last_offset_delta) + 1);
                    offsets.push(next);
                }
                let key = PartitionKey::new(topic.id, PartitionIndex(partition));
                let durability = topic.durability;
                streams.push(RetainedStream { key, durability, keeps: *keeps, batches, offsets });
            }
        }
        Rc::new(RetentionPlan { seed, topics, streams })
    }

    pub(super) fn new_topics(&self) -> impl Iterator<Item = NewTopic> + '_ {
        self.topics.iter().map(|(topic, keeps)| {
            let mut asked = topic.as_asked();
            let limit = match keeps {
                Keeps::Bytes => ("retention.bytes", RETENTION_BYTES),
                Keeps::Time => ("retention.ms", RETENTION_MS),
            };
            for (key, value) in [limit, ("file.delete.delay.ms", DELETE_DELAY_MS)] {
                asked.configs.push((key.to_owned(), Some(value.to_string())));
            }
            asked
        })
    }

    /// The directory of a stream's partition.
    pub(super) fn directory(&self, stream: &RetainedStream) -> String {
        let topic = self.topics.iter().find(|(topic, _)| topic.id == stream.key.topic);
        let name = topic.map_or("", |(topic, _)| topic.name);
        format!("{name}-{}", stream.key.partition)
    }
}

/// Logs by size roll several times; the one by time is deleted while its only segment is active.
fn sizes(seed: u64, keeps: Keeps) -> Vec<usize> {
    let mut chance = Chance::new(seed ^ 0xdead);
    match keeps {
        Keeps::Bytes => (0..28).map(|_| chance.between(60_000..400_000)).collect(),
        Keeps::Time => (0..8).map(|_| chance.between(100..30_000)).collect(),
    }
}
