//! A classic group becomes a consumer group, or is made of one.

use std::sync::Arc;

use bytes::Bytes;

use super::group::ClassicGroup;
use super::member::Member;
use super::state::GroupState;
use crate::coord::answer::JoinRefused;
use crate::coord::error::GroupError;
use crate::coord::ids::{Generation, GroupId, MemberId, Now};
use crate::coord::turn::Turn;

impl ClassicGroup {
    /// Everybody who waits for this group is told to join anew: its members go on in a consumer group.
    pub(in crate::coord) fn dissolve(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let refused = JoinRefused { error: GroupError::RebalanceInProgress, member: id.clone() };
            self.answer_join(&id, Err(refused), turn);
            self.answer_sync(&id, Err(GroupError::RebalanceInProgress), turn);
        }
    }

    /// A stable group of members that come from a consumer group; all offer a protocol in common.
    pub(in crate::coord) fn of_members(
        id: GroupId,
        protocol_type: &str,
        generation: Generation,
        members: Vec<Member>,
        now: Now,
    ) -> ClassicGroup {
        let mut group = ClassicGroup::new(id, now);
        group.protocol_type = Some(Arc::from(protocol_type));
        group.generation = generation;
        members.into_iter().for_each(|member| group.add(member));
        group.protocol = group.counts.elect(group.members.values());
        group.state = GroupState::Stable;
        group
    }

    /// Sets the assignment of each member by what it says to the group's protocol.
    pub(in crate::coord) fn set_assignments(&mut self, assignment: impl Fn(&Member, &[u8]) -> Bytes) {
        let protocol = self.protocol.clone();
        for member in self.members.values_mut() {
            let metadata = protocol.as_deref().map(|name| member.metadata(name)).unwrap_or_default();
            member.assignment = assignment(member, &metadata);
            self.held.touched.push(member.id.clone());
        }
    }

    /// Everybody has a session from now.
    pub(in crate::coord) fn begin_sessions(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        ids.iter().for_each(|id| self.arm_session(id, turn));
    }
}
