//! What is asked of a coordinator over the mesh, and what it answers.

use millrace_core::base::ids::{PartitionIndex, PartitionKey};
use millrace_core::coord::{
    Answer as LateAnswer, CommitRequest, CommittedOffset, ConsumerBeat, DeleteOffsetsRequest, Described,
    DescribedConsumerGroup, DescribedGroup, Epoch, Generation, GroupError, GroupId, HeartbeatRequest,
    InstanceId, JoinRequest, LeaveRequest, ListedGroup, MemberId, SyncRequest, TopicName,
};

/// A request to the coordinator of one partition of the offsets topic.
pub(crate) struct GroupAsk {
    pub(crate) coordinator: PartitionKey,
    pub(crate) request: GroupRequest,
}

/// What clients and administrators ask of groups.
pub(crate) enum GroupRequest {
    Join(JoinRequest),
    Sync(SyncRequest),
    Heartbeat(OwnedHeartbeat),
    Leave(LeaveRequest),
    Commit(CommitRequest),
    DeleteOffsets(DeleteOffsetsRequest),
    DeleteGroups(Vec<GroupId>),
    FetchOffsets(FetchOffsets),
    Describe(Vec<GroupId>),
    DescribeConsumers(Vec<GroupId>),
    ConsumerHeartbeat(Box<ConsumerBeat>),
}

/// The answer to the [`GroupRequest`] of the same name; what has to wait for the log comes as the coordinator's own.
pub(crate) enum GroupAnswer {
    Late(LateAnswer),
    Heartbeat(Result<(), GroupError>),
    Offsets(Result<SelectedOffsets, GroupError>),
    Described(Vec<Described<DescribedGroup>>),
    DescribedConsumers(Vec<Described<DescribedConsumerGroup>>),
    /// This shard is not, or not yet, the coordinator.
    Refused(GroupError),
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

/// OffsetFetch of one group.
#[derive(Debug, Clone)]
pub struct FetchOffsets {
    pub group: GroupId,
    /// Who asks, where it says so: members of the consumer protocol from version 9.
    pub member: Option<MemberId>,
    /// Below 0 where nobody says so.
    pub epoch: Epoch,
    pub selection: OffsetSelection,
}

/// Which committed offsets are wanted.
#[derive(Debug, Clone)]
pub enum OffsetSelection {
    All,
    Of(Vec<(TopicName, PartitionIndex)>),
}

/// What a group has committed. Of those asked for by name those without an offset are left out.
pub type SelectedOffsets = Vec<(TopicName, Vec<(PartitionIndex, CommittedOffset)>)>;
