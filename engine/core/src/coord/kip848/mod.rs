//! What the machine, the records and the requests of the consumer protocol (KIP-848) have in common.

mod assignor;
mod migration;
mod partitions;
mod record;
mod request;
mod state;
mod topics;

pub use assignor::Assignor;
pub use migration::MigrationPolicy;
pub use partitions::Partitions;
pub use record::{
    ClassicMetadata, ConsumerMemberMetadata, ConsumerRecord, CurrentAssignment, GroupEpoch, ResolvedPattern,
    TargetEpoch,
};
pub use request::{Beat, BeatRefused, ConsumerBeat, MemberIdOrigin};
pub use state::{ConsumerGroupState, MemberProtocol, MemberState};
pub use topics::{TopicView, Topics};
