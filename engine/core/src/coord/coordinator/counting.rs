//! The memory that groups may take: what a request adds is known before it is taken,
//! and what goes is given back.
//!
//! Where it is used up a request that would add to it is answered COORDINATOR_LOAD_IN_PROGRESS, which Kafka's
//! clients take for what it is: the coordinator is there, and will have them later. They ask again after
//! their backoff, the same broker, for as long as they are told so. GROUP_MAX_SIZE_REACHED would end a
//! consumer for good, for what others have taken and may give back the next minute. What a group has stays:
//! members that join again with what they had, heartbeats,
//! and commits of offsets that are committed already add nothing.

use super::machine::Coordinator;
use super::room::own_bytes;
use crate::coord::classic::ClassicGroup;
use crate::coord::consumer::growth_of_beat;
use crate::coord::ids::GroupId;
use crate::coord::kip848::ConsumerBeat;
use crate::coord::offsets::GroupOffsets;
use crate::coord::request::{JoinRequest, OffsetToCommit};

/// Groups that a turn touches before they are counted in between.
const TOUCHED_MAX: usize = 1024;

impl Coordinator {
    /// From now on its groups may take so much memory; what they have already stays.
    pub fn allow_bytes(&mut self, bytes_max: usize) {
        self.room.bytes_max = bytes_max;
    }

    /// Memory that its groups take, what clients gave them included, and what is on its way to the log.
    pub fn held_bytes(&mut self) -> usize {
        self.settle();
        self.room.bytes + self.writes.bytes()
    }

    /// The same counted from nothing, which takes as long as there are groups: what tests compare it with.
    pub fn recounted_bytes(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(id, group)| own_bytes(id) + group.recount_bytes()).sum();
        groups + self.writes.bytes()
    }

    /// Keeps short what is to be counted, in turns that touch many groups.
    pub(super) fn settle_some(&mut self) {
        if self.room.touched.len() >= TOUCHED_MAX {
            self.settle();
        }
    }

    /// Whether there is memory for what a request adds; a refusal is counted.
    pub(super) fn admits(&mut self, bytes: usize) -> bool {
        self.settle();
        let is_admitted = bytes == 0 || bytes <= self.free_bytes();
        self.tally.refusals += u64::from(!is_admitted);
        is_admitted
    }

    pub(super) fn growth_of_join(&self, request: &JoinRequest) -> usize {
        match self.groups.get(&request.group) {
            None => own_bytes(&request.group) + ClassicGroup::bytes_of_newcomer(request),
            Some(group) => match &group.consumer {
                Some(consumer) if consumer.members().len() > 0 => consumer.growth_of_join(request),
                _ => group.classic.growth_of_join(request),
            },
        }
    }

    /// Without what it will be assigned, which depends on others:
    /// the last that comes in may take more than is left.
    pub(super) fn growth_of_beat(&self, request: &ConsumerBeat) -> usize {
        let group = self.groups.get(&request.group);
        let own = if group.is_none() { own_bytes(&request.group) } else { 0 };
        let consumer = group.and_then(|group| group.consumer.as_deref());
        own + growth_of_beat(consumer, request)
    }

    pub(super) fn growth_of_commit(&self, group: &GroupId, offsets: &[&OffsetToCommit]) -> usize {
        match self.groups.get(group) {
            None => own_bytes(group) + GroupOffsets::default().growth(offsets),
            Some(group) => group.offsets.growth(offsets),
        }
    }
}
