//! What a member is, and the steps from one stage to another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::range::Subscriber;
use super::requests::{Asked, AssignmentId, Generation, GroupSettings, Notice, Request};
use crate::error::ClientError;
use crate::place::Place;

/// Before a question is asked again; doubled each time, up to a second.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

/// One member of a classic group with eager rebalances, from its first JoinGroup until it has left.
/// `Membership` drives it: it carries out the actions, and hands in answers, what the reader says,
/// and the time since the member began.
///
/// Invariants: at most one request is under way. Partitions are given to the reader after the group has
/// synced, and the member joins again only when the reader has given them back,
/// or when the group has taken them away.
pub(crate) struct Member {
    pub(super) settings: GroupSettings,
    pub(super) generation: Generation,
    pub(super) stage: Stage,
    pub(super) has_coordinator: bool,
    pub(super) asked: Option<(Asked, Request)>,
    pub(super) last_asked: u64,
    /// Nothing is asked before this.
    pub(super) not_before: Duration,
    pause: Duration,
    pub(super) heartbeat_at: Duration,
    pub(super) commit_at: Duration,
    /// When the leader looks next for new partitions.
    pub(super) look_at: Duration,
    pub(super) assignment: AssignmentId,
    /// What was read, and is not known to be committed: the next offset of each.
    pub(super) uncommitted: BTreeMap<Place, i64>,
    /// Topics of all members, for their leader alone.
    pub(super) led: BTreeSet<String>,
    /// Their partitions when they were assigned; nothing where the leader did not assign them itself.
    pub(super) counts: Option<BTreeMap<String, i32>>,
    /// The user knows that no coordinator answers.
    pub(super) is_unreachable: bool,
    pub(super) leaving: Option<Leaving>,
    pub(super) notices: VecDeque<Notice>,
}

/// What the member has done of its way to read, and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Of no generation: it has to join.
    Outside,
    /// It leads a new generation, and has to know the topics.
    Leading(Vec<Subscriber>),
    /// It has to sync, as the leader with what each member gets.
    Joined(BTreeMap<String, BTreeSet<Place>>),
    /// These are its own; where they are read from is to be asked.
    Assigned(BTreeSet<Place>),
    Reading,
    /// The reader was asked to give back what it has.
    Releasing,
    /// It has; what was read last is to be committed.
    Released,
    Ended,
}

/// A member that is to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) reader_until: Duration,
    pub(super) give_up_at: Duration,
    /// What can be committed no more.
    pub(super) uncommitted: BTreeMap<Place, i64>,
}

impl Member {
    pub(crate) fn new(settings: GroupSettings) -> Member {
        Member {
            settings,
            generation: Generation { id: Generation::NONE, member: String::new() },
            stage: Stage::Outside,
            has_coordinator: false,
            asked: None,
            last_asked: 0,
            not_before: Duration::ZERO,
            pause: PAUSE_FIRST,
            heartbeat_at: Duration::ZERO,
            commit_at: Duration::ZERO,
            look_at: Duration::ZERO,
            assignment: AssignmentId(0),
            uncommitted: BTreeMap::new(),
            led: BTreeSet::new(),
            counts: None,
            is_unreachable: false,
            leaving: None,
            notices: VecDeque::new(),
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Asks the reader for its partitions.
    pub(super) fn revoke(&mut self) {
        self.stage = Stage::Releasing;
        self.notices.push_back(Notice::Revoked(self.assignment));
    }

    /// The group goes on to another generation: this one is to be left in order.
    pub(super) fn rejoin(&mut self, now: Duration) {
        match self.stage {
            Stage::Reading => self.revoke(),
            Stage::Releasing | Stage::Ended => {}
            // What was read cannot be committed between two generations.
            Stage::Released => self.forget_uncommitted(),
            Stage::Outside | Stage::Leading(_) | Stage::Joined(_) | Stage::Assigned(_) => {
                self.stage = Stage::Outside;
                self.wait(now);
            }
        }
    }

    /// The group went on without this member.
    pub(super) fn lose(&mut self, now: Duration) {
        if matches!(self.stage, Stage::Reading | Stage::Releasing) {
            self.notices.push_back(Notice::Lost(self.assignment));
        }
        self.forget_uncommitted();
        self.generation.id = Generation::NONE;
        self.stage = Stage::Outside;
        self.wait(now);
    }

    fn forget_uncommitted(&mut self) {
        let uncommitted = std::mem::take(&mut self.uncommitted);
        if let Some(leaving) = &mut self.leaving {
            leaving.uncommitted.extend(uncommitted);
        }
    }

    /// Asks nothing for a while.
    pub(super) fn wait(&mut self, now: Duration) {
        self.not_before = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_LONGEST);
    }

    /// Whether the same was refused for more than a second.
    pub(super) fn has_waited_long(&self) -> bool {
        self.pause == PAUSE_LONGEST
    }

    /// All is well again: the next pause is a short one.
    pub(super) fn recover(&mut self) {
        self.pause = PAUSE_FIRST;
        self.is_unreachable = false;
    }

    pub(super) fn end(&mut self) {
        self.forget_uncommitted();
        let uncommitted = self.leaving.take().map(|leaving| leaving.uncommitted).unwrap_or_default();
        self.stage = Stage::Ended;
        self.asked = None;
        self.notices.push_back(Notice::Left { uncommitted });
    }

    pub(super) fn fail(&mut self, failure: ClientError) {
        self.stage = Stage::Ended;
        self.notices.push_back(Notice::Failed(failure));
    }
}
