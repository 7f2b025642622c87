//! What a member asks its coordinator, what it hears, and what it tells whoever reads its partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::range::Subscriber;
use crate::error::ClientError;
use crate::place::Place;

/// What a member is told when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    pub group: String,
    /// To be read; those that do not exist yet are read when they do.
    pub topics: BTreeSet<String>,
    /// Of a static member (KIP-345): it keeps its partitions over a short absence,
    /// and does not leave by itself.
    pub instance: Option<String>,
    /// How long the group waits for a member of which it hears nothing.
    pub session_timeout: Duration,
    /// How long the group waits for a member to give its partitions back.
    pub rebalance_timeout: Duration,
    pub commits: Commits,
}

/// Whether a member commits what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    Often,
    Never,
}

/// Numbers the assignments of one member, so that what is said of an old one is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssignmentId(pub u64);

/// What whoever reads is told.
#[derive(Debug)]
pub enum Notice {
    /// These are to be read now, from what was committed on; `None` where nothing was.
    Assigned { id: AssignmentId, places: BTreeMap<Place, Option<i64>> },
    /// The partitions are to be given back: nothing more is to be read, and `released` is waited for.
    Revoked(AssignmentId),
    /// Others have the partitions already, nothing can be committed any more.
    Lost(AssignmentId),
    /// No coordinator answers; it is asked again until one does.
    Unreachable(String),
    /// The member has left. What could not be committed before, if anything.
    Left { uncommitted: BTreeMap<Place, i64> },
    /// The member cannot go on.
    Failed(ClientError),
}

/// A member's part in a generation of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generation {
    /// -1 before it has joined.
    pub(crate) id: i32,
    /// Empty before the broker gave one.
    pub(crate) member: String,
}

impl Generation {
    /// Of nobody, and of a member before it has joined.
    pub(crate) const NONE: i32 = -1;
}

/// One question; at most one is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    FindCoordinator,
    Join(Generation),
    /// How many partitions these topics have.
    Count(BTreeSet<String>),
    /// What each member gets; empty if this one does not lead.
    Sync(Generation, BTreeMap<String, BTreeSet<Place>>),
    Committed(BTreeSet<Place>),
    Heartbeat(Generation),
    Commit(Generation, BTreeMap<Place, i64>),
    Leave(Generation),
}

impl Request {
    /// For messages to users.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Request::FindCoordinator => "the question for the group's coordinator",
            Request::Join(_) => "JoinGroup",
            Request::Count(_) => "the question for topics",
            Request::Sync(..) => "SyncGroup",
            Request::Committed(_) => "the question for committed offsets",
            Request::Heartbeat(_) => "Heartbeat",
            Request::Commit(..) => "OffsetCommit",
            Request::Leave(_) => "LeaveGroup",
        }
    }

    /// The answer may wait for other members, for as long as the group waits for them.
    pub(crate) fn waits_for_others(&self) -> bool {
        matches!(self, Request::Join(_) | Request::Sync(..))
    }
}

/// Numbers requests: an answer counts only if its request is still the one that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked(pub(crate) u64);

/// What a coordinator says of a member that joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) member: String,
    pub(crate) leader: String,
    /// The group has its assignment already, and the leader need not make one (KIP-814).
    pub(crate) keeps_assignment: bool,
    /// All members, for their leader alone.
    pub(crate) subscribers: Vec<Subscriber>,
}

/// What came of a request; where there is a code it is Kafka's, and not 0.
#[derive(Debug)]
pub(crate) enum Answer {
    Found,
    Joined(Joined),
    /// With the id that the coordinator drew for this member, for the next attempt.
    MemberIdRequired(String),
    Counted(BTreeMap<String, i32>),
    Synced(BTreeSet<Place>),
    /// Places without a committed offset have none; some may have a code.
    Committed(BTreeMap<Place, Result<Option<i64>, i16>>),
    /// Of a heartbeat or of leaving.
    Done,
    /// Of each place its code, 0 where it is stored.
    Stored(BTreeMap<Place, i16>),
    Refused(i16),
    /// No answer: the connection broke, or there was none.
    Broken(String),
    /// Nothing that can be understood.
    Unusable(ClientError),
}

/// What is to be done for a member.
#[derive(Debug)]
pub(crate) enum Action {
    /// On a connection of its own if another request still waits there.
    Ask(Asked, Request),
    Tell(Notice),
}
