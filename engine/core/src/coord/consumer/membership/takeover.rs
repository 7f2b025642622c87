//! Members of a classic group come into the consumer group that it becomes, with what they were assigned.

use crate::coord::consumer::state::changes::Change;
use crate::coord::consumer::state::group::{ConsumerGroup, FIRST_EPOCH};
use crate::coord::consumer::state::member::ConsumerMember;
use crate::coord::ids::{Epoch, GroupId, MemberId};
use crate::coord::kip848::Partitions;
use crate::coord::turn::Turn;

impl ConsumerGroup {
    /// A group that goes on from the last epoch of what it was.
    pub(in crate::coord) fn resuming(id: GroupId, epoch: Epoch) -> ConsumerGroup {
        let mut group = ConsumerGroup::new(id);
        group.epoch = epoch.max(FIRST_EPOCH);
        group.assigned_epoch = group.epoch;
        group.changes.insert(Change::TargetEpoch);
        group
    }

    /// Takes a member over, at the group's epoch. Two claims to one partition are nothing that an assignor
    /// makes; the first counts.
    pub(in crate::coord) fn take_over(&mut self, mut member: ConsumerMember) {
        let is_free = |key| !self.owners.contains_key(&key);
        member.assigned = member.assigned.filter(is_free);
        member.target = Partitions::of(member.assigned.keys(), Epoch::JOINING);
        (member.epoch, member.previous_epoch) = (self.epoch, self.epoch);
        let id = member.id.clone();
        self.add(member);
        self.changes.extend([Change::Member(id.clone()), Change::Target(id.clone()), Change::Current(id)]);
    }

    /// A member may still use what it said that it owned when it last joined: nobody else gets that before it
    /// has said that it does not. For after all have been taken over.
    pub(in crate::coord) fn may_still_own(&mut self, id: &MemberId, owned: &Partitions) {
        let unclaimed = owned.filter(|key| !self.owners.contains_key(&key));
        if unclaimed.is_empty() {
            return;
        }
        let unclaimed = Partitions::of(unclaimed.keys(), self.epoch);
        let assigned = self.member(id).assigned.with(&unclaimed);
        self.claim(id, assigned, Partitions::default());
    }

    /// What a member owns, is to give up, or is to own now.
    pub(in crate::coord) fn held_by(&self, id: &MemberId) -> Partitions {
        self.members.get(id).map(|member| member.assigned.with(&member.revoking)).unwrap_or_default()
    }

    /// Everybody who was taken over has its session from now.
    pub(in crate::coord) fn taken_over(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        ids.iter().for_each(|id| self.arm_session(id, turn));
    }
}
