//! The group coordinator: members, generations and committed offsets, as machines that a shard drives.

mod action;
mod answer;
mod classic;
mod consumer;
mod coordinator;
mod cost;
mod deadlines;
mod embedded;
mod error;
mod group;
mod ids;
mod kip848;
mod mapping;
mod migration;
mod offsets;
mod record;
pub mod records;
mod request;
mod settings;
mod tally;
mod turn;
mod writing;

pub use action::Action;
pub use answer::{Answer, JoinRefused, Joined, JoinedMember, LeftMember, RefusedOffset, Synced};
pub use classic::GroupState;
pub use coordinator::{
    Coordinator, Described, DescribedConsumer, DescribedConsumerGroup, DescribedGroup, DescribedMember,
    GroupFigures, GroupFilter, ListedGroup, Loader,
};
pub use error::{GroupError, WriteFault};
pub use group::GroupStatus;
pub use ids::{
    Epoch, Generation, GroupId, InstanceId, MemberId, MonotonicMs, Now, Token, TopicName, WriteId,
    partition_of,
};
pub use kip848::{
    Assignor, Beat, BeatRefused, ClassicMetadata, ConsumerBeat, ConsumerGroupState, ConsumerMemberMetadata,
    ConsumerRecord, CurrentAssignment, GroupEpoch, MemberIdOrigin, MemberProtocol, MemberState,
    MigrationPolicy, Partitions, ResolvedPattern, TargetEpoch, TopicView, Topics,
};
pub use record::{CommittedOffset, CoordinatorRecord, GroupMetadata, MemberMetadata};
pub use request::{
    CommitRequest, DeleteOffsetsRequest, HeartbeatRequest, JoinRequest, LeaveRequest, LeavingMember,
    MemberIdHandshake, OffsetToCommit, Protocol, SkipAssignment, SyncRequest, UnknownGroup,
};
pub use settings::GroupSettings;
pub use tally::GroupTally;
