//! Requests by which a member comes, stays and goes.

use std::borrow::Cow;

use bytes::Bytes;
use millrace_wire::messages::describe_groups_request::DescribeGroupsRequest;
use millrace_wire::messages::describe_groups_response::DescribeGroupsResponse;
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::find_coordinator_response::FindCoordinatorResponse;
use millrace_wire::messages::heartbeat_request::HeartbeatRequest;
use millrace_wire::messages::heartbeat_response::HeartbeatResponse;
use millrace_wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use millrace_wire::messages::join_group_response::JoinGroupResponse;
use millrace_wire::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use millrace_wire::messages::leave_group_response::LeaveGroupResponse;
use millrace_wire::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use millrace_wire::messages::sync_group_response::SyncGroupResponse;
use millrace_wire::{ApiKey, ErrorCode, Reader};

use super::assignor::{PROTOCOL, PROTOCOL_TYPE};
use super::plan::SlotPlan;
use crate::broker::client::{Broken, Client};
use crate::broker::requests::{error_of, missing, nonsense};

const FIND_BATCHED: i16 = 4;
const LEAVE_BATCHED: i16 = 3;
const SYNC_WITH_PROTOCOL: i16 = 5;

/// Who makes a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) group: &'a str,
    pub(crate) generation: i32,
    pub(crate) member: &'a str,
    pub(crate) slot: &'a SlotPlan,
}

impl<'a> Identity<'a> {
    pub(crate) fn instance(&self) -> Option<Cow<'a, str>> {
        self.slot.instance.as_deref().map(Cow::Borrowed)
    }
}

/// The answer to a JoinGroup.
pub(crate) struct Joined {
    pub(crate) error: ErrorCode,
    pub(crate) generation: i32,
    pub(crate) member: String,
    pub(crate) leader: String,
    pub(crate) skip_assignment: bool,
    /// Ids and instance ids, for the leader.
    pub(crate) members: Vec<(String, Option<String>)>,
    /// What each of them says of itself.
    pub(crate) subscriptions: Vec<Bytes>,
}

/// What administrators see of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) state: String,
    pub(crate) members: usize,
}

pub(crate) async fn find(client: &mut Client, version: i16, group: &str) -> Result<ErrorCode, Broken> {
    let mut request = FindCoordinatorRequest::default();
    match version >= FIND_BATCHED {
        true => request.coordinator_keys = vec![group.into()],
        false => request.key = group.into(),
    }
    let body = client.ask(ApiKey::FindCoordinator, version, |writer| request.encode(writer, version)).await?;
    let answer = FindCoordinatorResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    match version >= FIND_BATCHED {
        true => error_of(answer.coordinators.first().ok_or_else(|| missing("the coordinator"))?.error_code),
        false => error_of(answer.error_code),
    }
}

pub(crate) async fn join(
    client: &mut Client,
    who: Identity<'_>,
    subscription: &[u8],
) -> Result<Joined, Broken> {
    let version = who.slot.versions.join;
    let request = JoinGroupRequest {
        group_id: who.group.into(),
        session_timeout_ms: who.slot.session_ms as i32,
        rebalance_timeout_ms: who.slot.rebalance_ms as i32,
        member_id: who.member.into(),
        group_instance_id: who.instance(),
        protocol_type: PROTOCOL_TYPE.into(),
        protocols: vec![JoinGroupRequestProtocol { name: PROTOCOL.into(), metadata: subscription.into() }],
        reason: None,
    };
    let body = client.ask(ApiKey::JoinGroup, version, |writer| request.encode(writer, version)).await?;
    let answer = JoinGroupResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    let members = answer.members.iter().map(|member| {
        (member.member_id.to_string(), member.group_instance_id.as_ref().map(|instance| instance.to_string()))
    });
    Ok(Joined {
        error: error_of(answer.error_code)?,
        generation: answer.generation_id,
        member: answer.member_id.to_string(),
        leader: answer.leader.to_string(),
        skip_assignment: answer.skip_assignment,
        members: members.collect(),
        subscriptions: answer.members.iter().map(|member| Bytes::copy_from_slice(&member.metadata)).collect(),
    })
}

/// Answers the member's own assignment.
pub(crate) async fn sync(
    client: &mut Client,
    who: Identity<'_>,
    assignments: &[(String, Vec<u8>)],
) -> Result<(ErrorCode, Bytes), Broken> {
    let version = who.slot.versions.sync;
    let says_protocol = version >= SYNC_WITH_PROTOCOL;
    let assignments = assignments.iter().map(|(member, assignment)| SyncGroupRequestAssignment {
        member_id: member.as_str().into(),
        assignment: assignment.as_slice().into(),
    });
    let request = SyncGroupRequest {
        group_id: who.group.into(),
        generation_id: who.generation,
        member_id: who.member.into(),
        group_instance_id: who.instance(),
        protocol_type: says_protocol.then(|| PROTOCOL_TYPE.into()),
        protocol_name: says_protocol.then(|| PROTOCOL.into()),
        assignments: assignments.collect(),
    };
    let body = client.ask(ApiKey::SyncGroup, version, |writer| request.encode(writer, version)).await?;
    let answer = SyncGroupResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    Ok((error_of(answer.error_code)?, Bytes::copy_from_slice(&answer.assignment)))
}

pub(crate) async fn heartbeat(client: &mut Client, who: Identity<'_>) -> Result<ErrorCode, Broken> {
    let version = who.slot.versions.heartbeat;
    let request = HeartbeatRequest {
        group_id: who.group.into(),
        generation_id: who.generation,
        member_id: who.member.into(),
        group_instance_id: who.instance(),
    };
    let body = client.ask(ApiKey::Heartbeat, version, |writer| request.encode(writer, version)).await?;
    let answer = HeartbeatResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    error_of(answer.error_code)
}

pub(crate) async fn leave(client: &mut Client, who: Identity<'_>) -> Result<ErrorCode, Broken> {
    let version = who.slot.versions.leave;
    let mut request = LeaveGroupRequest { group_id: who.group.into(), ..LeaveGroupRequest::default() };
    match version >= LEAVE_BATCHED {
        true => {
            let (member_id, group_instance_id) = (who.member.into(), who.instance());
            request.members = vec![MemberIdentity { member_id, group_instance_id, reason: None }];
        }
        false => request.member_id = who.member.into(),
    }
    let body = client.ask(ApiKey::LeaveGroup, version, |writer| request.encode(writer, version)).await?;
    let answer = LeaveGroupResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    match answer.members.first().filter(|_| answer.error_code == ErrorCode::None.code()) {
        Some(member) => error_of(member.error_code),
        None => error_of(answer.error_code),
    }
}

pub(crate) async fn describe(
    client: &mut Client,
    group: &str,
) -> Result<Result<Described, ErrorCode>, Broken> {
    const VERSION: i16 = 5;
    let request = DescribeGroupsRequest { groups: vec![group.into()], include_authorized_operations: false };
    let body = client.ask(ApiKey::DescribeGroups, VERSION, |writer| request.encode(writer, VERSION)).await?;
    let answer = DescribeGroupsResponse::decode(&mut Reader::new(&body), VERSION).map_err(nonsense)?;
    let group = answer.groups.first().ok_or_else(|| missing("the group"))?;
    Ok(match error_of(group.error_code)? {
        ErrorCode::None => {
            Ok(Described { state: group.group_state.to_string(), members: group.members.len() })
        }
        error => Err(error),
    })
}
