//! Requests of members: join, sync, heartbeat, leave.

use super::machine::Coordinator;
use crate::coord::action::Action;
use crate::coord::answer::{Answer, LeftMember};
use crate::coord::classic::GroupState;
use crate::coord::error::GroupError;
use crate::coord::group::Group;
use crate::coord::ids::{Now, Token};
use crate::coord::kip848::Topics;
use crate::coord::request::{HeartbeatRequest, JoinRequest, LeaveRequest, SyncRequest};
use crate::coord::settings::PROTOCOLS_MAX;

impl Coordinator {
    /// JoinGroup; answered with [`Answer::Join`].
    pub fn join(
        &mut self,
        now: Now,
        request: &JoinRequest,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        if let Err(error) = self.check_join(request) {
            return actions.push(refused(request, error, token));
        }
        if !self.admits(self.growth_of_join(request)) {
            return actions.push(refused(request, GroupError::CoordinatorLoadInProgress, token));
        }
        let id = &request.group;
        if self.has_consumers(id.as_str()) {
            return self.join_consumers(now, request, topics, token, actions);
        }
        if let Err(error) = self.make_way_for_classic(now, request, actions) {
            return actions.push(refused(request, error, token));
        }
        self.groups.entry(id.clone()).or_insert_with(|| Box::new(Group::new(id.clone(), now)));
        if let Some((group, mut turn)) = self.group_turn(id.as_str(), now, actions) {
            group.classic.join(request, token, &mut turn);
        }
        self.forget_if_blank(id.as_str());
        self.purge_deadlines();
    }

    fn check_join(&self, request: &JoinRequest) -> Result<(), GroupError> {
        let timeouts = self.settings.min_session_timeout_ms..=self.settings.max_session_timeout_ms;
        if request.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        if !timeouts.contains(&request.session_timeout_ms) {
            return Err(GroupError::InvalidSessionTimeout);
        }
        if request.protocols.len() > PROTOCOLS_MAX {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        if !request.member.is_empty() && !self.groups.contains_key(&request.group) {
            return Err(GroupError::UnknownMemberId);
        }
        Ok(())
    }

    /// SyncGroup; answered with [`Answer::Sync`].
    pub fn sync(
        &mut self,
        now: Now,
        request: &SyncRequest,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        let error = match self.groups.get(&request.group) {
            _ if request.group.is_empty() => GroupError::InvalidGroupId,
            Some(group) if group.consumer.is_some() => {
                return self.sync_consumers(now, request, topics, token, actions);
            }
            Some(group) if group.classic.state() != GroupState::Empty => {
                if let Some((group, mut turn)) = self.group_turn(request.group.as_str(), now, actions) {
                    group.classic.sync(request, token, &mut turn);
                }
                return;
            }
            _ => GroupError::UnknownMemberId,
        };
        actions.push(Action::Reply { token, answer: Answer::Sync(Err(error)) });
    }

    /// Heartbeat; answered at once, without allocating.
    pub fn heartbeat(&mut self, now: Now, request: &HeartbeatRequest<'_>) -> Result<(), GroupError> {
        if request.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let mut actions = Vec::new();
        let found = self.group_turn(request.group, now, &mut actions);
        let (group, mut turn) = found.ok_or(GroupError::UnknownMemberId)?;
        match &mut group.consumer {
            Some(consumer) => consumer.heartbeat_classic(request, &mut turn),
            None => group.classic.heartbeat(request, &mut turn),
        }
    }

    /// LeaveGroup; answered with [`Answer::Leave`].
    pub fn leave(
        &mut self,
        now: Now,
        request: &LeaveRequest,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        let id = request.group.as_str();
        if id.is_empty() {
            let answer = Answer::Leave(Err(GroupError::InvalidGroupId));
            actions.push(Action::Reply { token, answer });
            return;
        }
        if self.is_of_consumers(id) {
            return self.leave_consumers(now, request, topics, token, actions);
        }
        if let Some((group, mut turn)) = self.group_turn(id, now, actions) {
            group.classic.leave(request, token, &mut turn);
            self.forget_if_blank(id);
            return;
        }
        let unknown = request.members.iter().map(|leaving| LeftMember {
            member: leaving.member.clone(),
            instance: leaving.instance.clone(),
            result: Err(GroupError::UnknownMemberId),
        });
        actions.push(Action::Reply { token, answer: Answer::Leave(Ok(unknown.collect())) });
    }
}

/// A join that is refused keeps the member id that it came with.
fn refused(request: &JoinRequest, error: GroupError, token: Token) -> Action {
    Action::Reply { token, answer: Answer::join_refused(error, request.member.clone()) }
}
