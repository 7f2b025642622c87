//! A consumer group: its members and who owns what, kept consistent through every change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::changes::{Change, Changes};
use super::classic_members::ClassicMembers;
use super::held::Held;
use super::member::ConsumerMember;
use super::pattern::Watched;
use crate::base::{PartitionKey, TimestampMs};
use crate::coord::ids::{Epoch, GroupId, InstanceId, MemberId};
use crate::coord::kip848::ConsumerGroupState;
use crate::coord::kip848::Partitions;

/// Whether the group is to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coord::consumer) enum Life {
    Alive,
    /// Its deletion is on its way to the log.
    Dying,
    /// Only members of the classic protocol are left; before its turn ends it is a classic group.
    Downgrading,
}

/// A consumer group (Kafka: `ConsumerGroup`). Lives on the shard that owns its partition of the offsets
/// topic. Always: what a member has been told to own, or to give up and may still own, has it as its one
/// owner; `static_members` are exactly the members with an instance id; no member is ahead of the assigned
/// epoch, nor that of the group's.
#[derive(Debug, Clone)]
pub(in crate::coord) struct ConsumerGroup {
    pub(in crate::coord::consumer) id: GroupId,
    pub(in crate::coord::consumer) life: Life,
    /// Counts changes of members, subscriptions and subscribed topics.
    pub(in crate::coord::consumer) epoch: Epoch,
    /// Of the subscribed topics as they were when `epoch` was last counted up.
    pub(in crate::coord::consumer) metadata_hash: i64,
    /// The epoch that targets were assigned for.
    pub(in crate::coord::consumer) assigned_epoch: Epoch,
    pub(in crate::coord::consumer) assigned_at: TimestampMs,
    pub(in crate::coord::consumer) members: BTreeMap<MemberId, ConsumerMember>,
    pub(in crate::coord::consumer) static_members: BTreeMap<InstanceId, MemberId>,
    pub(in crate::coord::consumer) owners: BTreeMap<PartitionKey, MemberId>,
    pub(in crate::coord::consumer) patterns: BTreeMap<Arc<str>, Watched>,
    /// How many members subscribe to each.
    pub(in crate::coord::consumer) pattern_subscribers: BTreeMap<Arc<str>, usize>,
    pub(in crate::coord::consumer) classic: ClassicMembers,
    /// The version of the metadata that `metadata_hash` was last compared with.
    pub(in crate::coord::consumer) seen_version: u64,
    pub(in crate::coord::consumer) changes: Changes,
    pub(in crate::coord::consumer) held: Held,
}

/// A group begins with an assignment of nothing to nobody,
/// so that no member has to wait at the epoch of joining.
pub(in crate::coord::consumer) const FIRST_EPOCH: Epoch = Epoch(1);

impl ConsumerGroup {
    /// What always holds between two events.
    pub(in crate::coord) fn check(&self) {
        assert!(
            self.assigned_epoch <= self.epoch,
            "targets are assigned for an epoch that the group has had"
        );
        for member in self.members.values() {
            assert!(member.epoch <= self.assigned_epoch, "no member is ahead of the assigned epoch");
            let is_static =
                member.instance.as_ref().is_none_or(|it| self.static_members.get(it) == Some(&member.id));
            assert!(is_static, "an instance id stands for the member that has it");
        }
        let with_instance = self.members.values().filter(|member| member.instance.is_some()).count();
        assert_eq!(self.static_members.len(), with_instance, "each member with an instance id is static");
        assert!(
            self.owners.values().all(|owner| self.members.contains_key(owner)),
            "what is owned is owned by a member"
        );
    }

    /// One that the log does not hold yet.
    pub(in crate::coord) fn new(id: GroupId) -> ConsumerGroup {
        let mut group = ConsumerGroup::unwritten(id);
        group.changes.insert(Change::Epoch);
        group
    }

    /// One whose records are yet to be replayed.
    pub(in crate::coord) fn unwritten(id: GroupId) -> ConsumerGroup {
        ConsumerGroup {
            id,
            life: Life::Alive,
            epoch: FIRST_EPOCH,
            metadata_hash: 0,
            assigned_epoch: FIRST_EPOCH,
            assigned_at: TimestampMs(0),
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            owners: BTreeMap::new(),
            patterns: BTreeMap::new(),
            pattern_subscribers: BTreeMap::new(),
            classic: ClassicMembers::default(),
            seen_version: 0,
            changes: Changes::new(),
            held: Held::default(),
        }
    }

    pub(in crate::coord) fn state(&self) -> ConsumerGroupState {
        if self.life == Life::Dying {
            ConsumerGroupState::Dead
        } else if self.members.is_empty() {
            ConsumerGroupState::Empty
        } else if self.epoch > self.assigned_epoch {
            ConsumerGroupState::Assigning
        } else if self.members.values().all(|member| member.has_reached(self.assigned_epoch)) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }

    pub(in crate::coord) fn id(&self) -> &GroupId {
        &self.id
    }

