//! Timeouts of a classic group: silent members, ids that nobody joined with, phases that last too long.

use crate::coord::classic::group::ClassicGroup;
use crate::coord::classic::state::GroupState;
use crate::coord::deadlines::{Fired, Subject};
use crate::coord::ids::{MemberId, MonotonicMs};
use crate::coord::turn::Turn;

impl ClassicGroup {
    /// The entry of a member's session, queued for `at`, came up.
    pub(in crate::coord) fn session_came_up(&mut self, id: &MemberId, at: MonotonicMs, turn: &mut Turn<'_>) {
        let group = self.id.clone();
        let subject = || Subject::Session(group, id.clone());
        if let Some(pending) = self.pending.get_mut(id) {
            if turn.fired(&mut pending.timer, at, subject) == Fired::Now {
                self.pending_came_up(id, turn);
            }
            return;
        }
        let Some(member) = self.members.get_mut(id) else { return };
        // A member that waits for the group is looked at again once it is answered.
        if turn.fired(&mut member.session, at, subject) == Fired::NotYet || member.is_excused() {
            return;
        }
        self.remove(id, turn);
        let emptied = self.rebalance(turn);
        self.write_emptied(emptied, None, turn);
    }

    /// First no rebalance waits for it any more, then the id is forgotten.
    fn pending_came_up(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        let Some(pending) = self.pending.get_mut(id) else { return };
        if pending.good_until > turn.now.clock {
            let (group, until) = (&self.id, pending.good_until);
            turn.deadlines.arm(&mut pending.timer, until, || Subject::Session(group.clone(), id.clone()));
        } else {
            self.take_pending(id);
        }
        let emptied = self.complete_join_if_all_joined(turn);
        self.write_emptied(emptied, None, turn);
    }

    /// Whether an entry that was queued for `at` is of a timer of this group.
    pub(in crate::coord) fn owns(&self, at: MonotonicMs, subject: &Subject) -> bool {
        match subject {
            Subject::Session(_, id) => {
                let pending = self.pending.get(id).map(|pending| &pending.timer);
                let timer = self.members.get(id).map(|member| &member.session).or(pending);
                timer.is_some_and(|timer| timer.owns(at))
            }
            Subject::Join(_) => self.join_timer.owns(at),
            Subject::Sync(_) => self.sync_timer.owns(at),
            Subject::Revocation(..) | Subject::Search => false,
        }
    }

    pub(in crate::coord) fn join_came_up(&mut self, at: MonotonicMs, turn: &mut Turn<'_>) {
        let group = self.id.clone();
        if turn.fired(&mut self.join_timer, at, || Subject::Join(group)) == Fired::Now {
            let emptied = self.join_phase_over(turn);
            self.write_emptied(emptied, None, turn);
        }
    }

    pub(in crate::coord) fn sync_came_up(&mut self, at: MonotonicMs, turn: &mut Turn<'_>) {
        let group = self.id.clone();
        if turn.fired(&mut self.sync_timer, at, || Subject::Sync(group)) == Fired::Now {
            let emptied = self.sync_phase_over(turn);
            self.write_emptied(emptied, None, turn);
        }
    }

    /// A group came out of the log: its members have a session from now, and if they are too many now, they
    /// join again and commit before some are left out.
    pub(in crate::coord) fn loaded(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in &ids {
            self.arm_session(id, turn);
        }
        if self.state == GroupState::Stable && self.members.len() > turn.settings.max_size {
            let emptied = self.prepare_rebalance(turn);
            self.write_emptied(emptied, None, turn);
        }
    }
}
