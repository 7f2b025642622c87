//! Members come into a group, come back to it, or take an instance's place in it.

use std::sync::Arc;

use crate::coord::consumer::state::changes::Change;
use crate::coord::consumer::state::group::ConsumerGroup;
use crate::coord::consumer::state::member::ConsumerMember;
use crate::coord::consumer::state::pattern::Watched;
use crate::coord::consumer::subscription::Subscribing;
use crate::coord::deadlines::Timer;
use crate::coord::ids::{Epoch, InstanceId, MemberId};
use crate::coord::kip848::ConsumerBeat;

impl ConsumerGroup {
    /// The member that a request is of; a new one, or an instance's next, where it joins.
    /// All checks have passed.
    pub(in crate::coord::consumer) fn admit(&mut self, request: &ConsumerBeat) -> MemberId {
        let id = if request.member.is_empty() { &request.new_member } else { &request.member };
        if request.epoch == Epoch::JOINING {
            self.seat(id, request.instance.as_ref());
        }
        id.clone()
    }

    /// Gives a member a place: its own, that of its instance, or a new one.
    pub(in crate::coord::consumer) fn seat(&mut self, id: &MemberId, instance: Option<&InstanceId>) {
        let replaced = instance.and_then(|instance| self.static_members.get(instance));
        match replaced.filter(|replaced| *replaced != id).cloned() {
            Some(old) => self.replace(&old, id),
            None if self.members.contains_key(id) => {}
            None => {
                self.add(ConsumerMember::new(id.clone()));
                self.changes.insert(Change::Member(id.clone()));
            }
        }
    }

    /// Gives the place of a static member that is away to another id.
    fn replace(&mut self, old: &MemberId, new: &MemberId) {
        // A dynamic member that takes an instance's place leaves its own, for the others to share.
        if self.take_out(new) {
            self.bump();
        }
        let Some(mut member) = self.remove(old) else { return };
        member.id = new.clone();
        (member.session, member.rebalance) = (Timer::default(), Timer::default());
        self.add(member);
        for change in [Change::Member(new.clone()), Change::Target(new.clone()), Change::Current(new.clone())]
        {
            self.changes.insert(change);
        }
    }

    /// Takes in what a heartbeat says of its member.
    pub(in crate::coord::consumer) fn update(
        &mut self,
        id: &MemberId,
        request: &ConsumerBeat,
    ) -> Subscribing {
        let member = self.member(id);
        let before = member.clone();
        member.introduce(
            &request.client_id,
            &request.client_host,
            request.instance.as_ref(),
            request.rack.as_ref(),
        );
        if let Some(timeout_ms) = request.rebalance_timeout_ms {
            member.rebalance_timeout_ms = timeout_ms;
        }
        if let Some(assignor) = &request.assignor {
            member.assignor = Some(Arc::clone(assignor));
        }
        if let Some(topics) = &request.topics {
            member.topics.clone_from(topics);
            member.topics.sort_unstable();
            member.topics.dedup();
        }
        if let Some(pattern) = &request.pattern {
            member.pattern = Some(Arc::clone(pattern)).filter(|pattern| !pattern.is_empty());
        }
        self.set_classic(id, None);
        self.note_update(id, before)
    }

    /// A member may be another than `before`; answers whether it subscribes anew.
    pub(in crate::coord::consumer) fn note_update(
        &mut self,
        id: &MemberId,
        before: ConsumerMember,
    ) -> Subscribing {
        let member = self.member(id);
        if is_described_as(member, &before) {
            return Subscribing::AsBefore;
        }
        let (names_changed, pattern) = (member.topics != before.topics, member.pattern.clone());
        let instance = member.instance.clone();
        if let Some(left) = before.instance.filter(|left| Some(left) != instance.as_ref()) {
            self.static_members.remove(&left);
        }
        if let Some(instance) = instance {
            self.static_members.insert(instance, id.clone());
        }
        self.changes.insert(Change::Member(id.clone()));
        let pattern_changed = pattern != before.pattern && self.change_pattern(before.pattern, pattern);
        if names_changed || pattern_changed { Subscribing::Anew } else { Subscribing::AsBefore }
    }

    /// A member subscribes to another pattern; answers whether topics come or go with that at once. What a
    /// new pattern matches is looked for at the next heartbeat, as Kafka does it,
    /// behind the answer to this one.
    fn change_pattern(&mut self, before: Option<Arc<str>>, now: Option<Arc<str>>) -> bool {
        self.count_pattern(before.as_ref(), now.as_ref());
        let had_topics = before.is_some_and(|pattern| {
            let is_resolved = self.patterns.get(&pattern).is_some_and(Watched::is_resolved);
            self.forget_pattern(&pattern);
            is_resolved
        });
        let Some(now) = now else { return had_topics };
        let watched = self.patterns.entry(now).or_default();
        had_topics || watched.is_resolved()
    }
}

/// Whether the log says the same of both.
fn is_described_as(member: &ConsumerMember, before: &ConsumerMember) -> bool {
    member.client_id == before.client_id
        && member.client_host == before.client_host
        && member.instance == before.instance
        && member.rack == before.rack
        && member.rebalance_timeout_ms == before.rebalance_timeout_ms
        && member.assignor == before.assignor
        && member.topics == before.topics
        && member.pattern == before.pattern
        && member.classic == before.classic
}
