//! JoinGroup: who is let in, and whether the group must be rebalanced for it.

use crate::coord::answer::Answer;
use crate::coord::classic::group::{ClassicGroup, JoinPhase, Newcomers};
use crate::coord::classic::member::{Member, PendingMember};
use crate::coord::classic::state::GroupState;
use crate::coord::deadlines::{Subject, Timer};
use crate::coord::error::GroupError;
use crate::coord::ids::{MemberId, Token};
use crate::coord::request::{JoinRequest, MemberIdHandshake, Protocol};
use crate::coord::settings::{NEW_MEMBER_JOIN_TIMEOUT_MS, PENDING_MEMBER_WAIT_MS, PENDING_MEMBERS_MAX};
use crate::coord::turn::Turn;

impl ClassicGroup {
    /// A member wants to be in the next generation. Answered under `token`,
    /// at once or when the others are there.
    pub(in crate::coord) fn join(&mut self, request: &JoinRequest, token: Token, turn: &mut Turn<'_>) {
        let refuse = |error, turn: &mut Turn<'_>| {
            turn.reply(token, Answer::join_refused(error, request.member.clone()));
        };
        if !self.has_room_for(request, turn) {
            self.remove(&request.member, turn);
            turn.reply(token, Answer::join_refused(GroupError::GroupMaxSizeReached, MemberId::none()));
            let emptied = self.complete_join_if_all_joined(turn);
            self.write_emptied(emptied, None, turn);
        } else if self.state == GroupState::Dead {
            refuse(GroupError::CoordinatorNotAvailable, turn);
        } else if !self.supports(&request.protocol_type, &request.protocols) {
            refuse(GroupError::InconsistentGroupProtocol, turn);
        } else if request.member.is_empty() {
            self.join_without_id(request, token, turn);
        } else if request.instance.is_none() && self.pending.contains_key(&request.member) {
            self.join_newly(request, request.member.clone(), token, turn);
        } else if let Err(error) = self.check_member(request.member.as_str(), instance_of(request)) {
            refuse(error, turn);
        } else {
            self.join_again(request, token, turn);
        }
    }

    /// A group whose size is limited counts those who joined while it rebalances, so that the last to come
    /// back are left out where the limit was lowered. A static member that comes back without its id takes
    /// its own place; Kafka keeps it out of a full group until its session is over.
    fn has_room_for(&self, request: &JoinRequest, turn: &Turn<'_>) -> bool {
        let id = if request.member.is_empty() { self.replaced_by(request) } else { Some(&request.member) };
        let member = id.and_then(|id| self.members.get(id));
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.joining.is_some()) || self.joining < turn.settings.max_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.members.len() < turn.settings.max_size
            }
        }
    }

    /// The static member whose place is asked for.
    fn replaced_by(&self, request: &JoinRequest) -> Option<&MemberId> {
        request.instance.as_ref().and_then(|instance| self.static_members.get(instance))
    }

    fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == GroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let is_same_type = self.protocol_type.as_deref().is_some_and(|known| known == protocol_type);
        is_same_type && self.offers_common(protocols)
    }

    /// Where members have all left during a rebalance, any protocol will do.
    fn offers_common(&self, protocols: &[Protocol]) -> bool {
        match self.members.len() {
            0 => !protocols.is_empty(),
            members => self.counts.has_common(protocols, members),
        }
    }

    fn join_without_id(&mut self, request: &JoinRequest, token: Token, turn: &mut Turn<'_>) {
        match self.replaced_by(request).cloned() {
            Some(old) => self.replace(request, &old, token, turn),
            None if request.instance.is_none() && request.handshake == MemberIdHandshake::Required => {
                self.expect(&request.new_member, request.session_timeout_ms, turn);
                let answer = Answer::join_refused(GroupError::MemberIdRequired, request.new_member.clone());
                turn.reply(token, answer);
            }
            None => self.join_newly(request, request.new_member.clone(), token, turn),
        }
    }

    /// Notes an id that was given away.
    fn expect(&mut self, id: &MemberId, session_timeout_ms: i32, turn: &mut Turn<'_>) {
        if self.pending.len() >= PENDING_MEMBERS_MAX {
            let oldest = self.pending.iter().min_by_key(|(_, pending)| pending.good_until);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.into_iter().for_each(|id| self.take_pending(&id));
        }
        let wait_ms = PENDING_MEMBER_WAIT_MS.min(session_timeout_ms);
        let clock = turn.now.clock;
        let mut timer = Timer::default();
        turn.arm(&mut timer, wait_ms, || Subject::Session(self.id.clone(), id.clone()));
        let (awaited_until, good_until) = (clock.after_ms(wait_ms), clock.after_ms(session_timeout_ms));
        self.put_pending(id, PendingMember { awaited_until, good_until, timer });
    }

    fn join_newly(&mut self, request: &JoinRequest, id: MemberId, token: Token, turn: &mut Turn<'_>) {
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let (GroupState::PreparingRebalance, JoinPhase::Initial { newcomers, .. }) =
            (self.state, &mut self.phase)
        {
            *newcomers = Newcomers::Some;
        }
        let mut member = Member::of_join(request, id);
        member.joining = Some(token);
        turn.arm(&mut member.session, NEW_MEMBER_JOIN_TIMEOUT_MS, || {
            Subject::Session(self.id.clone(), member.id.clone())
        });
        self.add(member);
        self.rebalance_or_complete_join(turn);
    }

    /// A member of the group joins again: because it was told to, because its subscription changed, or
    /// because an answer did not reach it.
    fn join_again(&mut self, request: &JoinRequest, token: Token, turn: &mut Turn<'_>) {
        let id = &request.member;
        let is_changed = self.members.get(id).is_some_and(|member| member.protocols != request.protocols);
        let must_rebalance = match self.state {
            GroupState::PreparingRebalance => true,
            // The leader's join, once it has assigned, asks for a rebalance:
            // it may have seen what members' metadata do not show.
            GroupState::CompletingRebalance => {
                is_changed || (self.assigning.is_some() && self.is_leader(id.as_str()))
            }
            GroupState::Stable => is_changed || self.is_leader(id.as_str()),
            GroupState::Empty | GroupState::Dead => panic!("{} is {:?} with members", self.id, self.state),
        };
        if must_rebalance {
            self.offer(id, &request.protocols, request.session_timeout_ms, request.rebalance_timeout_ms);
            self.wait_for_join(id, token, turn);
            self.rebalance_or_complete_join(turn);
        } else {
            let joined = self.joined(id);
            turn.reply(token, Answer::Join(Ok(joined)));
        }
    }
}

fn instance_of(request: &JoinRequest) -> Option<&str> {
    request.instance.as_ref().map(|instance| instance.as_str())
}
