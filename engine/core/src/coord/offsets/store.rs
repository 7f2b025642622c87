//! The committed offsets of one group, compact: 52 bytes a partition in nodes that are half full or more, and
//! more only where a client left a text.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId};
use crate::coord::cost::{slots_for, text_bytes};
use crate::coord::ids::TopicName;
use crate::coord::record::CommittedOffset;
use crate::coord::request::OffsetToCommit;

/// What is committed for each partition. A request may name a topic's partitions in any order, so both are
/// trees: in a list each would move all that are behind it.
#[derive(Debug, Clone, Default)]
pub(in crate::coord) struct GroupOffsets {
    topics: BTreeMap<TopicName, BTreeMap<PartitionIndex, Kept>>,
    /// Of all topics, without the tree that they are in.
    bytes: usize,
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
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.clone(), BTreeMap::new());
            self.bytes += text_bytes(topic.len());
        }
        let Some(partitions) = self.topics.get_mut(topic) else { return };
        let (slots, rest) = (partitions_bytes(partitions.len()), rest_bytes(&kept));
        let before = partitions.insert(partition, kept);
        self.bytes += partitions_bytes(partitions.len()) + rest;
        self.bytes -= slots + before.as_ref().map_or(0, rest_bytes);
    }

    pub(in crate::coord) fn remove(&mut self, topic: &str, partition: PartitionIndex) {
        let Some(partitions) = self.topics.get_mut(topic) else { return };
        let slots = partitions_bytes(partitions.len());
        let before = partitions.remove(&partition);
        self.bytes += partitions_bytes(partitions.len());
        self.bytes -= slots + before.as_ref().map_or(0, rest_bytes);
        if partitions.is_empty() {
            self.topics.remove(topic);
            self.bytes -= text_bytes(topic.len());
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

    /// Memory that they take.
    pub(in crate::coord) fn held_bytes(&self) -> usize {
        self.bytes + topics_bytes(self.topics.len())
    }

    /// The same counted from nothing.
    pub(in crate::coord) fn recount_bytes(&self) -> usize {
        let topic = |(name, partitions): (&TopicName, &BTreeMap<PartitionIndex, Kept>)| {
            let rests: usize = partitions.values().map(rest_bytes).sum();
            text_bytes(name.len()) + partitions_bytes(partitions.len()) + rests
        };
        topics_bytes(self.topics.len()) + self.topics.iter().map(topic).sum::<usize>()
    }

    /// What these add to them, at most.
    pub(in crate::coord) fn growth(&self, offsets: &[&OffsetToCommit]) -> usize {
        let mut new: BTreeMap<&TopicName, usize> = BTreeMap::new();
        let mut bytes = 0;
        for offset in offsets {
            let text = offset.metadata.as_ref().filter(|text| !text.is_empty());
            let rest = text.map_or(0, |text| size_of::<Rest>() + text_bytes(text.len()));
            let partitions = self.topics.get(&offset.topic);
            match partitions.and_then(|partitions| partitions.get(&offset.partition)) {
                Some(kept) => bytes += rest.saturating_sub(rest_bytes(kept)),
                None => {
                    *new.entry(&offset.topic).or_default() += 1;
                    bytes += rest;
                }
            }
        }
        let mut topics = self.topics.len();
        for (topic, count) in new {
            let before = self.topics.get(topic).map_or(0, BTreeMap::len);
            bytes += partitions_bytes(before + count) - partitions_bytes(before);
            if before == 0 {
                topics += 1;
                bytes += text_bytes(topic.len());
            }
        }
        bytes + topics_bytes(topics) - topics_bytes(self.topics.len())
    }
}

fn topics_bytes(topics: usize) -> usize {
    slots_for(topics) * size_of::<(TopicName, BTreeMap<PartitionIndex, Kept>)>()
}

fn partitions_bytes(partitions: usize) -> usize {
    slots_for(partitions) * (size_of::<PartitionIndex>() + size_of::<Kept>())
}

fn rest_bytes(kept: &Kept) -> usize {
    kept.rest
        .as_ref()
        .map_or(0, |rest| size_of::<Rest>() + rest.metadata.as_ref().map_or(0, |text| text_bytes(text.len())))
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
