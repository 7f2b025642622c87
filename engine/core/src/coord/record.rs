//! What the offsets topic holds, as logical records: the state of groups and their committed offsets.

use bytes::Bytes;
use std::sync::Arc;

use super::ids::{Generation, GroupId, InstanceId, MemberId, TopicName};
use super::kip848::ConsumerRecord;
use crate::base::{LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId};

/// One record of `__consumer_offsets` (Kafka: `CoordinatorRecord`). A value of `None` is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoordinatorRecord {
    /// `GroupMetadataKey`, `GroupMetadataValue`: a classic group.
    Group { group: GroupId, value: Option<GroupMetadata> },
    /// `OffsetCommitKey`, `OffsetCommitValue`.
    Offset { group: GroupId, topic: TopicName, partition: PartitionIndex, value: Option<CommittedOffset> },
    /// Of a group of the consumer protocol.
    Consumer { group: GroupId, record: ConsumerRecord },
}

/// A classic group as the leader's assignment, or the last member's leaving, left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadata {
    /// `None` is written as an empty text.
    pub protocol_type: Option<Arc<str>>,
    pub generation: Generation,
    pub protocol: Option<Arc<str>>,
    pub leader: Option<MemberId>,
    /// When the group came into its state; [`TimestampMs::NONE`] in records of old brokers.
    pub state_timestamp: TimestampMs,
    pub members: Vec<MemberMetadata>,
}

/// A member of a classic group in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberMetadata {
    pub id: MemberId,
    pub instance: Option<InstanceId>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// -1 in records of old brokers: the session timeout counts.
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// The member's metadata for the group's protocol.
    pub subscription: Bytes,
    pub assignment: Bytes,
}

/// A committed offset with what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: Offset,
    /// Epoch of the last consumed record, or [`LeaderEpoch::NONE`].
    pub leader_epoch: LeaderEpoch,
    /// The client's own text; `None` is the empty one.
    pub metadata: Option<Arc<str>>,
    pub commit_timestamp: TimestampMs,
    /// Where the client itself chose the retention (OffsetCommit up to version 4).
    pub expire_timestamp: Option<TimestampMs>,
    /// [`TopicId::ZERO`] where the log does not say.
    pub topic_id: TopicId,
}

impl CoordinatorRecord {
    pub fn group(&self) -> &GroupId {
        match self {
            CoordinatorRecord::Group { group, .. }
            | CoordinatorRecord::Offset { group, .. }
            | CoordinatorRecord::Consumer { group, .. } => group,
        }
    }
}
