//! What a member is told, and what it does next.

use std::collections::BTreeMap;
use std::time::Duration;

use super::requests::{Action, Asked, AssignmentId, Commits};
use super::state::{Leaving, Member, Stage};
use crate::place::Place;

/// Whoever reads has it to give its partitions back when the member is to leave.
const READER_PATIENCE: Duration = Duration::from_secs(2);
/// For the last commit and for leaving, where brokers are slow or gone.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

impl Member {
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
}
