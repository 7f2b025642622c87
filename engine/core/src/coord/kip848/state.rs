//! The states of a consumer group and of its members.

use super::partitions::Partitions;

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
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
        }
    }

    /// The state of a member of whom the log has this number, and these partitions that it is to give up: as
    /// long as there are some it has them, and without any it waits for nobody but others. Numbers that
    /// Kafka's records do not hold count as stable: the next heartbeat finds what is missing.
    pub fn of_code(code: i8, revoking: &Partitions) -> MemberState {
        match code {
            _ if !revoking.is_empty() => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            _ => MemberState::Stable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{PartitionIndex, PartitionKey, TopicId};
    use crate::coord::ids::Epoch;

    /// As `org.apache.kafka.coordinator.group.modern.MemberState` of 4.3.1 numbers them.
    #[test]
    fn members_states_have_kafkas_numbers() {
        let none = Partitions::default();
        let some = Partitions::of([PartitionKey::new(TopicId([1; 16]), PartitionIndex(0))], Epoch(1));
        let states = [
            (MemberState::Stable, 0, &none),
            (MemberState::UnrevokedPartitions, 1, &some),
            (MemberState::UnreleasedPartitions, 2, &none),
        ];
        for (state, code, revoking) in states {
            assert_eq!((state.code(), MemberState::of_code(code, revoking)), (code, state));
        }
        // Logs of before have other numbers: 1 for stable, 2 for who has partitions to give up,
        // 3 for who waits for some.
        assert_eq!(MemberState::of_code(1, &none), MemberState::Stable);
        assert_eq!(MemberState::of_code(2, &some), MemberState::UnrevokedPartitions);
        assert_eq!(MemberState::of_code(3, &none), MemberState::Stable);
        assert_eq!(MemberState::of_code(127, &none), MemberState::Stable);
    }
}
