//! What is sent: to each partition one idempotent stream of records of a few keys,
//! tombstones among them, whose offsets are known.

use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::{
    Durability, Offset, PartitionIndex, PartitionKey, ProducerEpoch, ProducerId, Sequence, TimestampMs,
};
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_core::meta::NewTopic;

use crate::chance::Chance;
use crate::workload::{BASE_TIMESTAMP_MS, Topic, topic};

const FIRST_PRODUCER: i64 = 4_000_000;
pub(super) const KEYS: u64 = 8;
/// Of one value.
pub(super) const VALUE_BYTES_MAX: usize = 50_000;
const BATCHES: usize = 56;
/// One record of so many is a tombstone.
const TOMBSTONES_EVERY: u64 = 6;
/// Tombstones stay for so long, and files of old segments live on for so long.
const DELETE_RETENTION_MS: u64 = 60;
const DELETE_DELAY_MS: u64 = 150;

/// A record as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: u8,
    /// Of its value; none for a tombstone.
    pub(super) checksum: Option<u32>,
    pub(super) timestamp: TimestampMs,
}

pub(super) struct KeyedStream {
    pub(super) key: PartitionKey,
    pub(super) durability: Durability,
    pub(super) batches: Vec<Bytes>,
    /// Of each batch, and behind the last.
    pub(super) offsets: Vec<Offset>,
    /// By offset.
    pub(super) records: Vec<Record>,
}

impl KeyedStream {
    /// The place of the batch that holds `offset`; the number of batches at the end.
    pub(super) fn place_of(&self, offset: Offset) -> usize {
        match self.offsets.binary_search(&offset) {
            Ok(place) => place,
            Err(next) => next - 1,
        }
    }
}

/// Everything that one seed sends. The same for each of its runs.
pub(crate) struct CompactionPlan {
    pub(super) seed: u64,
    topics: Vec<Topic>,
    pub(super) streams: Vec<KeyedStream>,
}

impl CompactionPlan {
    pub(crate) fn new(seed: u64) -> Rc<CompactionPlan> {
        let mut chance = Chance::new(seed ^ 0xc0de);
        let topics = vec![
            topic(&mut chance, "keyed", 2, Durability::Power),
            topic(&mut chance, "keyed-process", 1, Durability::Process),
        ];
        let mut streams = Vec::new();
        for topic in &topics {
            for partition in 0..topic.partitions {
                let producer = ProducerId(FIRST_PRODUCER + streams.len() as i64);
                let key = PartitionKey::new(topic.id, PartitionIndex(partition));
                streams.push(stream(&mut chance, key, topic.durability, producer));
            }
        }
        Rc::new(CompactionPlan { seed, topics, streams })
    }

    pub(super) fn new_topics(&self) -> impl Iterator<Item = NewTopic> + '_ {
        self.topics.iter().map(|topic| {
            let mut asked = topic.as_asked();
            let configs = [
                ("cleanup.policy", "compact".to_owned()),
                ("min.cleanable.dirty.ratio", "0.01".to_owned()),
                ("delete.retention.ms", DELETE_RETENTION_MS.to_string()),
                ("file.delete.delay.ms", DELETE_DELAY_MS.to_string()),
            ];
            asked.configs.extend(configs.map(|(key, value)| (key.to_owned(), Some(value))));
            asked
        })
    }

    /// The directory of a stream's partition.
    pub(super) fn directory(&self, stream: &KeyedStream) -> String {
        let topic = self.topics.iter().find(|topic| topic.id == stream.key.topic);
        let name = topic.map_or("", |topic| topic.name);
        format!("{name}-{}", stream.key.partition)
    }
}

fn stream(
    chance: &mut Chance,
    key: PartitionKey,
    durability: Durability,
    producer: ProducerId,
) -> KeyedStream {
    let (mut batches, mut offsets, mut records) = (Vec::new(), vec![Offset::ZERO], Vec::new());
    let mut value = vec![0; VALUE_BYTES_MAX];
    for number in 0..BATCHES {
        let codec = if chance.one_in(4) { Codec::Lz4 } else { Codec::None };
        let sequence = Sequence(records.len() as i32);
        let mut builder = BatchBuilder::new(codec).producer(producer, ProducerEpoch(0), sequence);
        for place in 0..1 + chance.below(5) as i64 {
            let length = chance.between(2_000..VALUE_BYTES_MAX);
            chance.fill(&mut value[..length]);
            let key = b'a' + chance.below(KEYS) as u8;
            let value = (!chance.one_in(TOMBSTONES_EVERY)).then_some(&value[..length]);
            // Times do not only rise.
            let timestamp = TimestampMs(BASE_TIMESTAMP_MS + number as i64 * 13 % 41 + place * 7 % 5);
            builder.push(BatchRecord { timestamp, key: Some(&[key]), value, headers: &[] });
            records.push(Record { key, checksum: value.map(crc32c::crc32c), timestamp });
        }
        batches.push(Bytes::from(builder.build()));
        offsets.push(Offset(records.len() as i64));
    }
    KeyedStream { key, durability, batches, offsets, records }
}
