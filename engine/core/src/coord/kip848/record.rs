//! What the offsets topic holds of a consumer group, as logical records.

use std::sync::Arc;

use super::partitions::Partitions;
use super::state::MemberState;
use crate::base::TimestampMs;
use crate::coord::ids::{Epoch, InstanceId, MemberId};
use crate::coord::request::Protocol;

/// One record of a consumer group; a value of `None` is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerRecord {
    /// `ConsumerGroupMetadata`.
    Epoch(Option<GroupEpoch>),
    /// `ConsumerGroupMemberMetadata`.
    Member(MemberId, Option<ConsumerMemberMetadata>),
    /// `ConsumerGroupRegularExpression`.
    Pattern(Arc<str>, Option<ResolvedPattern>),
    /// `ConsumerGroupTargetAssignmentMetadata`.
    TargetEpoch(Option<TargetEpoch>),
    /// `ConsumerGroupTargetAssignmentMember`.
    Target(MemberId, Option<Partitions>),
    /// `ConsumerGroupCurrentMemberAssignment`.
    Current(MemberId, Option<CurrentAssignment>),
}

/// How often the group has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupEpoch {
    pub epoch: Epoch,
    /// Of the subscribed topics as they were; only ever compared with what the same broker made.
    pub metadata_hash: i64,
}

/// A member as its heartbeats describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerMemberMetadata {
    pub instance: Option<InstanceId>,
    pub rack: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub topics: Vec<Arc<str>>,
    pub pattern: Option<Arc<str>>,
    pub rebalance_timeout_ms: i32,
    pub assignor: Option<Arc<str>>,
    /// Of a member that goes on with the classic protocol.
    pub classic: Option<ClassicMetadata>,
}

/// What a member said that joined with the classic protocol (`ClassicMemberMetadata`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicMetadata {
    pub session_timeout_ms: i32,
    /// Most wanted first; never empty.
    pub protocols: Vec<Protocol>,
}

/// A pattern and the topics that it matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPattern {
    pub topics: Vec<Arc<str>>,
    /// Of the metadata that it was resolved with.
    pub version: u64,
    pub timestamp: TimestampMs,
}

/// The epoch that targets were assigned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetEpoch {
    pub epoch: Epoch,
    /// When; [`TimestampMs`] of 0 where the record does not say.
    pub timestamp: TimestampMs,
}

/// What a member owns and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentAssignment {
    pub epoch: Epoch,
    pub previous_epoch: Epoch,
    pub state: MemberState,
    pub assigned: Partitions,
    pub revoking: Partitions,
}
