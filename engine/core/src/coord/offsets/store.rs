//! The committed offsets of one group, compact: 52 bytes a partition in nodes that are half full or more, and more only
//! where a client left a text.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId};
use crate::coord::ids::TopicName;
use crate::coord::record::CommittedOffset;

/// What is committed for each partition. A request may name a topic's partitions in any order, so both are trees: in a list
/// each would move all that are behind it.
#[derive(Debug, Clone, Default)]
pub(in crate::coord) struct GroupOffsets {
    topics: BTreeMap<TopicName, BTreeMap<PartitionIndex, Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
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
        let kept = Kept::of(value);
        match self.topics.get_mut(topic) {
            Some(partitions) => drop(partitions.insert(partition, kept)),
            None => drop(self.topics.insert(topic.clone(), BTreeMap::from([(partition, kept)]))),
        }
    }

    pub(in crate::coord) fn remove(&mut self, topic: &str, partition: PartitionIndex) {
        let Some(partitions) = self.topics.get_mut(topic) else { return };
        partitions.remove(&partition);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
    }

    pub(in crate::coord) fn get(&self, topic: &str, partition: PartitionIndex) -> Option<CommittedOffset> {
        self.topics.get(topic)?.get(&partition).map(Kept::value)
    }

    /// All, by topic.
    pub(in crate::coord) fn iter(
        &self,
    ) -> impl Iterator<Item = (&TopicName, impl Iterator<Item = (PartitionIndex, CommittedOffset)>)> {
        self.topics
            .iter()
            .map(|(topic, partitions)| (topic, partitions.iter().map(|(index, kept)| (*index, kept.value()))))
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
        let topic = |(name, partitions): (&TopicName, &BTreeMap<PartitionIndex, Kept>)| {
            let kept = slots_for(partitions.len()) * (size_of::<PartitionIndex>() + size_of::<Kept>());
            name.len() + COUNTS_OF_AN_ARC + kept + partitions.values().map(rest).sum::<usize>()
        };
        let slots = slots_for(self.topics.len());
        slots * size_of::<(TopicName, BTreeMap<PartitionIndex, Kept>)>()
            + self.topics.iter().map(topic).sum::<usize>()
    }
}

/// A shared text begins with two counts.
const COUNTS_OF_AN_ARC: usize = 16;

/// Entries that a node of a `BTreeMap` has room for.
const SLOTS_OF_A_NODE: usize = 11;

/// Slots of a tree of so many entries: of more than one node each is at least half full, and most are no more where
/// entries came in order.
fn slots_for(entries: usize) -> usize {
    match entries {
        0..=SLOTS_OF_A_NODE => entries.next_multiple_of(SLOTS_OF_A_NODE),
        more => more.saturating_mul(SLOTS_OF_A_NODE).div_ceil(SLOTS_OF_A_NODE / 2 + 1),
    }
}

impl Kept {
    fn of(value: &CommittedOffset) -> Kept {
        let has_rest = value.metadata.is_some() || value.expire_timestamp.is_some();
        let rest = || Rest { metadata: value.metadata.clone(), expire_timestamp: value.expire_timestamp };
        Kept {
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
