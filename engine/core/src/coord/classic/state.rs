//! The states of a classic group and the ways between them.

/// Kafka's `ClassicGroupState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members; perhaps committed offsets.
    Empty,
    /// Members are expected to join.
    PreparingRebalance,
    /// All have joined; the leader is expected to assign.
    CompletingRebalance,
    /// Every member has its assignment, or can fetch it.
    Stable,
    /// The group's deletion is on its way to the log.
    Dead,
}

impl GroupState {
    pub const ALL: [GroupState; 5] = [
        GroupState::Empty,
        GroupState::PreparingRebalance,
        GroupState::CompletingRebalance,
        GroupState::Stable,
        GroupState::Dead,
    ];

    /// The name that clients see.
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }

    /// Whether a group in this state may go into `next`.
    /// A deletion whose write fails leads back from Dead to Empty.
    pub(super) fn leads_to(self, next: GroupState) -> bool {
        use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        match next {
            Empty => matches!(self, PreparingRebalance | Dead),
            PreparingRebalance => matches!(self, Empty | CompletingRebalance | Stable),
            CompletingRebalance => self == PreparingRebalance,
            Stable => self == CompletingRebalance,
            Dead => self == Empty,
        }
    }
}
