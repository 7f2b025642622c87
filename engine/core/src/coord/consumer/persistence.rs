//! A consumer group to records and back.

use std::sync::Arc;

use super::state::changes::Change;
use super::state::group::ConsumerGroup;
use super::state::held::Held;
use super::state::member::ConsumerMember;
use super::state::pattern::{Resolved, Watched};
use crate::base::PartitionKey;
use crate::coord::ids::{GroupId, MemberId};
use crate::coord::kip848::Partitions;
use crate::coord::kip848::{
    ConsumerMemberMetadata, ConsumerRecord, CurrentAssignment, GroupEpoch, ResolvedPattern, TargetEpoch,
};
use crate::coord::record::CoordinatorRecord;

impl ConsumerGroup {
    /// The records of all that has changed. Tombstones go first, those of a member's assignments before its
    /// own, as Kafka wants to read them.
    pub(in crate::coord) fn take_records(&mut self) -> Vec<CoordinatorRecord> {
        let changes = std::mem::take(&mut self.changes);
        let (gone, here): (Vec<ConsumerRecord>, Vec<ConsumerRecord>) = changes
            .into_iter()
            .filter_map(|change| self.record(change))
            .partition(|record| record.is_tombstone());
        // Changes come with members first, and their assignments last.
        gone.into_iter().rev().chain(here).map(|record| of_group(&self.id, record)).collect()
    }

    /// Tombstones of all that the log holds, or will hold, of the group.
    pub(in crate::coord) fn tombstones(&self) -> Vec<CoordinatorRecord> {
        let mut keys = self.changes.clone();
        keys.extend(self.patterns.keys().map(|pattern| Change::Pattern(Arc::clone(pattern))));
        for id in self.members.keys() {
            keys.extend([
                Change::Current(id.clone()),
                Change::Target(id.clone()),
                Change::Member(id.clone()),
            ]);
        }
        let parts = keys.into_iter().rev().filter_map(|change| match change {
            Change::Member(id) => Some(ConsumerRecord::Member(id, None)),
            Change::Target(id) => Some(ConsumerRecord::Target(id, None)),
            Change::Current(id) => Some(ConsumerRecord::Current(id, None)),
            Change::Pattern(pattern) => Some(ConsumerRecord::Pattern(pattern, None)),
            Change::Epoch | Change::TargetEpoch => None,
        });
        let whole = [ConsumerRecord::TargetEpoch(None), ConsumerRecord::Epoch(None)];
        parts.chain(whole).map(|record| of_group(&self.id, record)).collect()
    }

    /// `None`: there is nothing to say, then or now.
    fn record(&self, change: Change) -> Option<ConsumerRecord> {
        Some(match change {
            Change::Epoch => {
                let (epoch, metadata_hash) = (self.epoch, self.metadata_hash);
                ConsumerRecord::Epoch(Some(GroupEpoch { epoch, metadata_hash }))
            }
            Change::TargetEpoch => {
                let (epoch, timestamp) = (self.assigned_epoch, self.assigned_at);
                ConsumerRecord::TargetEpoch(Some(TargetEpoch { epoch, timestamp }))
            }
            Change::Member(id) => {
                let value = self.members.get(&id).map(ConsumerMember::metadata);
                ConsumerRecord::Member(id, value)
            }
            Change::Target(id) => {
                let value = self.members.get(&id).map(|member| member.target.clone());
                ConsumerRecord::Target(id, value)
            }
            Change::Current(id) => {
                let value = self.members.get(&id).map(ConsumerMember::current);
                ConsumerRecord::Current(id, value)
            }
            Change::Pattern(pattern) => {
                let value = self.patterns.get(&pattern).map(Watched::resolved);
                let value = match value {
                    None => None,
                    Some(resolved) => Some(resolved?.record()),
                };
                ConsumerRecord::Pattern(pattern, value)
            }
        })
    }

    /// The next record of the log; who owns what is made out at its end, by `settle`.
    pub(in crate::coord) fn replay(&mut self, record: &ConsumerRecord) {
        match record {
            ConsumerRecord::Epoch(value) => {
                if let Some(GroupEpoch { epoch, metadata_hash }) = value {
                    (self.epoch, self.metadata_hash) = (*epoch, *metadata_hash);
                }
            }
            ConsumerRecord::TargetEpoch(value) => {
                if let Some(TargetEpoch { epoch, timestamp }) = value {
                    (self.assigned_epoch, self.assigned_at) = (*epoch, *timestamp);
                }
            }
            ConsumerRecord::Member(id, Some(value)) => self.replayed(id).describe(value),
            ConsumerRecord::Member(id, None) => {
                if let Some(gone) = self.members.remove(id) {
                    self.held.bytes -= gone.counted;
                }
            }
            ConsumerRecord::Target(id, value) => {
                self.replayed(id).target = value.clone().unwrap_or_default();
            }
            ConsumerRecord::Current(id, Some(value)) => self.replayed(id).come_to(value),
            ConsumerRecord::Current(id, None) => {
                let member = self.replayed(id);
                (member.assigned, member.revoking) = (Partitions::default(), Partitions::default());
            }
            ConsumerRecord::Pattern(pattern, Some(value)) => {
                let resolved =
                    Resolved { topics: value.topics.clone(), version: value.version, at: value.timestamp };
                self.patterns.insert(Arc::clone(pattern), Watched::of(resolved));
            }
            ConsumerRecord::Pattern(pattern, None) => {
                self.patterns.remove(pattern);
            }
        }
    }