    pub(in crate::coord) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(in crate::coord) fn assigned_epoch(&self) -> Epoch {
        self.assigned_epoch
    }

    pub(in crate::coord) fn members(&self) -> impl ExactSizeIterator<Item = &ConsumerMember> {
        self.members.values()
    }

    /// Its deletion is asked for.
    pub(in crate::coord) fn begin_deletion(&mut self) {
        assert!(self.members.is_empty(), "{} has members", self.id);
        self.life = Life::Dying;
    }

    /// Its deletion failed.
    pub(in crate::coord) fn undo_deletion(&mut self) {
        self.life = Life::Alive;
    }

    /// The member of an instance id.
    pub(in crate::coord::consumer) fn instance(&self, instance: &str) -> Option<&ConsumerMember> {
        self.static_members.get(instance).and_then(|id| self.members.get(id))
    }

    /// A member that is known to be there.
    pub(in crate::coord::consumer) fn member(&mut self, id: &MemberId) -> &mut ConsumerMember {
        self.held.touch(id);
        match self.members.get_mut(id) {
            Some(member) => member,
            None => panic!("{id} is no member of {}", self.id),
        }
    }

    /// Whether somebody else has a claim on a partition.
    pub(in crate::coord::consumer) fn is_others(&self, key: PartitionKey, member: &MemberId) -> bool {
        self.owners.get(&key).is_some_and(|owner| owner != member)
    }

    /// Counts a change of the group.
    pub(in crate::coord::consumer) fn bump(&mut self) {
        self.epoch = self.epoch.next();
        self.changes.insert(Change::Epoch);
    }

    pub(in crate::coord::consumer) fn add(&mut self, mut member: ConsumerMember) {
        member.counted = 0;
        self.held.touch(&member.id);
        if let Some(instance) = &member.instance {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        for key in member.claims() {
            let before = self.owners.insert(key, member.id.clone());
            assert!(before.is_none(), "{key:?} of {} is owned twice", self.id);
        }
        self.classic.add(member.classic.as_deref());
        self.count_pattern(None, member.pattern.as_ref());
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out, with all that it claims; the log is to forget it.
    pub(in crate::coord::consumer) fn remove(&mut self, id: &MemberId) -> Option<ConsumerMember> {
        let member = self.members.remove(id)?;
        self.held.bytes -= member.counted;
        self.classic.remove(member.classic.as_deref());
        self.count_pattern(member.pattern.as_ref(), None);
        for key in member.claims() {
            self.owners.remove(&key);
        }
        if let Some(instance) = &member.instance
            && self.static_members.get(instance) == Some(id)
        {
            self.static_members.remove(instance);
        }
        for gone in [Change::Current(id.clone()), Change::Target(id.clone()), Change::Member(id.clone())] {
            self.changes.insert(gone);
        }
        Some(member)
    }

    /// Takes a member out for good, and its pattern where nobody else subscribes to it;
    /// answers whether it was there.
    pub(in crate::coord::consumer) fn take_out(&mut self, id: &MemberId) -> bool {
        let Some(member) = self.remove(id) else { return false };
        if let Some(pattern) = &member.pattern {
            self.forget_pattern(pattern);
        }
        true
    }

    /// A member subscribes to another pattern than before.
    pub(in crate::coord::consumer) fn count_pattern(
        &mut self,
        before: Option<&Arc<str>>,
        now: Option<&Arc<str>>,
    ) {
        if let Some(pattern) = now {
            *self.pattern_subscribers.entry(Arc::clone(pattern)).or_default() += 1;
        }
        let Some(pattern) = before else { return };
        match self.pattern_subscribers.get_mut(pattern) {
            Some(1) => drop(self.pattern_subscribers.remove(pattern)),
            Some(count) => *count -= 1,
            None => panic!("nobody of {} subscribed to {pattern}", self.id),
        }
    }

    /// A member does not subscribe to a pattern any more; the last one takes it along.
    pub(in crate::coord::consumer) fn forget_pattern(&mut self, pattern: &Arc<str>) {
        let is_wanted = self.pattern_subscribers.contains_key(pattern);
        if !is_wanted && self.patterns.remove(pattern).is_some_and(|watched| watched.is_resolved()) {
            self.changes.insert(Change::Pattern(Arc::clone(pattern)));
        }
    }

    /// What a member owns, and is to give up, from now on.
    pub(in crate::coord::consumer) fn claim(
        &mut self,
        id: &MemberId,
        assigned: Partitions,
        revoking: Partitions,
    ) {
        let member = self.member(id);
        let before: Vec<PartitionKey> = member.claims().collect();
        (member.assigned, member.revoking) = (assigned, revoking);
        let now: Vec<PartitionKey> = member.claims().collect();
        for key in before {
            self.owners.remove(&key);
        }
        for key in now {
            let before = self.owners.insert(key, id.clone());
            assert!(before.is_none(), "{key:?} of {} is owned twice", self.id);
        }
    }
}
