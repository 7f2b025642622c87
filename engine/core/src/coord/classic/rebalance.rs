//! From one generation to the next: when a rebalance begins, whom it waits for, and how it ends.

use bytes::Bytes;

use super::group::{ClassicGroup, JoinPhase, Newcomers};
use super::member::{Member, SyncDuty, Tenure};
use super::state::GroupState;
use crate::coord::answer::{Answer, Joined, JoinedMember};
use crate::coord::deadlines::Subject;
use crate::coord::error::GroupError;
use crate::coord::ids::{MemberId, MonotonicMs, Token};
use crate::coord::record::CoordinatorRecord;
use crate::coord::turn::Turn;
use crate::coord::writing::purpose::WritePurpose;

/// A group of absent static members is looked at no more often, whatever rebalance timeout they ask for: with
/// none it would be looked at without end.
const ABSENCE_CHECK_MS_MIN: i32 = 1_000;

impl ClassicGroup {
    /// Begins a rebalance, or, where one is under way, sees whether all are there now.
    /// For changes that cannot empty the group.
    pub(in crate::coord) fn rebalance_or_complete_join(&mut self, turn: &mut Turn<'_>) {
        let emptied = self.rebalance(turn);
        self.write_emptied(emptied, None, turn);
    }

    /// The same; returns the record of a group that has no members left, to be written.
    #[must_use]
    pub(super) fn rebalance(&mut self, turn: &mut Turn<'_>) -> Option<CoordinatorRecord> {
        match self.state {
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.prepare_rebalance(turn)
            }
            GroupState::PreparingRebalance => self.complete_join_if_all_joined(turn),
            GroupState::Dead => None,
        }
    }

    /// Writes what `rebalance` returned; the reply waits for it.
    pub(super) fn write_emptied(
        &mut self,
        record: Option<CoordinatorRecord>,
        reply: Option<(Token, Answer)>,
        turn: &mut Turn<'_>,
    ) {
        match (record, reply) {
            (Some(record), reply) => {
                turn.write(vec![record], WritePurpose::Emptied { group: self.id.clone() }, reply);
            }
            (None, Some((token, answer))) => turn.reply(token, answer),
            (None, None) => {}
        }
    }

    #[must_use]
    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) -> Option<CoordinatorRecord> {
        self.give_up_assignment(GroupError::RebalanceInProgress, turn);
        self.set_sync_duty(SyncDuty::Done);
        self.sync_timer.cancel();
        let is_initial = self.state == GroupState::Empty;
        self.become_state(GroupState::PreparingRebalance, turn.now);
        if !is_initial {
            self.phase = JoinPhase::Again;
            let emptied = self.complete_join_if_all_joined(turn);
            if self.state == GroupState::PreparingRebalance {
                self.arm_join(self.rebalance_timeout_ms(), turn);
            }
            return emptied;
        }
        let delay_ms = turn.settings.initial_rebalance_delay_ms;
        let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
        self.phase = JoinPhase::Initial { delay_ms, remaining_ms, newcomers: Newcomers::None };
        self.arm_join(delay_ms, turn);
        None
    }

    /// Members that wait for an assignment get `error` instead, and nobody has one.
    pub(super) fn give_up_assignment(&mut self, error: GroupError, turn: &mut Turn<'_>) {
        self.assigning = None;
        if self.state != GroupState::CompletingRebalance {
            return;
        }
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.assignment = Bytes::new();
            self.held.touched.push(id.clone());
            if member.syncing.is_some() {
                self.answer_sync(&id, Err(error), turn);
                self.arm_session(&id, turn);
            }
        }
    }

    fn arm_join(&mut self, ms: i32, turn: &mut Turn<'_>) {
        turn.arm(&mut self.join_timer, ms, || Subject::Join(self.id.clone()));
    }

    /// The join phase is over before its time once everybody has joined; its initial delay runs its course.
    #[must_use]
    pub(super) fn complete_join_if_all_joined(&mut self, turn: &mut Turn<'_>) -> Option<CoordinatorRecord> {
        let may_end = self.state == GroupState::PreparingRebalance && self.phase == JoinPhase::Again;
        if may_end && self.have_all_joined(turn.now.clock) { self.complete_join(turn) } else { None }
    }

    /// Ids that were given away a moment ago count as members that have not joined yet.
    fn have_all_joined(&self, now: MonotonicMs) -> bool {
        let is_awaited = |until: MonotonicMs| until > now;
        self.joining == self.members.len()
            && !self.pending.values().any(|pending| is_awaited(pending.awaited_until))
    }

    /// The time of the join phase is over.
    #[must_use]
    pub(super) fn join_phase_over(&mut self, turn: &mut Turn<'_>) -> Option<CoordinatorRecord> {
        if self.state != GroupState::PreparingRebalance {
            return None;
        }
        if let JoinPhase::Initial { delay_ms, remaining_ms, newcomers: Newcomers::Some } = self.phase
            && remaining_ms > 0
        {
            let next_ms = turn.settings.initial_rebalance_delay_ms.min(remaining_ms);
            let remaining_ms = remaining_ms.saturating_sub(delay_ms).max(0);
            self.phase = JoinPhase::Initial { delay_ms: next_ms, remaining_ms, newcomers: Newcomers::None };
            self.arm_join(next_ms, turn);
            return None;
        }
        self.complete_join(turn)
    }

    /// Ends the join phase: who has not joined is no member any more, unless it is static;
    /// the others are the next generation.
    #[must_use]
    fn complete_join(&mut self, turn: &mut Turn<'_>) -> Option<CoordinatorRecord> {
        self.join_timer.cancel();
        self.remove_absent(turn);
        if !self.members.is_empty() && !self.elect_leader() {
            // Static members only, and none of them is back: their sessions decide.
            self.phase = JoinPhase::Again;
            self.arm_join(self.rebalance_timeout_ms().max(ABSENCE_CHECK_MS_MIN), turn);
            return None;
        }
        self.generation = self.generation.next();
        self.protocol = self.counts.elect(self.members.values());
        if self.members.is_empty() {
            self.become_state(GroupState::Empty, turn.now);
            return Some(self.record());
        }
        assert!(self.protocol.is_some(), "members of {} have no protocol in common", self.id);
        self.become_state(GroupState::CompletingRebalance, turn.now);
        self.begin_generation(turn);
        None
    }

    fn remove_absent(&mut self, turn: &mut Turn<'_>) {
        let is_absent = |member: &&Member| member.joining.is_none() && member.instance.is_none();
        let absent: Vec<MemberId> =
            self.members.values().filter(is_absent).map(|member| member.id.clone()).collect();
        for id in &absent {
            self.remove(id, turn);
        }
    }

    /// The leader stays, if it has joined. Whether there is one now.
    fn elect_leader(&mut self) -> bool {
        let has_joined = |member: &&Member| member.joining.is_some();
        let current = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        let elected = current.filter(has_joined).or_else(|| self.members.values().find(has_joined));
        let elected = elected.map(|member| member.id.clone());
        let is_elected = elected.is_some();
        self.leader = elected.or_else(|| self.leader.take());
        is_elected
    }

    /// Answers everybody who joined and waits for their syncs.
    fn begin_generation(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            self.answer_join(&id, Ok(joined), turn);
            if let Some(member) = self.members.get_mut(&id) {
                member.tenure = Tenure::Settled;
            }
            self.arm_session(&id, turn);
        }
        self.set_sync_duty(SyncDuty::Owed);
        let timeout_ms = self.rebalance_timeout_ms();
        turn.arm(&mut self.sync_timer, timeout_ms, || Subject::Sync(self.id.clone()));
    }

    /// The answer to a member of this generation.
    pub(super) fn joined(&self, id: &MemberId) -> Joined {
        Joined {
            member: id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            skip_assignment: false,
            members: if self.is_leader(id.as_str()) { self.joined_members() } else { Vec::new() },
        }
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let seen = |member: &Member| JoinedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.values().map(seen).collect()
    }

    /// The time for syncs is over: who has not sent one is gone.
    #[must_use]
    pub(super) fn sync_phase_over(&mut self, turn: &mut Turn<'_>) -> Option<CoordinatorRecord> {
        if !matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable) {
            return None;
        }
        let owes = |member: &&Member| member.sync_duty == SyncDuty::Owed;
        let gone: Vec<MemberId> =
            self.members.values().filter(owes).map(|member| member.id.clone()).collect();
        if gone.is_empty() {
            return None;
        }
        for id in &gone {
            self.remove(id, turn);
        }
        self.prepare_rebalance(turn)
    }

    /// Counts a member's silence from now.
    pub(super) fn arm_session(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        if let Some(member) = self.members.get_mut(id) {
            let timeout_ms = member.session_timeout_ms;
            turn.arm(&mut member.session, timeout_ms, || Subject::Session(self.id.clone(), id.clone()));
        }
    }
}
