//! A classic group to a record and back. What is not in the record, members that are on their way among it,
//! is lost in a crash, as with Kafka: they join again.

use std::sync::Arc;

use super::group::ClassicGroup;
use super::member::{Member, SyncDuty, Tenure};
use super::state::GroupState;
use crate::base::TimestampMs;
use crate::coord::deadlines::Timer;
use crate::coord::ids::{GroupId, Now};
use crate::coord::record::{CoordinatorRecord, GroupMetadata, MemberMetadata};
use crate::coord::request::Protocol;

impl ClassicGroup {
    pub(in crate::coord) fn record(&self) -> CoordinatorRecord {
        CoordinatorRecord::Group { group: self.id.clone(), value: Some(self.metadata()) }
    }

    /// What the log is to hold of it.
    pub(super) fn metadata(&self) -> GroupMetadata {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.values().map(|member| MemberMetadata {
            id: member.id.clone(),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        });
        GroupMetadata {
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp: self.state_timestamp,
            members: members.collect(),
        }
    }

    /// The group that a record holds. Its members' sessions begin with `loaded`.
    pub(in crate::coord) fn from_metadata(id: GroupId, metadata: &GroupMetadata, now: Now) -> ClassicGroup {
        let mut group = ClassicGroup::new(id, now);
        group.protocol_type = metadata.protocol_type.clone().filter(|name| !name.is_empty());
        group.protocol = metadata.protocol.clone();
        group.generation = metadata.generation;
        group.state_timestamp = metadata.state_timestamp;
        for member in &metadata.members {
            // Two members of one id or one instance id are nothing that a broker writes; the first counts.
            let instance = member.instance.as_ref();
            let is_known = group.members.contains_key(&member.id)
                || instance.is_some_and(|instance| group.static_members.contains_key(instance));
            if !is_known {
                group.add(loaded_member(member, metadata));
            }
        }
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
            let leader = metadata.leader.clone().filter(|leader| group.members.contains_key(leader));
            group.leader = leader.or_else(|| group.members.keys().next().cloned());
        }
        group
    }

    /// When the group came into its state, if its record says so.
    pub(in crate::coord) fn known_state_timestamp(&self) -> Option<TimestampMs> {
        Some(self.state_timestamp).filter(|at| *at != TimestampMs::NONE)
    }
}

fn loaded_member(member: &MemberMetadata, metadata: &GroupMetadata) -> Member {
    let name = metadata.protocol.clone().unwrap_or_else(|| Arc::from(""));
    let rebalance_timeout_ms = match member.rebalance_timeout_ms {
        -1 => member.session_timeout_ms,
        given => given,
    };
    Member {
        id: member.id.clone(),
        instance: member.instance.clone(),
        client_id: Arc::clone(&member.client_id),
        client_host: Arc::clone(&member.client_host),
        session_timeout_ms: member.session_timeout_ms,
        rebalance_timeout_ms,
        protocols: vec![Protocol { name, metadata: member.subscription.clone() }],
        assignment: member.assignment.clone(),
        tenure: Tenure::Settled,
        sync_duty: SyncDuty::Done,
        joining: None,
        syncing: None,
        session: Timer::default(),
        counted: 0,
    }
}
