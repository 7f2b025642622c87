//! Whether members may commit and fetch offsets: they name themselves and their epoch.

use crate::base::{PartitionKey, TopicId};
use crate::coord::consumer::state::group::{ConsumerGroup, Life};
use crate::coord::error::GroupError;
use crate::coord::ids::Epoch;
use crate::coord::kip848::{MemberProtocol, Topics};
use crate::coord::request::{CommitRequest, OffsetToCommit, UnknownGroup};

impl ConsumerGroup {
    /// Whether the sender of a commit may commit. A member may do so with an older epoch than its own as long
    /// as it has held the partitions since then (KIP-1251);
    /// topics that it names are those that have the names now.
    pub(in crate::coord) fn check_commit(
        &self,
        request: &CommitRequest,
        topics: &dyn Topics,
    ) -> Result<(), GroupError> {
        if self.life == Life::Dying {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let epoch = Epoch(request.generation.0);
        if epoch < Epoch::JOINING && self.members.is_empty() {
            // From a consumer that assigns itself its partitions, or a tool.
            return Ok(());
        }
        let member = self.members.get(&request.member).ok_or(GroupError::UnknownMemberId)?;
        if member.classic.is_some() {
            return if epoch == member.epoch { Ok(()) } else { Err(GroupError::IllegalGeneration) };
        }
        if request.unknown_group == UnknownGroup::IllegalGeneration {
            // The versions that know no better do not know of epochs.
            return Err(GroupError::UnsupportedVersion);
        }
        let has_held = |offset: &OffsetToCommit| {
            let topic = match offset.topic_id {
                TopicId::ZERO => topics.topic(offset.topic.as_str()).map(|topic| topic.id),
                id => Some(id),
            };
            let held = topic.map(|topic| PartitionKey::new(topic, offset.partition));
            held.and_then(|held| member.assigned.since(held)).is_some_and(|since| epoch >= since)
        };
        match epoch.cmp(&member.epoch) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less if request.offsets.iter().all(has_held) => Ok(()),
            _ => Err(GroupError::StaleMemberEpoch),
        }
    }

    /// Whether the sender of a fetch of offsets may have them; tools name no member.
    pub(in crate::coord) fn check_fetch(&self, member: Option<&str>, epoch: Epoch) -> Result<(), GroupError> {
        let Some(member) = member else {
            // Kafka looks for the member without a name, and fails inside.
            return if epoch < Epoch::JOINING { Ok(()) } else { Err(GroupError::UnknownServerError) };
        };
        let member = self.members.get(member).ok_or(GroupError::UnknownMemberId)?;
        match member.protocol() {
            _ if member.epoch == epoch => Ok(()),
            MemberProtocol::Classic => Err(GroupError::IllegalGeneration),
            MemberProtocol::Consumer => Err(GroupError::StaleMemberEpoch),
        }
    }
}
