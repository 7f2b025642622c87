//! The target assignment: what each member is to own once all have reconciled.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assignors::{Subscriber, assign};
use crate::coord::consumer::state::changes::Change;
use crate::coord::consumer::state::group::ConsumerGroup;
use crate::coord::ids::{MemberId, Now};
use crate::coord::kip848::{Assignor, TopicView, Topics};
use crate::coord::settings::GroupSettings;

impl ConsumerGroup {
    /// Assigns anew where the group has changed since, but not more often than its pause allows: changes that
    /// come together are assigned together (KIP-1263).
    pub(in crate::coord::consumer) fn assign_if_due(
        &mut self,
        topics: &dyn Topics,
        now: Now,
        settings: &GroupSettings,
    ) {
        if self.is_assignment_due(now, settings) {
            self.assign(topics, now, settings);
        }
    }

    pub(in crate::coord::consumer) fn is_assignment_due(&self, now: Now, settings: &GroupSettings) -> bool {
        let age_ms = now.wall.0.saturating_sub(self.assigned_at.0);
        // A clock that was set back makes it due.
        let pause_ms = settings.of_group(self.id.as_str()).assignment_interval_ms;
        let is_early = (0..i64::from(pause_ms)).contains(&age_ms);
        self.epoch > self.assigned_epoch && !is_early
    }

    fn assign(&mut self, topics: &dyn Topics, now: Now, settings: &GroupSettings) {
        let subscribed: BTreeMap<&Arc<str>, TopicView> = self.subscribed_topics(topics);
        let subscribers: Vec<Subscriber<'_>> = self
            .members
            .values()
            .map(|member| {
                let mut topics: Vec<TopicView> =
                    self.names_of(member).filter_map(|name| subscribed.get(name).copied()).collect();
                topics.sort_unstable_by_key(|topic| topic.id);
                topics.dedup();
                Subscriber {
                    order: member.instance.as_ref().map_or(member.id.as_str(), |instance| instance.as_str()),
                    topics,
                    before: &member.target,
                }
            })
            .collect();
        let targets = assign(self.assignor(settings), &subscribers);
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for (id, target) in ids.into_iter().zip(targets) {
            let member = self.member(&id);
            if !member.target.is_same_as(&target) {
                member.target = target;
                self.changes.insert(Change::Target(id));
            }
        }
        (self.assigned_epoch, self.assigned_at) = (self.epoch, now.wall);
        self.changes.insert(Change::TargetEpoch);
    }

    /// The one that most members ask for; among equals the broker prefers the first of its own list.
    pub(in crate::coord) fn assignor(&self, settings: &GroupSettings) -> Assignor {
        let wishes = |assignor: &Assignor| {
            let wanted = self.members.values().filter_map(|member| member.assignor.as_deref());
            wanted.filter(|name| *name == assignor.name()).count()
        };
        let best = settings.consumer_assignors.iter().rev().max_by_key(|assignor| wishes(assignor));
        best.copied().unwrap_or(Assignor::Uniform)
    }
}
