//! LeaveGroup: members go at once, by their own wish or an administrator's.

use crate::coord::answer::{Answer, LeftMember};
use crate::coord::classic::group::ClassicGroup;
use crate::coord::classic::state::GroupState;
use crate::coord::error::GroupError;
use crate::coord::ids::{MemberId, Token};
use crate::coord::request::{LeaveRequest, LeavingMember};
use crate::coord::turn::Turn;

impl ClassicGroup {
    /// Takes each of the members out. If it leaves nobody,
    /// the answer waits until the log holds the empty group.
    pub(in crate::coord) fn leave(&mut self, request: &LeaveRequest, token: Token, turn: &mut Turn<'_>) {
        if self.state == GroupState::Dead {
            turn.reply(token, Answer::Leave(Err(GroupError::CoordinatorNotAvailable)));
            return;
        }
        let mut left = Vec::with_capacity(request.members.len());
        for leaving in &request.members {
            let found = self.find_leaving(leaving);
            if let Ok(id) = &found {
                self.remove(id, turn);
            }
            let LeavingMember { member, instance } = leaving.clone();
            left.push(LeftMember { member, instance, result: found.map(drop) });
        }
        let has_changed = left.iter().any(|left| left.result.is_ok());
        let emptied = match self.state {
            GroupState::Stable | GroupState::CompletingRebalance | GroupState::PreparingRebalance
                if has_changed =>
            {
                self.rebalance(turn)
            }
            _ => None,
        };
        self.write_emptied(emptied, Some((token, Answer::Leave(Ok(left)))), turn);
    }

    fn find_leaving(&self, leaving: &LeavingMember) -> Result<MemberId, GroupError> {
        let instance = leaving.instance.as_ref().map(|instance| instance.as_str());
        if leaving.member.is_empty() {
            let known = instance.and_then(|instance| self.static_members.get(instance));
            return known.cloned().ok_or(GroupError::UnknownMemberId);
        }
        if !self.pending.contains_key(&leaving.member) {
            self.check_member(leaving.member.as_str(), instance)?;
        }
        Ok(leaving.member.clone())
    }
}
