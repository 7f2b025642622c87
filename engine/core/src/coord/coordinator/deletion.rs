//! Offsets and groups are deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::Coordinator;
use crate::base::PartitionIndex;
use crate::coord::action::Action;
use crate::coord::answer::{Answer, RefusedOffset};
use crate::coord::error::GroupError;
use crate::coord::group::{Group, Subscription};
use crate::coord::ids::{GroupId, Now, Token, TopicName};
use crate::coord::record::CoordinatorRecord;
use crate::coord::request::DeleteOffsetsRequest;
use crate::coord::writing::purpose::WritePurpose;
use crate::coord::writing::writes::Writes;

impl Coordinator {
    /// OffsetDelete; answered with [`Answer::DeleteOffsets`]. Offsets of topics that members consume stay.
    pub fn delete_offsets(
        &mut self,
        request: &DeleteOffsetsRequest,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        let subscription = match self.check_offset_deletion(&request.group) {
            Ok(subscription) => subscription,
            Err(error) => {
                actions.push(Action::Reply { token, answer: Answer::DeleteOffsets(Err(error)) });
                return;
            }
        };
        let coming: BTreeSet<_> = on_their_way(&self.writes, &request.group).collect();
        let (mut refused, mut records) = (Vec::new(), Vec::new());
        for (topic, partition) in &request.partitions {
            let is_subscribed = subscription.as_ref().is_none_or(|topics| topics.contains(topic.as_str()));
            if is_subscribed {
                let error = GroupError::GroupSubscribedToTopic;
                refused.push(RefusedOffset { topic: topic.clone(), partition: *partition, error });
            } else if coming.contains(&(topic.clone(), *partition))
                || self.committed(request.group.as_str(), topic.as_str(), *partition).is_some()
            {
                records.push(tombstone(&request.group, topic, *partition));
            }
        }
        let answer = Answer::DeleteOffsets(Ok(refused));
        if records.is_empty() {
            actions.push(Action::Reply { token, answer });
        } else {
            self.writes.ask(records, WritePurpose::Records, Some((token, answer)), actions);
        }
    }

    fn check_offset_deletion(&self, id: &GroupId) -> Result<Option<Subscription>, GroupError> {
        if id.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let group = self.groups.get(id).ok_or(GroupError::GroupIdNotFound)?;
        group.check_offset_deletion()?;
        Ok(group.subscription())
    }

    /// DeleteGroups; answered with [`Answer::DeleteGroups`]. Until the log holds it, the groups are Dead.
    pub fn delete_groups(&mut self, now: Now, ids: &[GroupId], token: Token, actions: &mut Vec<Action>) {
        let mut results = Vec::with_capacity(ids.len());
        let (mut records, mut groups) = (Vec::new(), Vec::new());
        let coming = Coming::of(&self.writes);
        for id in ids {
            let checked = self.check_deletion(id);
            if checked.is_ok() {
                self.begin_deletion(id, &coming, now, &mut records);
                groups.push(id.clone());
            }
            results.push((id.clone(), checked));
        }
        let answer = Answer::DeleteGroups(results);
        if groups.is_empty() {
            actions.push(Action::Reply { token, answer });
        } else {
            self.writes.ask(records, WritePurpose::Deletion { groups }, Some((token, answer)), actions);
        }
    }

    fn check_deletion(&self, id: &GroupId) -> Result<(), GroupError> {
        let group = self.groups.get(id).ok_or(GroupError::GroupIdNotFound)?;
        group.check_deletion()?;
        match self.writes.is_behind(id.as_str()) {
            // What it has yet to write would bring it back.
            true => Err(GroupError::CoordinatorNotAvailable),
            false => Ok(()),
        }
    }

    /// Makes an empty group Dead and adds the tombstones of all that the log holds, or will hold, of it.
    pub(super) fn begin_deletion(
        &mut self,
        id: &GroupId,
        coming: &Coming,
        now: Now,
        records: &mut Vec<CoordinatorRecord>,
    ) {
        for (topic, partition) in self.partitions_of(id, coming) {
            records.push(tombstone(id, &topic, partition));
        }
        if let Some(group) = self.groups.get_mut(id) {
            records.extend(group.begin_deletion(id, now));
        }
    }

    /// Topics are gone, and so are all offsets of them.
    pub fn topics_deleted(&mut self, topics: &[TopicName], actions: &mut Vec<Action>) {
        let deleted: BTreeSet<&TopicName> = topics.iter().collect();
        let mut gone = BTreeSet::new();
        for (id, group) in &self.groups {
            let topics = group.offsets.iter().filter(|(topic, _)| deleted.contains(topic));
            for (topic, offsets) in topics {
                gone.extend(offsets.map(|(partition, _)| (id.clone(), topic.clone(), partition)));
            }
        }
        let coming = self.writes.records().filter_map(committing);
        let coming = coming.filter(|(_, topic, _)| deleted.contains(topic));
        gone.extend(coming.map(|(id, topic, partition)| (id.clone(), topic.clone(), partition)));
        if !gone.is_empty() {
            let records =
                gone.iter().map(|(id, topic, partition)| tombstone(id, topic, *partition)).collect();
            self.writes.ask(records, WritePurpose::Records, None, actions);
        }
    }

    /// Partitions with an offset that is committed or on its way to the log.
    fn partitions_of(&self, id: &GroupId, coming: &Coming) -> BTreeSet<(TopicName, PartitionIndex)> {
        let mut partitions: BTreeSet<_> =
            self.groups.get(id).map(|group| committed(group)).unwrap_or_default();
        partitions.extend(coming.offsets.get(id).into_iter().flatten().cloned());
        partitions
    }
}

/// What is on its way to the log, by group: looked through once for all groups of a turn.
#[derive(Debug, Default)]
pub(super) struct Coming {
    /// Every group with a record, and the partitions of which it commits an offset.
    offsets: BTreeMap<GroupId, Vec<(TopicName, PartitionIndex)>>,
}

impl Coming {
    pub(super) fn of(writes: &Writes) -> Coming {
        let mut coming = Coming::default();
        for record in writes.records() {
            let offsets = match coming.offsets.get_mut(record.group()) {
                Some(offsets) => offsets,
                None => coming.offsets.entry(record.group().clone()).or_default(),
            };
            offsets.extend(committing(record).map(|(_, topic, partition)| (topic.clone(), partition)));
        }
        coming
    }

    /// Whether anything of a group is.
    pub(super) fn has(&self, group: &GroupId) -> bool {
        self.offsets.contains_key(group)
    }
}

fn committed(group: &Group) -> BTreeSet<(TopicName, PartitionIndex)> {
    let topics = group.offsets.iter();
    topics.flat_map(|(topic, offsets)| offsets.map(|(partition, _)| (topic.clone(), partition))).collect()
}

fn on_their_way<'a>(
    writes: &'a Writes,
    id: &'a GroupId,
) -> impl Iterator<Item = (TopicName, PartitionIndex)> + 'a {
    let committing = writes.records_of(id.as_str()).filter_map(committing);
    committing.map(|(_, topic, partition)| (topic.clone(), partition))
}

/// The partition whose offset a record commits.
fn committing(record: &CoordinatorRecord) -> Option<(&GroupId, &TopicName, PartitionIndex)> {
    match record {
        CoordinatorRecord::Offset { group, topic, partition, value: Some(_) } => {
            Some((group, topic, *partition))
        }
        _ => None,
    }
}

pub(super) fn tombstone(group: &GroupId, topic: &TopicName, partition: PartitionIndex) -> CoordinatorRecord {
    CoordinatorRecord::Offset { group: group.clone(), topic: topic.clone(), partition, value: None }
}
