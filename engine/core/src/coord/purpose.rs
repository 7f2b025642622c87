//! What a write is for: what is to become true once the offsets topic holds it, and what if it fails.

use super::ids::{Generation, GroupId, MemberId, Token};
use super::request::{Protocol, SkipAssignment};

/// What a write is for, beside its records.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// The records say it all.
    Records,
    /// The same of offsets, which will take so much memory.
    Commit { bytes: usize },
    /// A classic group whose last member is gone.
    Emptied { group: GroupId },
    /// A leader's assignment for `generation` of `group`, which will take so much memory.
    Assignment { group: GroupId, generation: Generation, bytes: usize },
    /// A static member of a stable group under another id.
    Replacement(Box<Replacement>),
    /// Changes of a group of the consumer protocol, that it has become one, or a classic one, among them,
    /// which it has made already: one write of a group at a time,
    /// so that the log never holds a later change without an earlier one.
    Consumer { group: GroupId },
    /// These groups go, unless the write fails.
    Deletion { groups: Vec<GroupId> },
}

/// A static member that came back without its id, and what it was before.
#[derive(Debug, Clone)]
pub(super) struct Replacement {
    pub(super) group: GroupId,
    pub(super) token: Token,
    pub(super) old: MemberId,
    pub(super) new: MemberId,
    /// The group's leader before; a client that does not know how to skip its assignment is told of it.
    pub(super) leader: Option<MemberId>,
    pub(super) skip_assignment: SkipAssignment,
    pub(super) protocols: Vec<Protocol>,
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
}

impl Purpose {
    /// Whether it has come about already, so that a write that fails is asked for again.
    pub(super) fn is_owed(&self) -> bool {
        matches!(self, Purpose::Consumer { .. })
    }

    /// The one group that is written.
    pub(super) fn group(&self) -> Option<&GroupId> {
        match self {
            Purpose::Emptied { group } | Purpose::Assignment { group, .. } | Purpose::Consumer { group } => {
                Some(group)
            }
            Purpose::Replacement(replacement) => Some(&replacement.group),
            Purpose::Records | Purpose::Commit { .. } | Purpose::Deletion { .. } => None,
        }
    }

    /// Memory that is kept for what will be true.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Purpose::Commit { bytes } | Purpose::Assignment { bytes, .. } => *bytes,
            _ => 0,
        }
    }
}
