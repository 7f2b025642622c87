//! What is created and sent under each name: one life of a topic after another,
//! each with an id and records of its own.

use std::rc::Rc;

use millrace_core::base::{Durability, PartitionIndex, PartitionKey, ProducerId};
use millrace_core::meta::{MorePartitions, NewTopic};
use rustc_hash::FxHashMap;

use crate::chance::Chance;
use crate::workload::{Planned, StreamKind, Topic, plan, topic};

/// Names that are used again and again; each is looked after by one shard.
pub(crate) const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
/// Lives of each name; the last one stays.
const LIVES: usize = 5;
const FIRST_PRODUCER: i64 = 2_000_000;

/// One life of a name, from its creation to its deletion.
pub(crate) struct TopicLife {
    /// As it is in the end.
    pub(crate) topic: Topic,
    /// Partitions with which it is created; the others come while it is written to.
    pub(crate) partitions_first: usize,
    /// By partition.
    pub(crate) batches: Vec<Vec<Planned>>,
}

impl TopicLife {
    pub(crate) fn as_created(&self) -> NewTopic {
        let partitions = i32::try_from(self.partitions_first).unwrap_or(self.topic.partitions);
        NewTopic { partitions, ..self.topic.as_asked() }
    }

    pub(crate) fn as_grown(&self) -> MorePartitions {
        let (topic, count) = (self.topic.name.to_owned(), self.topic.partitions);
        MorePartitions { topic, count, assignments: None }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = PartitionKey> + use<> {
        let id = self.topic.id;
        (0..self.topic.partitions).map(move |partition| PartitionKey::new(id, PartitionIndex(partition)))
    }
}

/// Where a batch belongs: its life by number, its partition, its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) life: usize,
    pub(crate) partition: usize,
    pub(crate) place: usize,
}

/// Everything that one seed sends. The same for each of its runs.
pub(crate) struct TopicPlan {
    pub(crate) seed: u64,
    /// Of all names, those of one name in the order of their time.
    pub(crate) lives: Vec<TopicLife>,
    homes: FxHashMap<u32, Home>,
}

impl TopicPlan {
    pub(crate) fn new(seed: u64) -> Rc<TopicPlan> {
        let mut chance = Chance::new(seed);
        let mut lives = Vec::new();
        for name in NAMES {
            for _ in 0..LIVES {
                let first = FIRST_PRODUCER + 16 * lives.len() as i64;
                lives.push(life(&mut chance, name, first));
            }
        }
        let mut homes = FxHashMap::default();
        for (life, planned) in lives.iter().enumerate() {
            for (partition, batches) in planned.batches.iter().enumerate() {
                for (place, batch) in batches.iter().enumerate() {
                    let before = homes.insert(batch.header.checksum, Home { life, partition, place });
                    assert_eq!(before, None, "batches are told apart by their checksum");
                }
            }
        }
        Rc::new(TopicPlan { seed, lives, homes })
    }

    pub(crate) fn lives_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        (0..self.lives.len()).filter(move |life| self.lives[*life].topic.name == name)
    }

    /// Of the batch with this checksum.
    pub(crate) fn home(&self, checksum: u32) -> Option<Home> {
        self.homes.get(&checksum).copied()
    }
}

fn life(chance: &mut Chance, name: &'static str, first_producer: i64) -> TopicLife {
    let durability = if chance.one_in(3) { Durability::Process } else { Durability::Power };
    let partitions = 1 + chance.below(3) as i32;
    let topic = topic(chance, name, partitions, durability);
    let batches = (0..topic.partitions).map(|partition| {
        let producer = ProducerId(first_producer + i64::from(partition));
        let sizes = sizes(chance);
        plan(chance, StreamKind::Idempotent, producer, &sizes)
    });
    let batches: Vec<_> = batches.collect();
    let partitions_first = chance.between(1..batches.len() + 1);
    TopicLife { topic, partitions_first, batches }
}

/// Some partitions stay in the journal, some get a file, some roll.
fn sizes(chance: &mut Chance) -> Vec<usize> {
    match chance.below(4) {
        0 => Vec::new(),
        1 => (0..3).map(|_| chance.between(80..2_000)).collect(),
        2 => (0..5).map(|_| chance.between(20_000..80_000)).collect(),
        _ => (0..6).map(|_| chance.between(150_000..300_000)).collect(),
    }
}
