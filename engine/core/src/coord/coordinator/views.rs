//! What administrators see: groups listed, described and counted.

use bytes::Bytes;
use std::sync::Arc;

use super::machine::Coordinator;
use crate::base::{Offset, PartitionIndex};
use crate::coord::classic::{GroupState, Member};
use crate::coord::consumer::ConsumerMember;
use crate::coord::group::GroupStatus;
use crate::coord::ids::{Epoch, Generation, GroupId, InstanceId, MemberId, TopicName};
use crate::coord::kip848::{ConsumerGroupState, MemberProtocol, Partitions};
use crate::coord::tally::GroupTally;

/// Which groups are listed; names count without regard to case and surrounding blanks.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    /// Empty: any state.
    pub states: Vec<String>,
    /// Empty: any type.
    pub types: Vec<String>,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    pub group: GroupId,
    pub protocol_type: Option<Arc<str>>,
    pub status: GroupStatus,
}

/// What is known of a group that was asked for as one of a certain type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Described<T> {
    Found(T),
    /// It is there, and of another type.
    OfOtherType,
    Missing,
}

/// A classic group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    pub state: GroupState,
    pub generation: Generation,
    pub protocol_type: Option<Arc<str>>,
    /// Of a stable group only.
    pub protocol: Option<Arc<str>>,
    pub leader: Option<MemberId>,
    pub members: Vec<DescribedMember>,
}

/// A member as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// In a stable group only; else empty.
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// A group of the consumer protocol with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    pub state: ConsumerGroupState,
    pub epoch: Epoch,
    pub assigned_epoch: Epoch,
    pub assignor: &'static str,
    pub members: Vec<DescribedConsumer>,
}

/// A member of the consumer protocol as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumer {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub rack: Option<Arc<str>>,
    pub epoch: Epoch,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub topics: Vec<Arc<str>>,
    pub pattern: Option<Arc<str>>,
    pub assigned: Partitions,
    pub target: Partitions,
    pub protocol: MemberProtocol,
}

/// A group in figures, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFigures {
    pub group: GroupId,
    pub status: GroupStatus,
    pub members: usize,
    /// Where it has come to in each partition.
    pub committed: Vec<(TopicName, Vec<(PartitionIndex, Offset)>)>,
}

/// The protocol type of groups of the consumer protocol.
const CONSUMER: &str = "consumer";

impl GroupFilter {
    fn admits(&self, status: GroupStatus) -> bool {
        let has = |names: &[String], name: &str| {
            names.is_empty() || names.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        has(&self.states, status.name()) && has(&self.types, status.group_type())
    }
}

impl Coordinator {
    /// ListGroups, by id.
    pub fn list(&self, filter: &GroupFilter) -> Vec<ListedGroup> {
        let admitted = self.groups.iter().filter(|(_, group)| filter.admits(group.status()));
        let mut listed: Vec<ListedGroup> = admitted
            .map(|(id, group)| ListedGroup {
                group: id.clone(),
                protocol_type: match group.consumer {
                    Some(_) => Some(Arc::from(CONSUMER)),
                    None => group.classic.protocol_type().cloned(),
                },
                status: group.status(),
            })
            .collect();
        listed.sort_unstable_by(|a, b| a.group.cmp(&b.group));
        listed
    }

    /// DescribeGroups of one group.
    pub fn describe(&self, group: &str) -> Described<DescribedGroup> {
        let classic = match self.groups.get(group) {
            None => return Described::Missing,
            Some(group) if group.consumer.is_some() => return Described::OfOtherType,
            Some(group) => &group.classic,
        };
        let protocol = classic.protocol().filter(|_| classic.state() == GroupState::Stable);
        let described = |member: &Member| DescribedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: protocol.map(|name| member.metadata(name)).unwrap_or_default(),
            assignment: member.assignment.clone(),
        };
        Described::Found(DescribedGroup {
            state: classic.state(),
            generation: classic.generation(),
            protocol_type: classic.protocol_type().cloned(),
            protocol: protocol.cloned(),
            leader: classic.leader().cloned(),
            members: classic.members().map(described).collect(),
        })
    }

    /// ConsumerGroupDescribe of one group.
    pub fn describe_consumers(&self, group: &str) -> Described<DescribedConsumerGroup> {
        let consumer = match self.groups.get(group).map(|group| &group.consumer) {
            None => return Described::Missing,
            Some(None) => return Described::OfOtherType,
            Some(Some(consumer)) => consumer,
        };
        let described = |member: &ConsumerMember| DescribedConsumer {
            member: member.id.clone(),
            instance: member.instance.clone(),
            rack: member.rack.clone(),
            epoch: member.epoch,
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            topics: member.topics.clone(),
            pattern: member.pattern.clone(),
            // What it is to give up is its own until it has.
            assigned: member.assigned.with(&member.revoking),
            target: member.target.clone(),
            protocol: member.protocol(),
        };
        Described::Found(DescribedConsumerGroup {
            state: consumer.state(),
            epoch: consumer.epoch(),
            assigned_epoch: consumer.assigned_epoch(),
            assignor: consumer.assignor(&self.settings).name(),
            members: consumer.members().map(described).collect(),
        })
    }

    /// The groups there are, in no order.
    pub fn group_ids(&self) -> Vec<GroupId> {
        self.groups.keys().cloned().collect()
    }

    /// A group in figures; `None` if it is not there.
    pub fn figures(&self, group: &str) -> Option<GroupFigures> {
        let (id, group) = self.groups.get_key_value(group)?;
        let committed = group.offsets.iter().map(|(topic, offsets)| {
            let offsets = offsets.map(|(partition, committed)| (partition, committed.offset));
            (topic.clone(), offsets.collect())
        });
        Some(GroupFigures {
            group: id.clone(),
            status: group.status(),
            members: group.member_count(),
            committed: committed.collect(),
        })
    }

    /// What happened since the last call.
    pub fn take_tally(&mut self) -> GroupTally {
        std::mem::take(&mut self.tally)
    }
}