    /// A member of the log. Compaction may have left what is said of it in any order.
    fn replayed(&mut self, id: &MemberId) -> &mut ConsumerMember {
        self.held.touch(id);
        self.members.entry(id.clone()).or_insert_with(|| ConsumerMember::new(id.clone()))
    }

    /// The log is read: what belongs together is put together. Of members that nothing describes only
    /// tombstones were there; two claims to one partition are nothing that a broker writes,
    /// and the first counts.
    pub(super) fn settle(&mut self) {
        self.assigned_epoch = self.assigned_epoch.min(self.epoch);
        let members = std::mem::take(&mut self.members);
        self.held = Held::default();
        for mut member in members.into_values().filter(ConsumerMember::is_described) {
            let is_free = |key: PartitionKey| !self.owners.contains_key(&key);
            let assigned = member.assigned.filter(is_free);
            let revoking = member.revoking.without(&assigned).filter(is_free);
            (member.assigned, member.revoking) = (assigned, revoking);
            self.add(member);
        }
        let patterns: Vec<Arc<str>> = self.patterns.keys().cloned().collect();
        for pattern in patterns {
            self.forget_pattern(&pattern);
        }
        for member in self.members.values() {
            if let Some(pattern) = &member.pattern {
                self.patterns.entry(Arc::clone(pattern)).or_default();
            }
        }
    }
}

impl ConsumerMember {
    fn metadata(&self) -> ConsumerMemberMetadata {
        ConsumerMemberMetadata {
            instance: self.instance.clone(),
            rack: self.rack.clone(),
            client_id: Arc::clone(&self.client_id),
            client_host: Arc::clone(&self.client_host),
            topics: self.topics.clone(),
            pattern: self.pattern.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            assignor: self.assignor.clone(),
            classic: self.classic.as_deref().cloned(),
        }
    }

    fn current(&self) -> CurrentAssignment {
        CurrentAssignment {
            epoch: self.epoch,
            previous_epoch: self.previous_epoch,
            state: self.state,
            assigned: self.assigned.clone(),
            revoking: self.revoking.clone(),
        }
    }

    fn describe(&mut self, metadata: &ConsumerMemberMetadata) {
        self.instance.clone_from(&metadata.instance);
        self.rack.clone_from(&metadata.rack);
        self.client_id = Arc::clone(&metadata.client_id);
        self.client_host = Arc::clone(&metadata.client_host);
        self.topics.clone_from(&metadata.topics);
        self.pattern.clone_from(&metadata.pattern);
        self.rebalance_timeout_ms = metadata.rebalance_timeout_ms.max(0);
        self.assignor.clone_from(&metadata.assignor);
        self.classic = metadata.classic.clone().map(Box::new);
    }

    /// A member cannot join without saying how long it may take to give partitions up.
    fn is_described(&self) -> bool {
        self.rebalance_timeout_ms >= 0
    }

    fn come_to(&mut self, current: &CurrentAssignment) {
        (self.epoch, self.previous_epoch) = (current.epoch, current.previous_epoch);
        self.state = current.state;
        self.assigned = current.assigned.clone();
        self.revoking = current.revoking.clone();
    }
}

impl Resolved {
    fn record(&self) -> ResolvedPattern {
        ResolvedPattern { topics: self.topics.clone(), version: self.version, timestamp: self.at }
    }
}

impl ConsumerRecord {
    pub(in crate::coord) fn is_tombstone(&self) -> bool {
        match self {
            ConsumerRecord::Epoch(value) => value.is_none(),
            ConsumerRecord::Member(_, value) => value.is_none(),
            ConsumerRecord::Pattern(_, value) => value.is_none(),
            ConsumerRecord::TargetEpoch(value) => value.is_none(),
            ConsumerRecord::Target(_, value) => value.is_none(),
            ConsumerRecord::Current(_, value) => value.is_none(),
        }
    }
}

fn of_group(group: &GroupId, record: ConsumerRecord) -> CoordinatorRecord {
    CoordinatorRecord::Consumer { group: group.clone(), record }
}
