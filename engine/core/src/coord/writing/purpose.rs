//! What a write is for: what is to become true once the offsets topic holds it, and what if it fails.

use crate::coord::ids::{Generation, GroupId, MemberId, Token};
use crate::coord::request::{Protocol, SkipAssignment};

/// What a write is for, beside its records.
#[derive(Debug, Clone)]
pub(in crate::coord) enum WritePurpose {
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
pub(in crate::coord) struct Replacement {
    pub(in crate::coord) group: GroupId,
    pub(in crate::coord) token: Token,
    pub(in crate::coord) old: MemberId,
    pub(in crate::coord) new: MemberId,
    /// The group's leader before; a client that does not know how to skip its assignment is told of it.
    pub(in crate::coord) leader: Option<MemberId>,
    pub(in crate::coord) skip_assignment: SkipAssignment,
    pub(in crate::coord) protocols: Vec<Protocol>,
    pub(in crate::coord) session_timeout_ms: i32,
    pub(in crate::coord) rebalance_timeout_ms: i32,
}

impl WritePurpose {
    /// Whether it has come about already, so that a write that fails is asked for again.
    pub(in crate::coord) fn is_owed(&self) -> bool {
        matches!(self, WritePurpose::Consumer { .. })
    }

    /// The one group that is written.
    pub(in crate::coord) fn group(&self) -> Option<&GroupId> {
        match self {
            WritePurpose::Emptied { group }
            | WritePurpose::Assignment { group, .. }
            | WritePurpose::Consumer { group } => Some(group),
            WritePurpose::Replacement(replacement) => Some(&replacement.group),
            WritePurpose::Records | WritePurpose::Commit { .. } | WritePurpose::Deletion { .. } => None,
        }
    }

    /// Memory that is kept for what will be true.
    pub(in crate::coord) fn bytes(&self) -> usize {
        match self {
            WritePurpose::Commit { bytes } | WritePurpose::Assignment { bytes, .. } => *bytes,
            _ => 0,
        }
    }
}
