//! What a sweep sends: topics, and for each partition streams of batches whose bytes are known beforehand.

use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::{
    Durability, PartitionIndex, PartitionKey, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId,
};
use millrace_core::log::{BatchBuilder, BatchHeader, BatchRecord, Codec};
use millrace_core::meta::NewTopic;
use rustc_hash::FxHashMap;

use crate::chance::Chance;

/// Near the first moment of the simulated wall clock, so that no batch is too old or too new.
pub(crate) const BASE_TIMESTAMP_MS: i64 = 1_700_000_000_000;
/// The smallest that Kafka takes: rolls occur within a few MiB.
const SEGMENT_BYTES: &str = "1048576";
/// Producer ids of the sweep's own, away from those that the broker gives.
const FIRST_PRODUCER: i64 = 1_000_000;

/// How much a workload sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Bytes of batches to the busy partitions together.
    pub busy_bytes: usize,
    /// Partitions that get a few tiny batches, spread over the run; their tails are what cleaning carries.
    pub rare_partitions: i32,
    pub rare_batches: usize,
    /// Batches of the busy partitions are at most so large.
    pub batch_bytes_max: usize,
}

impl Volume {
    /// Wraps a journal of 4 MiB three times and more, beside what goes to segments as extents.
    pub const WRAPPING: Volume =
        Volume { busy_bytes: 22 << 20, rare_partitions: 10, rare_batches: 6, batch_bytes_max: 1_000_000 };
    /// A few dozen small frames.
    pub const SMALL: Volume =
        Volume { busy_bytes: 150_000, rare_partitions: 2, rare_batches: 3, batch_bytes_max: 9_000 };
}

pub(crate) struct Topic {
    pub(crate) name: &'static str,
    pub(crate) id: TopicId,
    pub(crate) partitions: i32,
    pub(crate) durability: Durability,
}

/// One batch as it is sent.
pub(crate) struct Planned {
    pub(crate) bytes: Bytes,
    pub(crate) header: BatchHeader,
}

/// Batches that one producer sends to one partition, in order.
pub(crate) struct Stream {
    pub(crate) key: PartitionKey,
    pub(crate) kind: StreamKind,
    pub(crate) batches: Vec<Planned>,
    /// The longest pause before a batch, in microseconds.
    pub(crate) pause_micros: u64,
}

/// Whether a stream's batches may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Idempotent,
    Plain,
}

/// Everything that one seed sends. The same for each of its runs.
pub struct Workload {
    pub(crate) seed: u64,
    pub(crate) topics: Vec<Topic>,
    pub(crate) streams: Vec<Stream>,
    /// Stream and place of a batch by partition and checksum.
    by_checksum: FxHashMap<(PartitionKey, u32), (usize, usize)>,
}

impl Workload {
    pub fn new(seed: u64, volume: Volume) -> Rc<Workload> {
        let mut chance = Chance::new(seed);
        let busy = Durability::Power;
        let topics = vec![
            topic(&mut chance, "power", 3, busy),
            topic(&mut chance, "process", 3, Durability::Process),
            topic(&mut chance, "rare", volume.rare_partitions, busy),
        ];
        let mut streams = Vec::new();
        for topic in &topics {
            for partition in 0..topic.partitions {
                let key = PartitionKey::new(topic.id, PartitionIndex(partition));
                add_streams(&mut chance, &mut streams, topic, key, volume);
            }
        }
        let mut by_checksum = FxHashMap::default();
        for (number, stream) in streams.iter().enumerate() {
            for (place, planned) in stream.batches.iter().enumerate() {
                let before = by_checksum.insert((stream.key, planned.header.checksum), (number, place));
                assert_eq!(before, None, "batches of one partition are told apart by their checksum");
            }
        }
        Rc::new(Workload { seed, topics, streams, by_checksum })
    }

    /// Bytes of all batches.
    pub fn bytes(&self) -> usize {
        self.streams.iter().flat_map(|stream| &stream.batches).map(|planned| planned.bytes.len()).sum()
    }

    pub fn batches(&self) -> usize {
        self.streams.iter().map(|stream| stream.batches.len()).sum()
    }

    pub(crate) fn find(&self, key: PartitionKey, checksum: u32) -> Option<(usize, usize)> {
        self.by_checksum.get(&(key, checksum)).copied()
    }

