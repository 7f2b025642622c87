//! What administrators see: groups listed, described and counted.

use bytes::Bytes;
use std::sync::Arc;

use super::machine::Coordinator;
use super::tally::GroupTally;
use crate::base::{Offset, PartitionIndex};
use crate::coord::classic::{GroupState, Member};
use crate::coord::ids::{Generation, GroupId, InstanceId, MemberId, TopicName};

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
    pub state: GroupState,
    /// "classic"; as clients name it.
    pub group_type: &'static str,
}

/// A group with its members.
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

/// A group in figures, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFigures {
    pub group: GroupId,
    pub state: GroupState,
    pub members: usize,
    /// Where it has come to in each partition.
    pub committed: Vec<(TopicName, Vec<(PartitionIndex, Offset)>)>,
}

/// The type that classic groups are listed as.
const CLASSIC: &str = "classic";

impl GroupFilter {
    fn admits(&self, state: GroupState) -> bool {
        let has = |names: &[String], name: &str| {
            names.is_empty() || names.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        has(&self.states, state.name()) && has(&self.types, CLASSIC)
    }
}

impl Coordinator {
    /// ListGroups, by id.
    pub fn list(&self, filter: &GroupFilter) -> Vec<ListedGroup> {
        let admitted = self.groups.iter().filter(|(_, group)| filter.admits(group.classic.state()));
        let mut listed: Vec<ListedGroup> = admitted
            .map(|(id, group)| ListedGroup {
                group: id.clone(),
                protocol_type: group.classic.protocol_type().cloned(),
                state: group.classic.state(),
                group_type: CLASSIC,
            })
            .collect();
        listed.sort_unstable_by(|a, b| a.group.cmp(&b.group));
        listed
    }

    /// DescribeGroups of one group; `None` if it is not there.
    pub fn describe(&self, group: &str) -> Option<DescribedGroup> {
        let classic = &self.groups.get(group)?.classic;
        let protocol = classic.protocol().filter(|_| classic.state() == GroupState::Stable);
        let described = |member: &Member| DescribedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: protocol.map(|name| member.metadata(name)).unwrap_or_default(),
            assignment: member.assignment.clone(),
        };
        Some(DescribedGroup {
            state: classic.state(),
            generation: classic.generation(),
            protocol_type: classic.protocol_type().cloned(),
            protocol: protocol.cloned(),
            leader: classic.leader().cloned(),
            members: classic.members().map(described).collect(),
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
            state: group.classic.state(),
            members: group.classic.members().len(),
            committed: committed.collect(),
        })
    }

    /// What happened since the last call.
    pub fn take_tally(&mut self) -> GroupTally {
        std::mem::take(&mut self.tally)
    }
}
