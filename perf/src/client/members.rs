//! Members of classic groups: the requests with which they join, share out their work and stay.

use std::borrow::Cow;

use bytes::Bytes;
use millrace_client::{Frame, read_answer};
use millrace_wire::ApiKey;
use millrace_wire::messages::heartbeat_request::HeartbeatRequest;
use millrace_wire::messages::heartbeat_response::HeartbeatResponse;
use millrace_wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use millrace_wire::messages::join_group_response::JoinGroupResponse;
use millrace_wire::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use millrace_wire::messages::sync_group_response::SyncGroupResponse;

use crate::error::ClientError;

const JOIN_GROUP: i16 = 9;
const SYNC_GROUP: i16 = 5;
const HEARTBEAT: i16 = 4;

/// No member is to be taken for gone while a figure is taken.
const SESSION_TIMEOUT_MS: i32 = 600_000;
/// Members come as fast as they can; who is not there by then has failed.
const REBALANCE_TIMEOUT_MS: i32 = 60_000;
const PROTOCOL_TYPE: &str = "consumer";
const PROTOCOL: &str = "range";
/// `ConsumerProtocolSubscription` 0: to one topic, `read`, without user data.
const SUBSCRIPTION: &[u8] = b"\0\0\0\0\0\x01\0\x04read\xff\xff\xff\xff";
/// `ConsumerProtocolAssignment` 0: the first partition of that topic, without user data.
const ASSIGNMENT: &[u8] = b"\0\0\0\0\0\x01\0\x04read\0\0\0\x01\0\0\0\0\xff\xff\xff\xff";

/// Who asks: a member of a generation of a group, or nobody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Membership<'a> {
    pub(crate) group: &'a str,
    pub(crate) generation: i32,
    /// Empty before the broker gave an id.
    pub(crate) member: &'a str,
}

impl<'a> Membership<'a> {
    /// A tool, which commits for a group without members.
    pub(crate) fn nobody(group: &'a str) -> Membership<'a> {
        Membership { group, generation: -1, member: "" }
    }
}

/// What a member hears when it joined, or was given its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) code: i16,
    pub(crate) generation: i32,
    pub(crate) member: String,
    /// Ids of all members if this one leads the group; empty otherwise.
    pub(crate) members: Vec<String>,
}

pub(crate) fn join_frame(who: &Membership<'_>) -> Result<Frame, ClientError> {
    let protocol = JoinGroupRequestProtocol { name: PROTOCOL.into(), metadata: Cow::Borrowed(SUBSCRIPTION) };
    let request = JoinGroupRequest {
        group_id: Cow::Borrowed(who.group),
        session_timeout_ms: SESSION_TIMEOUT_MS,
        rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
        member_id: Cow::Borrowed(who.member),
        protocol_type: PROTOCOL_TYPE.into(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    };
    Frame::new(ApiKey::JoinGroup, JOIN_GROUP, |writer| request.encode(writer, JOIN_GROUP))
}

pub(crate) fn read_joined(frame: &Frame, answer: &Bytes) -> Result<Joined, ClientError> {
    read_answer(frame, answer, |reader| {
        let response = JoinGroupResponse::decode(reader, frame.version())?;
        Ok(Joined {
            code: response.error_code,
            generation: response.generation_id,
            member: response.member_id.to_string(),
            members: response.members.iter().map(|member| member.member_id.to_string()).collect(),
        })
    })
}

/// Asks for this member's part; the leader gives one partition to each of `members`, who lists nobody else.
pub(crate) fn sync_frame(who: &Membership<'_>, members: &[String]) -> Result<Frame, ClientError> {
    let assignment = |member: &'_ String| SyncGroupRequestAssignment {
        member_id: Cow::Owned(member.clone()),
        assignment: Cow::Borrowed(ASSIGNMENT),
    };
    let request = SyncGroupRequest {
        group_id: Cow::Borrowed(who.group),
        generation_id: who.generation,
        member_id: Cow::Borrowed(who.member),
        group_instance_id: None,
        protocol_type: Some(PROTOCOL_TYPE.into()),
        protocol_name: Some(PROTOCOL.into()),
        assignments: members.iter().map(assignment).collect(),
    };
    Frame::new(ApiKey::SyncGroup, SYNC_GROUP, |writer| request.encode(writer, SYNC_GROUP))
}

/// Whether the member got what the leader gave it.
pub(crate) fn check_synced(frame: &Frame, answer: &Bytes) -> Result<(), ClientError> {
    let (code, is_whole) = read_answer(frame, answer, |reader| {
        let response = SyncGroupResponse::decode(reader, frame.version())?;
        Ok((response.error_code, *response.assignment == *ASSIGNMENT))
    })?;
    ClientError::check("SyncGroup", code)?;
    match is_whole {
        true => Ok(()),
        false => Err(ClientError::Broker("a member got another assignment than its leader made".to_owned())),
    }
}

pub(crate) fn heartbeat_frame(who: &Membership<'_>) -> Result<Frame, ClientError> {
    let request = HeartbeatRequest {
        group_id: Cow::Borrowed(who.group),
        generation_id: who.generation,
        member_id: Cow::Borrowed(who.member),
        group_instance_id: None,
    };
    Frame::new(ApiKey::Heartbeat, HEARTBEAT, |writer| request.encode(writer, HEARTBEAT))
}

/// The error code.
pub(crate) fn read_heartbeat(frame: &Frame, answer: &Bytes) -> Result<i16, ClientError> {
    read_answer(frame, answer, |reader| Ok(HeartbeatResponse::decode(reader, frame.version())?.error_code))
}