    pub(crate) fn new_topics(&self) -> Vec<NewTopic> {
        self.topics.iter().map(Topic::as_asked).collect()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (&Topic, PartitionKey)> {
        self.topics.iter().flat_map(|topic| {
            (0..topic.partitions)
                .map(move |number| (topic, PartitionKey::new(topic.id, PartitionIndex(number))))
        })
    }
}

impl Topic {
    pub(crate) fn as_asked(&self) -> NewTopic {
        let durability = match self.durability {
            Durability::Power => "power",
            Durability::Process => "process",
        };
        let configs = [("segment.bytes", SEGMENT_BYTES), ("millrace.durability", durability)];
        NewTopic {
            partitions: self.partitions,
            replication_factor: 1,
            configs: configs.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).to_vec(),
            ..NewTopic::named(self.name, self.id)
        }
    }
}

pub(crate) fn topic(
    chance: &mut Chance,
    name: &'static str,
    partitions: i32,
    durability: Durability,
) -> Topic {
    let mut id = [0; 16];
    chance.fill(&mut id);
    Topic { name, id: TopicId(id), partitions, durability }
}

fn add_streams(
    chance: &mut Chance,
    streams: &mut Vec<Stream>,
    topic: &Topic,
    key: PartitionKey,
    volume: Volume,
) {
    let mut add = |chance: &mut Chance, kind, sizes: Vec<usize>, pause_micros| {
        let producer = ProducerId(FIRST_PRODUCER + streams.len() as i64);
        let batches = plan(chance, kind, producer, &sizes);
        streams.push(Stream { key, kind, batches, pause_micros });
    };
    if topic.name == "rare" {
        let sizes = (0..volume.rare_batches).map(|_| chance.between(80..3000)).collect();
        return add(chance, StreamKind::Idempotent, sizes, 60_000);
    }
    let bytes = volume.busy_bytes / 6;
    let sizes = busy_sizes(chance, bytes * 3 / 4, volume.batch_bytes_max);
    add(chance, StreamKind::Idempotent, sizes, 3_000);
    let second = if key.partition.0 == 0 { StreamKind::Plain } else { StreamKind::Idempotent };
    let sizes = busy_sizes(chance, bytes / 4, volume.batch_bytes_max / 8);
    add(chance, second, sizes, 6_000);
}

/// Sizes that sum up to `total`: most batches are small, some large, a few as large as allowed.
fn busy_sizes(chance: &mut Chance, total: usize, largest: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut sum = 0;
    while sum < total {
        let wanted = match chance.below(40) {
            0..16 => chance.between(80..2_000),
            16..28 => chance.between(2_000..40_000),
            28..38 => chance.between(40_000..200_000),
            38 => chance.between(200_000..400_000),
            _ => largest,
        };
        let size = wanted.min(largest);
        sizes.push(size);
        sum += size;
    }
    sizes
}

/// Batches of these sizes, in the order in which one producer sends them.
pub(crate) fn plan(
    chance: &mut Chance,
    kind: StreamKind,
    producer: ProducerId,
    sizes: &[usize],
) -> Vec<Planned> {
    let mut sequence = Sequence::ZERO;
    let mut batches = Vec::with_capacity(sizes.len());
    for size in sizes {
        let records = 1 + chance.below(4) as usize;
        let mut builder = BatchBuilder::new(Codec::None);
        if kind == StreamKind::Idempotent {
            builder = builder.producer(producer, ProducerEpoch(0), sequence);
        }
        let mut value = vec![0; (size / records).max(16)];
        for record in 0..records as i64 {
            chance.fill(&mut value);
            // Neither from batch to batch nor within one do times only rise.
            let after = batches.len() as i64 * 13 % 41 + record * 7 % 5;
            let timestamp = TimestampMs(BASE_TIMESTAMP_MS + after);
            builder.push(BatchRecord::of_value(timestamp, &value));
        }
        sequence = sequence.plus(builder.len());
        let bytes = Bytes::from(builder.build());
        match BatchHeader::parse(&bytes) {
            Ok(header) => batches.push(Planned { bytes, header }),
            Err(fault) => unreachable!("the builder makes batches: {fault}"),
        }
    }
    batches
}
