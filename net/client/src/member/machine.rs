//! The member: where it stands, and what it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::range::Subscriber;
use super::requests::{Action, Asked, AssignmentId, Commits, Generation, GroupSettings, Notice, Request};
use crate::failure::Failure;
use crate::place::Place;

/// Before a question is asked again; doubled each time, up to a second.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);
/// Whoever reads has it to give its partitions back when the member is to leave.
const READER_PATIENCE: Duration = Duration::from_secs(2);
/// For the last commit and for leaving, where brokers are slow or gone.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

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
    last_asked: u64,
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
    reader_until: Duration,
    give_up_at: Duration,
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

    /// The reader is done with these places up to their offsets.
    pub(crate) fn handle_read(&mut self, id: AssignmentId, next: BTreeMap<Place, i64>) {
        let is_its_own = id == self.assignment && matches!(self.stage, Stage::Reading | Stage::Releasing);
        if is_its_own && self.settings.commits == Commits::Often {
            self.uncommitted.extend(next);
        }
    }

    /// The reader has given back what it had.
    pub(crate) fn handle_released(&mut self, id: AssignmentId) {
        if id == self.assignment && self.stage == Stage::Releasing {
            self.stage = Stage::Released;
        }
    }

    /// The member is to leave: what it has is given back and committed before.
    pub(crate) fn handle_stop(&mut self, now: Duration) {
        if self.leaving.is_some() {
            return;
        }
        let (reader_until, give_up_at) = (now + READER_PATIENCE, now + LEAVE_PATIENCE);
        self.leaving = Some(Leaving { reader_until, give_up_at, uncommitted: BTreeMap::new() });
        self.not_before = now;
        if self.stage == Stage::Reading {
            self.revoke();
        }
        // Other members may be waited for longer than anybody who wants to leave;
        // the connection waits with them.
        if self.asked.take_if(|(_, request)| request.waits_for_others()).is_some() {
            self.has_coordinator = false;
        }
    }

    /// What is to be done next. Ended members have nothing to do.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<Action> {
        self.advance(now);
        if let Some(notice) = self.notices.pop_front() {
            return Some(Action::Tell(notice));
        }
        if self.asked.is_some() || now < self.not_before {
            return None;
        }
        let request = self.next_request(now)?;
        self.last_asked += 1;
        let asked = Asked(self.last_asked);
        self.asked = Some((asked, request.clone()));
        Some(Action::Ask(asked, request))
    }

    /// When it has something to do if nothing happens before.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        if self.has_ended() {
            return None;
        }
        let asks = self.asked.is_none().then(|| self.due_at().max(self.not_before));
        let leaves = self.leaving.as_ref().map(|leaving| match self.stage {
            Stage::Releasing => leaving.reader_until.min(leaving.give_up_at),
            _ => leaving.give_up_at,
        });
        asks.into_iter().chain(leaves).min()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Steps that need no answer.
    fn advance(&mut self, now: Duration) {
        let Some(leaving) = &self.leaving else {
            if self.stage == Stage::Released && self.uncommitted.is_empty() {
                self.stage = Stage::Outside;
            }
            return;
        };
        if self.stage != Stage::Ended && now >= leaving.give_up_at {
            return self.end();
        }
        match self.stage {
            Stage::Releasing if now >= leaving.reader_until => self.stage = Stage::Released,
            Stage::Outside | Stage::Leading(_) | Stage::Joined(_) | Stage::Assigned(_) => {
                self.stage = Stage::Released;
            }
            _ => {}
        }
        let has_to_tell = !self.generation.member.is_empty() && self.settings.instance.is_none();
        if self.stage == Stage::Released && self.uncommitted.is_empty() && !has_to_tell {
            self.end();
        }
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

    pub(super) fn fail(&mut self, failure: Failure) {
        self.stage = Stage::Ended;
        self.notices.push_back(Notice::Failed(failure));
    }
}
