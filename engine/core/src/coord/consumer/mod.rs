//! Groups of the consumer protocol (KIP-848): the coordinator assigns, members reconcile one by one.

mod admission;
mod assignors;
mod changes;
pub(in crate::coord) mod checks;
mod fetching;
mod group;
mod heartbeat;
mod leave;
mod member;
mod partitions;
mod pattern;
mod persistence;
mod reconcile;
mod record;
mod request;
mod state;
mod subscription;
mod target;
mod topics;

pub use assignors::Assignor;
pub(in crate::coord) use group::ConsumerGroup;
pub(in crate::coord) use member::ConsumerMember;
pub use partitions::Partitions;
pub use record::{
    ConsumerMemberMetadata, ConsumerRecord, CurrentAssignment, GroupEpoch, ResolvedPattern, TargetEpoch,
};
pub use request::{Beat, BeatRefused, ConsumerBeat, MemberIdOrigin};
pub use state::{ConsumerGroupState, MemberState};
pub use topics::{TopicView, Topics};
