//! The states of a consumer group and of its members.

/// Kafka's `ConsumerGroupState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsumerGroupState {
    /// No members; perhaps committed offsets.
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Some members have not come to the target assignment.
    Reconciling,
    /// Every member has what the target assignment gives it.
    Stable,
    /// The group's deletion is on its way to the log.
    Dead,
}

impl ConsumerGroupState {
    pub const ALL: [ConsumerGroupState; 5] = [
        ConsumerGroupState::Empty,
        ConsumerGroupState::Assigning,
        ConsumerGroupState::Reconciling,
        ConsumerGroupState::Stable,
        ConsumerGroupState::Dead,
    ];

    /// The name that clients see.
    pub fn name(self) -> &'static str {
        match self {
            ConsumerGroupState::Empty => "Empty",
            ConsumerGroupState::Assigning => "Assigning",
            ConsumerGroupState::Reconciling => "Reconciling",
            ConsumerGroupState::Stable => "Stable",
            ConsumerGroupState::Dead => "Dead",
        }
    }
}

/// By which protocol a member of a consumer group speaks (Kafka's member type).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberProtocol {
    /// JoinGroup, SyncGroup and Heartbeat.
    Classic,
    /// ConsumerGroupHeartbeat.
    Consumer,
}

/// Where a member stands on its way to its target (Kafka: `MemberState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberState {
    /// It has what its epoch gives it.
    Stable,
    /// It has been told to give partitions up, and still owns some of them.
    UnrevokedPartitions,
    /// It has come to its epoch; partitions that are to be its own are still others'.
    UnreleasedPartitions,
}

impl MemberState {
    /// The number that Kafka's records hold.
    pub fn code(self) -> i8 {
        match self {
            MemberState::Stable => 1,
            MemberState::UnrevokedPartitions => 2,
            MemberState::UnreleasedPartitions => 3,
        }
    }

    /// Numbers that Kafka's records do not hold count as stable: the next heartbeat finds what is missing.
    pub fn of_code(code: i8) -> MemberState {
        match code {
            2 => MemberState::UnrevokedPartitions,
            3 => MemberState::UnreleasedPartitions,
            _ => MemberState::Stable,
        }
    }
}
