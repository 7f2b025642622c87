//! Offsets are committed and fetched.

use super::machine::Coordinator;
use crate::base::{PartitionIndex, TimestampMs};
use crate::coord::action::Action;
use crate::coord::answer::{Answer, RefusedOffset};
use crate::coord::error::GroupError;
use crate::coord::ids::{Epoch, Generation, Now, Token, TopicName};
use crate::coord::kip848::Topics;
use crate::coord::record::{CommittedOffset, CoordinatorRecord};
use crate::coord::request::{CommitRequest, OffsetToCommit, UnknownGroup};
use crate::coord::writing::purpose::WritePurpose;

impl Coordinator {
    /// OffsetCommit; answered with [`Answer::Commit`] once the log holds the offsets. A group that nobody has
    /// heard of begins with its first commit, if that is not a member's.
    pub fn commit(
        &mut self,
        now: Now,
        request: &CommitRequest,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        if let Err(error) = self.check_commit(now, request, topics) {
            actions.push(Action::Reply { token, answer: Answer::Commit(Err(error)) });
            return;
        }
        let metadata_max = self.settings.offset_metadata_max;
        let is_too_large = |offset: &&OffsetToCommit| {
            // As many UTF-16 units as Kafka's strings have; never more than bytes.
            let text = offset.metadata.as_deref().unwrap_or_default();
            text.len() > metadata_max && text.encode_utf16().count() > metadata_max
        };
        let (too_large, fitting): (Vec<&OffsetToCommit>, Vec<&OffsetToCommit>) =
            request.offsets.iter().partition(is_too_large);
        let refused = too_large.into_iter().map(|offset| RefusedOffset {
            topic: offset.topic.clone(),
            partition: offset.partition,
            error: GroupError::OffsetMetadataTooLarge,
        });
        let answer = Answer::Commit(Ok(refused.collect()));
        if fitting.is_empty() {
            actions.push(Action::Reply { token, answer });
            return;
        }
        let bytes = self.growth_of_commit(&request.group, &fitting);
        if !self.admits(bytes) {
            let answer = Answer::Commit(Err(GroupError::CoordinatorLoadInProgress));
            actions.push(Action::Reply { token, answer });
            return;
        }
        let records = fitting.into_iter().map(|offset| record(request, offset, now)).collect();
        self.writes.ask(records, WritePurpose::Commit { bytes }, Some((token, answer)), actions);
    }

    fn check_commit(
        &mut self,
        now: Now,
        request: &CommitRequest,
        topics: &dyn Topics,
    ) -> Result<(), GroupError> {
        let mut actions = Vec::new();
        if let Some((group, mut turn)) = self.group_turn(request.group.as_str(), now, &mut actions) {
            return group.check_commit(request, topics, &mut turn);
        }
        match request.unknown_group {
            _ if request.generation < Generation(0) => Ok(()),
            UnknownGroup::NotFound => Err(GroupError::GroupIdNotFound),
            UnknownGroup::IllegalGeneration => Err(GroupError::IllegalGeneration),
        }
    }

    /// Whether a member may fetch offsets: one of the consumer protocol says its epoch, from version 9.
    pub fn check_fetch(&self, group: &str, member: Option<&str>, epoch: Epoch) -> Result<(), GroupError> {
        self.groups.get(group).map_or(Ok(()), |group| group.check_fetch(member, epoch))
    }

    /// OffsetFetch of one partition: what the log is known to hold.
    pub fn committed(&self, group: &str, topic: &str, partition: PartitionIndex) -> Option<CommittedOffset> {
        self.groups.get(group)?.offsets.get(topic, partition)
    }

    /// OffsetFetch of all partitions, by topic and partition.
    pub fn all_committed(&self, group: &str) -> Vec<(TopicName, Vec<(PartitionIndex, CommittedOffset)>)> {
        let Some(group) = self.groups.get(group) else { return Vec::new() };
        group.offsets.iter().map(|(topic, offsets)| (topic.clone(), offsets.collect())).collect()
    }
}

fn record(request: &CommitRequest, offset: &OffsetToCommit, now: Now) -> CoordinatorRecord {
    let expires = |retention_ms: i64| TimestampMs(now.wall.0.saturating_add(retention_ms));
    let value = CommittedOffset {
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata: offset.metadata.clone().filter(|text| !text.is_empty()),
        commit_timestamp: now.wall,
        expire_timestamp: request.retention_ms.map(expires),
        topic_id: offset.topic_id,
    };
    CoordinatorRecord::Offset {
        group: request.group.clone(),
        topic: offset.topic.clone(),
        partition: offset.partition,
        value: Some(value),
    }
}
