//! What clients ask of groups, without the wire: flags say what a request's version means.

use bytes::Bytes;
use std::sync::Arc;

use super::ids::{Generation, GroupId, InstanceId, MemberId, TopicName};
use crate::base::{LeaderEpoch, Offset, PartitionIndex, TopicId};

/// Whether a dynamic member must come back with the id it is given before it counts (KIP-394; JoinGroup from
/// version 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberIdHandshake {
    Required,
    Absent,
}

/// Whether the client knows that a leader may be told to leave the assignment as it is (KIP-814;
/// JoinGroup from version 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipAssignment {
    Known,
    Unknown,
}

/// A protocol that a member offers: an assignor's name and what the member has to say to it,
/// most wanted first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    pub name: Arc<str>,
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    pub group: GroupId,
    /// Empty where the client has none yet.
    pub member: MemberId,
    /// Drawn by the host; becomes the member's id if it has none: client id or instance id, `-`,
    /// and a random UUID.
    pub new_member: MemberId,
    /// The same in a consumer group: a random id alone.
    pub new_consumer: MemberId,
    pub instance: Option<InstanceId>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub session_timeout_ms: i32,
    /// Version 0 has none: the session timeout counts.
    pub rebalance_timeout_ms: i32,
    pub protocol_type: Arc<str>,
    pub protocols: Vec<Protocol>,
    pub handshake: MemberIdHandshake,
    pub skip_assignment: SkipAssignment,
}

/// SyncGroup; only a leader's has assignments.
#[derive(Debug, Clone)]
pub struct SyncRequest {
    pub group: GroupId,
    pub generation: Generation,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    /// From version 5.
    pub protocol_type: Option<Arc<str>>,
    /// From version 5.
    pub protocol: Option<Arc<str>>,
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// Heartbeat.
#[derive(Debug, Clone, Copy)]
pub struct HeartbeatRequest<'a> {
    pub group: &'a str,
    pub generation: Generation,
    pub member: &'a str,
    pub instance: Option<&'a str>,
}

/// LeaveGroup; up to version 2 of one member.
#[derive(Debug, Clone)]
pub struct LeaveRequest {
    pub group: GroupId,
    pub members: Vec<LeavingMember>,
}

/// A member by its id, or, where that is empty, by its instance id: then an administrator removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
}

/// What a commit into a group that is not there is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownGroup {
    /// From version 9: GROUP_ID_NOT_FOUND.
    NotFound,
    /// Before: ILLEGAL_GENERATION.
    IllegalGeneration,
}

/// OffsetCommit.
#[derive(Debug, Clone)]
pub struct CommitRequest {
    pub group: GroupId,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    /// [`Generation::NONE`] from clients that are no members.
    pub generation: Generation,
    /// Versions 2 to 4; `None`: the broker's retention.
    pub retention_ms: Option<i64>,
    pub unknown_group: UnknownGroup,
    pub offsets: Vec<OffsetToCommit>,
}

/// An offset to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetToCommit {
    pub topic: TopicName,
    /// [`TopicId::ZERO`] where only the name is known.
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    pub offset: Offset,
    pub leader_epoch: LeaderEpoch,
    /// `None` is the empty text.
    pub metadata: Option<Arc<str>>,
}

/// OffsetDelete.
#[derive(Debug, Clone)]
pub struct DeleteOffsetsRequest {
    pub group: GroupId,
    pub partitions: Vec<(TopicName, PartitionIndex)>,
}
