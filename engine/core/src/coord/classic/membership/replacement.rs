//! A static member that comes back without its id: it takes its old place over,
//! in a stable group without a rebalance.

use crate::coord::answer::{JoinRefused, Joined};
use crate::coord::classic::group::ClassicGroup;
use crate::coord::classic::state::GroupState;
use crate::coord::error::{GroupError, WriteFault};
use crate::coord::ids::{MemberId, Token};
use crate::coord::request::{JoinRequest, SkipAssignment};
use crate::coord::turn::Turn;
use crate::coord::writing::purpose::{Replacement, WritePurpose};

impl ClassicGroup {
    /// The member `old` has started anew and is `request.new_member` from now on.
    pub(in crate::coord::classic) fn replace(
        &mut self,
        request: &JoinRequest,
        old: &MemberId,
        token: Token,
        turn: &mut Turn<'_>,
    ) {
        let Some(before) = self.members.get(old) else { return };
        let replacement = Replacement {
            group: self.id.clone(),
            token,
            old: old.clone(),
            new: request.new_member.clone(),
            leader: self.leader.clone(),
            skip_assignment: request.skip_assignment,
            protocols: before.protocols.clone(),
            session_timeout_ms: before.session_timeout_ms,
            rebalance_timeout_ms: before.rebalance_timeout_ms,
        };
        let new = &request.new_member;
        self.rename(old, new, turn);
        self.offer(new, &request.protocols, request.session_timeout_ms, request.rebalance_timeout_ms);
        self.wait_for_join(new, token, turn);
        self.arm_session(new, turn);
        let keeps_protocol = self.counts.elect(self.members.values()) == self.protocol;
        if self.state == GroupState::Stable && keeps_protocol {
            let record = self.record();
            turn.write(vec![record], WritePurpose::Replacement(Box::new(replacement)), None);
        } else {
            // In CompletingRebalance too: the leader may be assigning to the old id just now.
            self.rebalance_or_complete_join(turn);
        }
    }

    /// The log holds the member under its new id.
    pub(in crate::coord) fn replaced(&mut self, replacement: &Replacement, turn: &mut Turn<'_>) {
        let id = &replacement.new;
        if !self.is_replacing(replacement) {
            return;
        }
        let joined = match replacement.skip_assignment {
            SkipAssignment::Known => {
                let skip_assignment = self.is_leader(id.as_str());
                Joined { skip_assignment, ..self.joined(id) }
            }
            // Its own old id as the leader's makes the client a follower, so that it does not assign anew.
            SkipAssignment::Unknown => {
                let leader = replacement.leader.clone();
                Joined { leader, members: Vec::new(), ..self.joined(id) }
            }
        };
        self.answer_join(id, Ok(joined), turn);
        self.arm_session(id, turn);
    }

    /// The log does not hold it: the member is what it was, and nobody has taken its place.
    pub(in crate::coord) fn not_replaced(
        &mut self,
        replacement: &Replacement,
        fault: WriteFault,
        turn: &mut Turn<'_>,
    ) {
        let (new, old) = (&replacement.new, &replacement.old);
        if !self.is_replacing(replacement) {
            return;
        }
        let refused = JoinRefused { error: GroupError::from(fault), member: MemberId::none() };
        self.answer_join(new, Err(refused), turn);
        let Replacement { session_timeout_ms, rebalance_timeout_ms, .. } = *replacement;
        self.offer(new, &replacement.protocols, session_timeout_ms, rebalance_timeout_ms);
        self.rename(new, old, turn);
        self.arm_session(old, turn);
    }

    /// Whether the member's join still waits for the log. A rebalance that began meanwhile answers it,
    /// and writes the group anew.
    fn is_replacing(&self, replacement: &Replacement) -> bool {
        let member = self.members.get(&replacement.new);
        self.state == GroupState::Stable
            && member.is_some_and(|member| member.joining == Some(replacement.token))
    }
}
