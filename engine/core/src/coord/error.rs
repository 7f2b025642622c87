//! What groups answer when they refuse: Kafka's own errors, by name.

use thiserror::Error;

/// Why a group refuses a request. Each is the error of Kafka that bears its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GroupError {
    #[error("the coordinator is not available")]
    CoordinatorNotAvailable,
    #[error("the coordinator is still reading its log")]
    CoordinatorLoadInProgress,
    #[error("this is not the correct coordinator")]
    NotCoordinator,
    #[error("the server met an unexpected error")]
    UnknownServerError,
    #[error("the group id is invalid")]
    InvalidGroupId,
    #[error("the generation is not the group's")]
    IllegalGeneration,
    #[error("the coordinator is not aware of this member")]
    UnknownMemberId,
    #[error("the member's protocol type or protocols are not the group's")]
    InconsistentGroupProtocol,
    #[error("the session timeout is outside the range that the broker allows")]
    InvalidSessionTimeout,
    #[error("the group is rebalancing, a rejoin is needed")]
    RebalanceInProgress,
    #[error("the group has reached its maximum size")]
    GroupMaxSizeReached,
    #[error("the member must join again with the id it was given")]
    MemberIdRequired,
    #[error("the static member was replaced by another with the same instance id")]
    FencedInstanceId,
    #[error("the group id does not exist")]
    GroupIdNotFound,
    #[error("the group is not empty")]
    NonEmptyGroup,
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
    #[error("the metadata beside the offset is too large")]
    OffsetMetadataTooLarge,
    #[error("the request is malformed")]
    InvalidRequest,
    #[error("this version of the request cannot say what the group has to know")]
    UnsupportedVersion,
    #[error("the member epoch is not that of the member")]
    StaleMemberEpoch,
    #[error("the member was fenced, it has to join again at epoch 0")]
    FencedMemberEpoch,
    #[error("the instance id is still another member's")]
    UnreleasedInstanceId,
    #[error("the assignor is not one of the broker's")]
    UnsupportedAssignor,
    #[error("the regular expression is invalid")]
    InvalidRegularExpression,
}

/// Why a write to the offsets topic did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WriteFault {
    /// The topic is not there, or not enough replicas are, or it took too long: somebody may succeed soon.
    #[error("the offsets topic cannot be written now")]
    Unavailable,
    /// The partition is led elsewhere, or its storage failed.
    #[error("this broker cannot write the partition of the offsets topic")]
    NotLeader,
    /// The records do not fit into a batch of the offsets topic.
    #[error("the records are too large for the offsets topic")]
    TooLarge,
}

impl From<WriteFault> for GroupError {
    /// What clients are told in Kafka's place.
    fn from(fault: WriteFault) -> GroupError {
        match fault {
            WriteFault::Unavailable => GroupError::CoordinatorNotAvailable,
            WriteFault::NotLeader => GroupError::NotCoordinator,
            WriteFault::TooLarge => GroupError::UnknownServerError,
        }
    }
}
