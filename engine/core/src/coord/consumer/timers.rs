//! The time that members have: for their next sign of life, and for their next step.

use super::state::group::ConsumerGroup;
use crate::coord::deadlines::Subject;
use crate::coord::ids::{MemberId, MonotonicMs};
use crate::coord::turn::Turn;

impl ConsumerGroup {
    /// Counts a member's silence from now.
    pub(super) fn arm_session(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        let group = self.id.clone();
        let consumer_timeout_ms = turn.settings.of_group(group.as_str()).session_timeout_ms;
        let member = self.member(id);
        let timeout_ms =
            member.classic.as_ref().map_or(consumer_timeout_ms, |classic| classic.session_timeout_ms);
        turn.arm(&mut member.session, timeout_ms, || Subject::Session(group, id.clone()));
    }

    /// Counts the time from now that a member has for its next step.
    pub(super) fn arm_rebalance(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        let group = self.id.clone();
        let member = self.member(id);
        let timeout_ms = member.rebalance_timeout_ms;
        turn.arm(&mut member.rebalance, timeout_ms, || Subject::Revocation(group, id.clone()));
    }

    /// A member lives, while nothing else that it says can be taken in:
    /// that it takes the step that is waited for, either.
    pub(in crate::coord) fn hear_of(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        let Some(is_awaited) = self.members.get(id).map(|member| member.rebalance.is_armed()) else { return };
        self.arm_session(id, turn);
        if is_awaited {
            self.arm_rebalance(id, turn);
        }
    }

    /// Whether an entry that was queued for `at` is of a timer of this group.
    pub(in crate::coord) fn owns(&self, at: MonotonicMs, subject: &Subject) -> bool {
        match subject {
            Subject::Session(_, id) => self.members.get(id).is_some_and(|member| member.session.owns(at)),
            Subject::Revocation(_, id) => {
                self.members.get(id).is_some_and(|member| member.rebalance.owns(at))
            }
            Subject::Join(_) | Subject::Sync(_) | Subject::Search => false,
        }
    }
}
