//! The coordinator out of the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::machine::Coordinator;
use crate::base::PartitionIndex;
use crate::coord::action::Action;
use crate::coord::classic::{ClassicGroup, GroupState};
use crate::coord::consumer::ConsumerGroup;
use crate::coord::group::Group;
use crate::coord::ids::{Epoch, Generation, GroupId, Now};
use crate::coord::kip848::ConsumerRecord;
use crate::coord::record::CoordinatorRecord;
use crate::coord::settings::GroupSettings;

/// Reads a partition of the offsets topic from its beginning to its end; then it is a coordinator. Meanwhile
/// requests are answered COORDINATOR_LOAD_IN_PROGRESS by the host.
#[derive(Debug)]
pub struct Loader {
    coordinator: Coordinator,
    now: Now,
    lasts: BTreeMap<GroupId, Last>,
    /// What groups were that are classic now: a broker wrote that, and not the tombstones before it.
    left_behind: BTreeMap<GroupId, Box<ConsumerGroup>>,
}

/// What the log last said of a group that was one of the consumer protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// That it is gone, and the epoch it had; compaction may have taken that away.
    Gone(Option<Epoch>),
    /// That it is a classic group at the generation to which it was turned, which has not been rebalanced
    /// since: nobody has what the last member of the consumer protocol had.
    Downgraded,
}

impl Loader {
    pub fn new(settings: Arc<GroupSettings>, now: Now) -> Loader {
        let coordinator = Coordinator::new(settings, now);
        Loader { coordinator, now, lasts: BTreeMap::new(), left_behind: BTreeMap::new() }
    }

    /// Settings were changed.
    pub fn follow(&mut self, settings: Arc<GroupSettings>) {
        self.coordinator.follow(settings);
    }

    /// The next record of the log. A later one of the same key replaces an earlier one.
    pub fn replay(&mut self, record: &CoordinatorRecord) {
        self.coordinator.settle_some();
        match record {
            CoordinatorRecord::Offset { group, topic, partition, value: Some(value) } => {
                self.group(group).offsets.put(topic, *partition, value);
            }
            CoordinatorRecord::Offset { group, topic, partition, value: None } => {
                self.remove_offset(group, topic.as_str(), *partition);
            }
            CoordinatorRecord::Group { group, value: Some(metadata) } => {
                let classic = ClassicGroup::from_metadata(group.clone(), metadata, self.now);
                self.note_classic(group, metadata.generation);
                let known = self.group(group);
                known.classic = classic;
                if let Some(consumer) = known.consumer.take() {
                    self.left_behind.insert(group.clone(), consumer);
                }
            }
            CoordinatorRecord::Group { group, value: None } => {
                self.coordinator.room.touch(group);
                if let Some(known) = self.coordinator.groups.get_mut(group) {
                    known.classic = ClassicGroup::new(group.clone(), self.now);
                }
                self.coordinator.forget_if_blank(group.as_str());
            }
            CoordinatorRecord::Consumer { group, record } => self.replay_consumer(group, record),
        }
    }

    fn replay_consumer(&mut self, id: &GroupId, record: &ConsumerRecord) {
        if matches!(record, ConsumerRecord::Epoch(_)) {
            self.left_behind.remove(id);
        }
        if *record == ConsumerRecord::Epoch(None) {
            self.coordinator.room.touch(id);
            let group = self.coordinator.groups.get_mut(id);
            let epoch = group.and_then(|group| group.consumer.take()).map(|consumer| consumer.epoch());
            self.lasts.insert(id.clone(), Last::Gone(epoch));
            self.coordinator.forget_if_blank(id.as_str());
            return;
        }
        let is_known = self.coordinator.groups.get(id).is_some_and(|group| group.consumer.is_some());
        if is_known || !record.is_tombstone() {
            let consumer = &mut self.group(id).consumer;
            consumer.get_or_insert_with(|| Box::new(ConsumerGroup::unwritten(id.clone()))).replay(record);
        }
    }

    fn note_classic(&mut self, id: &GroupId, generation: Generation) {
        let last = self.lasts.remove(id);
        if let Some(Last::Gone(epoch)) = last
            && epoch.is_none_or(|epoch| epoch.0 == generation.0)
        {
            self.lasts.insert(id.clone(), Last::Downgraded);
        }
    }

    fn group(&mut self, id: &GroupId) -> &mut Group {
        let now = self.now;
        self.coordinator.room.touch(id);
        self.coordinator.groups.entry(id.clone()).or_insert_with(|| Box::new(Group::new(id.clone(), now)))
    }

    fn remove_offset(&mut self, id: &GroupId, topic: &str, partition: PartitionIndex) {
        self.coordinator.room.touch(id);
        if let Some(group) = self.coordinator.groups.get_mut(id) {
            group.offsets.remove(topic, partition);
        }
        self.coordinator.forget_if_blank(id.as_str());
    }

    /// The log is read: members have their session timeout from now to be heard of.
    pub fn finish(mut self, now: Now, actions: &mut Vec<Action>) -> Coordinator {
        let mut ids: Vec<GroupId> = self.coordinator.groups.keys().cloned().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some((group, mut turn)) = self.coordinator.group_turn(id.as_str(), now, actions) {
                match &mut group.consumer {
                    Some(consumer) => consumer.loaded(&mut turn),
                    None => group.classic.loaded(&mut turn),
                }
                if group.classic.state() == GroupState::Stable
                    && self.lasts.get(&id) == Some(&Last::Downgraded)
                {
                    group.classic.rebalance_or_complete_join(&mut turn);
                }
            }
        }
        for (id, consumer) in self.left_behind {
            if let Some((group, mut turn)) = self.coordinator.group_turn(id.as_str(), now, actions) {
                group.write(consumer.tombstones(), None, &mut turn);
            }
        }
        self.coordinator
    }
}
