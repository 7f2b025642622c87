//! SyncGroup and Heartbeat of members that go on with the classic protocol in a consumer group.

use crate::coord::answer::Synced;
use crate::coord::consumer::state::group::ConsumerGroup;
use crate::coord::consumer::state::member::ConsumerMember;
use crate::coord::embedded::{TopicNames, assignment_bytes};
use crate::coord::error::GroupError;
use crate::coord::ids::{Generation, Now};
use crate::coord::kip848::{ClassicMetadata, MemberState, Topics};
use crate::coord::request::{HeartbeatRequest, Protocol, SyncRequest};
use crate::coord::settings::GroupSettings;
use crate::coord::turn::Turn;

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

impl ConsumerGroup {
    /// A member lives; it learns whether there is something for it to join for. Allocates nothing.
    pub(in crate::coord) fn heartbeat_classic(
        &mut self,
        request: &HeartbeatRequest<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), GroupError> {
        let (member, _) = self.find_classic(request.member, request.instance)?;
        check_generation(member, request.generation)?;
        let has_reason = self.has_reason_to_join(member, turn.now, turn.settings);
        let id = member.id.clone();
        self.arm_session(&id, turn);
        if !has_reason {
            return Ok(());
        }
        if !self.member(&id).rebalance.is_armed() {
            self.arm_rebalance(&id, turn);
        }
        Err(GroupError::RebalanceInProgress)
    }

    /// A member asks for what it is to own.
    pub(in crate::coord) fn sync_classic(
        &mut self,
        request: &SyncRequest,
        topics: &dyn Topics,
        turn: &mut Turn<'_>,
    ) -> Result<Synced, GroupError> {
        let instance = request.instance.as_ref().map(|instance| instance.as_str());
        let (member, classic) = self.find_classic(request.member.as_str(), instance)?;
        check_generation(member, request.generation)?;
        let first = classic.protocols.first();
        let is_other_type = request.protocol_type.as_ref().is_some_and(|named| &**named != CONSUMER);
        let is_other =
            request.protocol.as_ref().is_some_and(|named| first.is_none_or(|own| own.name != *named));
        if is_other_type || is_other {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        let id = member.id.clone();
        if member.state != MemberState::UnrevokedPartitions && self.is_behind(member, turn.now, turn.settings)
        {
            if !self.member(&id).rebalance.is_armed() {
                self.arm_rebalance(&id, turn);
            }
            return Err(GroupError::RebalanceInProgress);
        }
        let assignment = member.classic_assignment(first, topics);
        self.member(&id).rebalance.cancel();
        self.arm_session(&id, turn);
        Ok(Synced {
            protocol_type: request.protocol_type.clone(),
            protocol: request.protocol.clone(),
            assignment,
        })
    }

    /// A member that speaks the classic protocol, by its instance id where it has one.
    fn find_classic(
        &self,
        member: &str,
        instance: Option<&str>,
    ) -> Result<(&ConsumerMember, &ClassicMetadata), GroupError> {
        let found = match instance {
            None => self.members.get(member),
            Some(instance) => self.instance(instance),
        };
        let found = found.ok_or(GroupError::UnknownMemberId)?;
        if found.id.as_str() != member {
            return Err(GroupError::FencedInstanceId);
        }
        let classic = found.classic.as_deref().ok_or(GroupError::UnknownMemberId)?;
        Ok((found, classic))
    }

    /// Whether a join would bring the member further: there is a newer assignment or would be one, it is to
    /// give partitions up, or all that it waits for are free.
    fn has_reason_to_join(&self, member: &ConsumerMember, now: Now, settings: &GroupSettings) -> bool {
        match member.state {
            _ if self.is_behind(member, now, settings) => true,
            MemberState::Stable => false,
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => {
                let awaited = member.target.without(&member.assigned);
                !awaited.keys().any(|key| self.is_others(key, &member.id))
            }
        }
    }

    fn is_behind(&self, member: &ConsumerMember, now: Now, settings: &GroupSettings) -> bool {
        member.epoch < self.assigned_epoch || self.is_assignment_due(now, settings)
    }
}

impl ConsumerMember {
    /// What it owns or is to own now, as it reads assignments.
    fn classic_assignment(&self, first: Option<&Protocol>, topics: &dyn Topics) -> bytes::Bytes {
        let names: TopicNames<'_> =
            self.topics.iter().filter_map(|name| Some((topics.topic(name)?.id, name))).collect();
        let metadata = first.map_or(&[][..], |first| &first.metadata);
        assignment_bytes(&self.assigned, &names, metadata)
    }
}

fn check_generation(member: &ConsumerMember, generation: Generation) -> Result<(), GroupError> {
    if generation.0 == member.epoch.0 { Ok(()) } else { Err(GroupError::IllegalGeneration) }
}
