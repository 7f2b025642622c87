//! Calls to the coordinator of a group, on whichever shard that is.

use millrace_core::base::ids::PartitionKey;
use millrace_core::coord::{
    Answer, Beat, BeatRefused, CommitRequest, ConsumerBeat, DeleteOffsetsRequest, Described,
    DescribedConsumerGroup, DescribedGroup, Generation, GroupError, GroupId, HeartbeatRequest, InstanceId,
    JoinRefused, JoinRequest, Joined, LeaveRequest, LeftMember, ListedGroup, MemberId, RefusedOffset,
    SyncRequest, Synced,
};

use crate::api::{FetchOffsets, SelectedOffsets};
use crate::mesh::table::calls;

/// A request to the coordinator of one partition of the offsets topic.
pub(crate) struct GroupCall {
    pub(crate) coordinator: PartitionKey,
    pub(crate) request: GroupRequest,
}

/// The response of a coordinator; an error where the shard is not, or not yet, the coordinator.
pub(crate) type GroupOutcome = Result<GroupResponse, GroupError>;

calls! {
    /// What clients and administrators ask of groups.
    requests GroupRequest;
    /// The response to the [`GroupRequest`] of the same name.
    responses GroupResponse;
    Join(JoinRequest) -> Result<Joined, JoinRefused>;
    Sync(SyncRequest) -> Result<Synced, GroupError>;
    Heartbeat(OwnedHeartbeat) -> Result<(), GroupError>;
    Leave(LeaveRequest) -> Result<Vec<LeftMember>, GroupError>;
    /// The refused offsets; the others are committed.
    Commit(CommitRequest) -> Result<Vec<RefusedOffset>, GroupError>;
    /// The refused partitions; the others have no offset any more.
    DeleteOffsets(DeleteOffsetsRequest) -> Result<Vec<RefusedOffset>, GroupError>;
    DeleteGroups(Vec<GroupId>) -> Vec<(GroupId, Result<(), GroupError>)>;
    SelectOffsets(FetchOffsets) -> Result<SelectedOffsets, GroupError>;
    Describe(Vec<GroupId>) -> Vec<Described<DescribedGroup>>;
    DescribeConsumers(Vec<GroupId>) -> Vec<Described<DescribedConsumerGroup>>;
    ConsumerHeartbeat(Box<ConsumerBeat>) -> Result<Beat, BeatRefused>;
}

impl From<Answer> for GroupResponse {
    fn from(answer: Answer) -> GroupResponse {
        match answer {
            Answer::Join(result) => GroupResponse::Join(result),
            Answer::Sync(result) => GroupResponse::Sync(result),
            Answer::Leave(result) => GroupResponse::Leave(result),
            Answer::Commit(result) => GroupResponse::Commit(result),
            Answer::DeleteOffsets(result) => GroupResponse::DeleteOffsets(result),
            Answer::DeleteGroups(results) => GroupResponse::DeleteGroups(results),
            Answer::ConsumerHeartbeat(result) => GroupResponse::ConsumerHeartbeat(result),
        }
    }
}

/// What each of some partitions of the offsets topic says of its groups.
pub(crate) type ListedPartitions = Vec<Result<Vec<ListedGroup>, GroupError>>;

/// A heartbeat on its way to another shard.
pub(crate) struct OwnedHeartbeat {
    group: GroupId,
    generation: Generation,
    member: MemberId,
    instance: Option<InstanceId>,
}

impl OwnedHeartbeat {
    pub(crate) fn of(beat: &HeartbeatRequest<'_>) -> OwnedHeartbeat {
        OwnedHeartbeat {
            group: beat.group.into(),
            generation: beat.generation,
            member: beat.member.into(),
            instance: beat.instance.map(Into::into),
        }
    }

    pub(crate) fn request(&self) -> HeartbeatRequest<'_> {
        HeartbeatRequest {
            group: self.group.as_str(),
            generation: self.generation,
            member: self.member.as_str(),
            instance: self.instance.as_ref().map(InstanceId::as_str),
        }
    }
}
