//! What groups answer, without the wire.

use bytes::Bytes;
use std::sync::Arc;

use super::error::GroupError;
use super::ids::{Generation, GroupId, InstanceId, MemberId, TopicName};
use super::kip848::{Beat, BeatRefused};
use crate::base::PartitionIndex;

/// The answer to a request that waited under a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Join(Result<Joined, JoinRefused>),
    Sync(Result<Synced, GroupError>),
    Leave(Result<Vec<LeftMember>, GroupError>),
    /// The refused offsets; the others are committed.
    Commit(Result<Vec<RefusedOffset>, GroupError>),
    /// The refused partitions; the others have no offset any more.
    DeleteOffsets(Result<Vec<RefusedOffset>, GroupError>),
    /// One result for each group of the request, in its order.
    DeleteGroups(Vec<(GroupId, Result<(), GroupError>)>),
    ConsumerHeartbeat(Result<Beat, BeatRefused>),
}

/// A member is in a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub member: MemberId,
    pub generation: Generation,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub leader: Option<MemberId>,
    /// The leader leaves the group's assignment as it is.
    pub skip_assignment: bool,
    /// For the leader only: everybody, and what they say to the chosen protocol.
    pub members: Vec<JoinedMember>,
}

/// A member as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub metadata: Bytes,
}

/// A join that is refused, and the member id that Kafka's answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRefused {
    pub error: GroupError,
    pub member: MemberId,
}

/// A member has its assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub assignment: Bytes,
}

/// What became of one member of a LeaveGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub result: Result<(), GroupError>,
}

/// A partition whose offset was not committed, or not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedOffset {
    pub topic: TopicName,
    pub partition: PartitionIndex,
    pub error: GroupError,
}

impl Answer {
    pub fn join_refused(error: GroupError, member: MemberId) -> Answer {
        Answer::Join(Err(JoinRefused { error, member }))
    }

    /// The answer to the same request where its write failed.
    pub fn failed(self, error: GroupError) -> Answer {
        match self {
            Answer::Join(Ok(joined)) => Answer::join_refused(error, joined.member),
            Answer::Join(Err(refused)) => Answer::join_refused(error, refused.member),
            Answer::Sync(_) => Answer::Sync(Err(error)),
            Answer::Leave(_) => Answer::Leave(Err(error)),
            Answer::ConsumerHeartbeat(_) => Answer::ConsumerHeartbeat(Err(error.into())),
            Answer::Commit(_) => Answer::Commit(Err(error)),
            Answer::DeleteOffsets(_) => Answer::DeleteOffsets(Err(error)),
            Answer::DeleteGroups(mut groups) => {
                for (_, result) in groups.iter_mut().filter(|(_, result)| result.is_ok()) {
                    *result = Err(error);
                }
                Answer::DeleteGroups(groups)
            }
        }
    }
}

impl JoinRefused {
    /// The member is not, or no longer, of the group; it joins anew.
    pub fn unknown_member() -> JoinRefused {
        JoinRefused { error: GroupError::UnknownMemberId, member: MemberId::none() }
    }
}
