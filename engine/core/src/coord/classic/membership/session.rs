//! Signs of life: heartbeats and commits, and whether a request fits the group's generation.

use crate::coord::classic::group::ClassicGroup;
use crate::coord::classic::state::GroupState;
use crate::coord::deadlines::Subject;
use crate::coord::error::GroupError;
use crate::coord::ids::Generation;
use crate::coord::request::{CommitRequest, HeartbeatRequest};
use crate::coord::turn::Turn;

impl ClassicGroup {
    /// A member is alive; it learns whether it has to join again. Allocates nothing.
    pub(in crate::coord) fn heartbeat(
        &mut self,
        request: &HeartbeatRequest<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.check_member(request.member, request.instance)?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.keep_session(request.member, turn);
        match self.state {
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether the sender of a commit may commit. A commit is a sign of life.
    pub(in crate::coord) fn check_commit(
        &mut self,
        request: &CommitRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let names_member = !request.member.is_empty() || request.instance.is_some();
        if request.generation < Generation(0) && self.state == GroupState::Empty {
            // From a consumer that assigns itself its partitions, or a tool.
            return Ok(());
        }
        if request.generation < Generation(0) && !names_member {
            return Err(GroupError::UnknownMemberId);
        }
        let instance = request.instance.as_ref().map(|instance| instance.as_str());
        self.check_member(request.member.as_str(), instance)?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        self.keep_session(request.member.as_str(), turn);
        Ok(())
    }

    fn keep_session(&mut self, member: &str, turn: &mut Turn<'_>) {
        if let Some(member) = self.members.get_mut(member) {
            let timeout_ms = member.session_timeout_ms;
            let id = &member.id;
            turn.arm(&mut member.session, timeout_ms, || Subject::Session(self.id.clone(), id.clone()));
        }
    }
}
