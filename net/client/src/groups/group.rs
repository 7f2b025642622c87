//! Consumer groups: which there are, who is in them, what they committed.

use std::collections::{BTreeMap, BTreeSet};

use millrace_wire::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup as ConsumerGroup,
};
use millrace_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use millrace_wire::{Bytes, ErrorCode};

use super::requests::ListedGroup;
use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::member::{PROTOCOL_TYPE, read_assignment};
use crate::place::Place;

/// State of a group that is not there.
const DEAD: &str = "Dead";

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: String,
    pub kind: &'static str,
    pub state: String,
    /// The assignor that its members, or the broker, chose; empty while there is none.
    pub assignor: String,
    pub members: Vec<GroupMember>,
}

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    pub id: String,
    /// Of a static member.
    pub instance: Option<String>,
    pub client: String,
    pub host: String,
    /// Nothing where it is not one of a consumer, or cannot be read.
    pub assignment: Option<BTreeSet<Place>>,
}

impl Cluster {
    /// All groups of the cluster in these states and of these types, by name; empty lists are any.
    pub fn groups(&mut self, states: &[String], kinds: &[String]) -> Result<Vec<ListedGroup>, ClientError> {
        let mut groups = Vec::new();
        for broker in self.brokers() {
            groups.extend(self.groups_at(broker, states, kinds)?);
        }
        groups.sort_unstable();
        Ok(groups)
    }

    /// A group and its members; `None` if there is no such group.
    pub fn group(&mut self, id: &str) -> Result<Option<Group>, ClientError> {
        let classic = self.describe_classic(id, |group| (group.error_code, of_classic(group)))?;
        let is_missing = |code: i16, group: &Group| {
            code == ErrorCode::GroupIdNotFound.code() || (code == 0 && group.state == DEAD)
        };
        if let Some((code, group)) = classic
            && !is_missing(code, &group)
        {
            ClientError::check(&format!("a question for group {id}"), code)?;
            return Ok(Some(group));
        }
        // The older request does not know groups of KIP-848.
        let Some((code, group)) =
            self.describe_consumer(id, |group| (group.error_code, of_consumer(group)))?
        else {
            return Ok(None);
        };
        if is_missing(code, &group) {
            return Ok(None);
        }
        ClientError::check(&format!("a question for group {id}"), code).map(|()| Some(group))
    }

    /// What the group has committed.
    pub fn committed(&mut self, group: &str) -> Result<BTreeMap<Place, i64>, ClientError> {
        self.fetch_committed(group)
    }

    /// Commits offsets for a group without members. A failure names one that was refused; others may be
    /// stored.
    pub fn commit(&mut self, group: &str, offsets: &BTreeMap<Place, i64>) -> Result<(), ClientError> {
        let refused = self.commit_offsets(group, offsets)?.into_iter().find(|(_, code)| *code != 0);
        match refused {
            Some((place, code)) => {
                ClientError::check(&format!("the commit of {place} for group {group}"), code)
            }
            None => Ok(()),
        }
    }

    /// Deletes a group that has no members, with what it committed.
    pub fn delete_group(&mut self, group: &str) -> Result<(), ClientError> {
        let code = self.delete(group)?;
        ClientError::check(&format!("the deletion of group {group}"), code)
    }
}

fn of_classic(group: &DescribedGroup<'_>) -> Group {
    let is_consumers = group.protocol_type == PROTOCOL_TYPE;
    Group {
        id: group.group_id.to_string(),
        kind: "classic",
        state: group.group_state.to_string(),
        assignor: group.protocol_data.to_string(),
        members: group.members.iter().map(|member| classic_member(member, is_consumers)).collect(),
    }
}

fn classic_member(member: &DescribedGroupMember<'_>, is_consumer: bool) -> GroupMember {
    let assignment = Bytes::copy_from_slice(&member.member_assignment);
    GroupMember {
        id: member.member_id.to_string(),
        instance: member.group_instance_id.as_deref().map(str::to_owned),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: if is_consumer { read_assignment(&assignment).ok() } else { None },
    }
}

fn of_consumer(group: &ConsumerGroup<'_>) -> Group {
    let members = group.members.iter().map(|member| GroupMember {
        id: member.member_id.to_string(),
        instance: member.instance_id.as_deref().map(str::to_owned),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: Some(places_of(&member.assignment)),
    });
    Group {
        id: group.group_id.to_string(),
        kind: "consumer",
        state: group.group_state.to_string(),
        assignor: group.assignor_name.to_string(),
        members: members.collect(),
    }
}

fn places_of(assignment: &Assignment<'_>) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for topic in &assignment.topic_partitions {
        let place = |partition: &i32| Place { topic: topic.topic_name.to_string(), partition: *partition };
        places.extend(topic.partitions.iter().map(place));
    }
    places
}
