//! The committed offsets of one group, compact: 48 bytes a partition, and more only where a client left a text.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId};
use crate::coord::ids::TopicName;
use crate::coord::record::CommittedOffset;

/// What is committed for each partition. Each topic's partitions are in order.
#[derive(Debug, Clone, Default)]
pub(in crate::coord) struct GroupOffsets {
    topics: BTreeMap<TopicName, Vec<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    partition: PartitionIndex,
    leader_epoch: LeaderEpoch,
    offset: Offset,
    commit_timestamp: TimestampMs,
    topic_id: TopicId,
    rest: Option<Box<Rest>>,
}

/// What most commits do not have.
#[derive(Debug, Clone)]
struct Rest {
    metadata: Option<Arc<str>>,
    expire_timestamp: Option<TimestampMs>,
}

impl GroupOffsets {
    pub(in crate::coord) fn put(
        &mut self,
        topic: &TopicName,
        partition: PartitionIndex,
        value: &CommittedOffset,
    ) {
        let kept = Kept::of(partition, value);
        let Some(partitions) = self.topics.get_mut(topic) else {
            self.topics.insert(topic.clone(), vec![kept]);
            return;
        };
        match place_of(partitions, partition) {
            Ok(place) => partitions.splice(place..=place, [kept]).for_each(drop),
            Err(place) => partitions.insert(place, kept),
        }
    }

    pub(in crate::coord) fn remove(&mut self, topic: &str, partition: PartitionIndex) {
        let Some(partitions) = self.topics.get_mut(topic) else { return };
        if let Ok(place) = place_of(partitions, partition) {
            partitions.remove(place);
        }
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
    }

    pub(in crate::coord) fn get(&self, topic: &str, partition: PartitionIndex) -> Option<CommittedOffset> {
        let partitions = self.topics.get(topic)?;
        let place = place_of(partitions, partition).ok()?;
        partitions.get(place).map(Kept::value)
    }

    /// All, by topic.
    pub(in crate::coord) fn iter(
        &self,
    ) -> impl Iterator<Item = (&TopicName, impl Iterator<Item = (PartitionIndex, CommittedOffset)>)> {
        self.topics
            .iter()
            .map(|(topic, partitions)| (topic, partitions.iter().map(|kept| (kept.partition, kept.value()))))
    }

    pub(in crate::coord) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(in crate::coord) fn memory_bytes(&self) -> usize {
        let rest = |kept: &Kept| {
            kept.rest.as_ref().map_or(0, |rest| {
                size_of::<Rest>() + rest.metadata.as_ref().map_or(0, |text| text.len() + COUNTS_OF_AN_ARC)
            })
        };
        let topic = |(name, partitions): (&TopicName, &Vec<Kept>)| {
            let kept = partitions.capacity() * size_of::<Kept>();
            name.len() + COUNTS_OF_AN_ARC + kept + partitions.iter().map(rest).sum::<usize>()
        };
        let slots = self.topics.len().next_multiple_of(SLOTS_OF_A_NODE);
        slots * size_of::<(TopicName, Vec<Kept>)>() + self.topics.iter().map(topic).sum::<usize>()
    }
}

/// A shared text begins with two counts.
const COUNTS_OF_AN_ARC: usize = 16;

/// Entries that a node of a `BTreeMap` has room for.
const SLOTS_OF_A_NODE: usize = 11;

fn place_of(partitions: &[Kept], partition: PartitionIndex) -> Result<usize, usize> {
    partitions.binary_search_by_key(&partition, |kept| kept.partition)
}

impl Kept {
    fn of(partition: PartitionIndex, value: &CommittedOffset) -> Kept {
        let has_rest = value.metadata.is_some() || value.expire_timestamp.is_some();
        let rest = || Rest { metadata: value.metadata.clone(), expire_timestamp: value.expire_timestamp };
        Kept {
            partition,
            leader_epoch: value.leader_epoch,
            offset: value.offset,
            commit_timestamp: value.commit_timestamp,
            topic_id: value.topic_id,
            rest: has_rest.then(|| Box::new(rest())),
        }
    }

    fn value(&self) -> CommittedOffset {
        CommittedOffset {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.rest.as_ref().and_then(|rest| rest.metadata.clone()),
            commit_timestamp: self.commit_timestamp,
            expire_timestamp: self.rest.as_ref().and_then(|rest| rest.expire_timestamp),
            topic_id: self.topic_id,
        }
    }
}

const _: () = assert!(size_of::<Kept>() == 48);
