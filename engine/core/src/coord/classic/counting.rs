//! What a classic group takes of the memory for groups: counted again where something has changed,
//! never as a whole.

use super::group::ClassicGroup;
use super::member::{Member, PendingMember};
use crate::coord::cost::{pending_bytes, protocols_bytes};
use crate::coord::request::{JoinRequest, MemberIdHandshake, Protocol, SyncRequest};

impl ClassicGroup {
    /// Counts what has changed; answers what all its members take.
    pub(in crate::coord) fn count_bytes(&mut self) -> usize {
        for id in std::mem::take(&mut self.held.touched) {
            if let Some(member) = self.members.get_mut(&id) {
                let bytes = member.held_bytes();
                self.held.bytes = self.held.bytes - member.counted + bytes;
                member.counted = bytes;
            }
        }
        self.held.bytes
    }

    /// The same from nothing.
    pub(in crate::coord) fn recount_bytes(&self) -> usize {
        let members: usize = self.members.values().map(Member::held_bytes).sum();
        let pending: usize = self.pending.keys().map(pending_bytes::<PendingMember>).sum();
        members + pending
    }

    /// What a join adds, were it let in; nothing where its member is not known and will not be.
    pub(in crate::coord) fn growth_of_join(&self, request: &JoinRequest) -> usize {
        let replaced = request.instance.as_ref().and_then(|instance| self.static_members.get(instance));
        let known = if request.member.is_empty() { replaced } else { Some(&request.member) };
        if let Some(member) = known.and_then(|id| self.members.get(id)) {
            return growth_of_offer(&member.protocols, &request.protocols);
        }
        match request.member.is_empty() {
            true => ClassicGroup::bytes_of_newcomer(request),
            false if self.pending.contains_key(&request.member) => {
                Member::bytes_of_join(request, &request.member)
            }
            false => 0,
        }
    }

    /// What the join of a member without an id leaves in its group.
    pub(in crate::coord) fn bytes_of_newcomer(request: &JoinRequest) -> usize {
        let is_given_an_id = request.instance.is_none() && request.handshake == MemberIdHandshake::Required;
        match is_given_an_id {
            true => pending_bytes::<PendingMember>(&request.new_member),
            false => Member::bytes_of_join(request, &request.new_member),
        }
    }

    /// What a leader's assignment adds to those before.
    pub(super) fn growth_of_assignment(&self, request: &SyncRequest) -> usize {
        let assigned = request.assignments.iter().filter(|(id, _)| self.members.contains_key(id));
        let new: usize = assigned.map(|(_, assignment)| assignment.len()).sum();
        let old: usize = self.members.values().map(|member| member.assignment.len()).sum();
        new.saturating_sub(old)
    }
}

fn growth_of_offer(old: &[Protocol], new: &[Protocol]) -> usize {
    protocols_bytes(new).saturating_sub(protocols_bytes(old))
}
