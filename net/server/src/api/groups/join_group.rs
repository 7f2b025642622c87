//! JoinGroup 0-9: a member asks to be in the next generation of its group, and waits until that has begun.

use bytes::Bytes;
use millrace_core::coord::{JoinRefused, JoinRequest, Joined, MemberIdHandshake, Protocol, SkipAssignment};
use millrace_wire::messages::join_group_request::JoinGroupRequest;
use millrace_wire::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::groups::members;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// First version with a rebalance timeout. Before it the session timeout counts for rebalances.
const FIRST_WITH_REBALANCE_TIMEOUT: i16 = 1;
/// First version in which a member comes back with the id it was given (KIP-394).
const FIRST_WITH_HANDSHAKE: i16 = 4;
/// First version in which "no protocol" is null. Before it it is empty.
const FIRST_WITH_NULL_PROTOCOL: i16 = 7;
/// First version in which a leader may be told to leave the assignment as it is (KIP-814).
const FIRST_WITH_SKIP: i16 = 9;

const NO_GENERATION: i32 = -1;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = JoinGroupRequest::decode(&mut Reader::new(&context.body), version)?;
    let client_id = context.header.client_id();
    let instance = members::instance(request.group_instance_id.as_deref());
    let protocols = request.protocols.iter().map(|protocol| Protocol {
        name: protocol.name.as_ref().into(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    let join = JoinRequest {
        group: request.group_id.as_ref().into(),
        member: request.member_id.as_ref().into(),
        new_member: members::new_member_id(instance.as_ref(), &client_id),
        new_consumer: members::new_consumer_id(),
        instance,
        client_id,
        client_host: members::client_host(&context.connection),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match version >= FIRST_WITH_REBALANCE_TIMEOUT {
            true => request.rebalance_timeout_ms,
            false => request.session_timeout_ms,
        },
        protocol_type: request.protocol_type.as_ref().into(),
        protocols: protocols.collect(),
        handshake: match version >= FIRST_WITH_HANDSHAKE {
            true => MemberIdHandshake::Required,
            false => MemberIdHandshake::Absent,
        },
        skip_assignment: match version >= FIRST_WITH_SKIP {
            true => SkipAssignment::Known,
            false => SkipAssignment::Unknown,
        },
    };
    drop(request);
    match context.server.shard.join_group(join).await {
        Ok(joined) => context.respond(|writer, version| of_joined(&joined, version).encode(writer, version)),
        Err(refused) => {
            context.respond(|writer, version| of_refused(&refused, version).encode(writer, version))
        }
    }
}

fn of_joined(joined: &Joined, version: i16) -> JoinGroupResponse<'_> {
    let members = joined.members.iter().map(|member| JoinGroupResponseMember {
        member_id: member.member.as_str().into(),
        group_instance_id: member.instance.as_ref().map(|instance| instance.as_str().into()),
        metadata: member.metadata.as_ref().into(),
    });
    JoinGroupResponse {
        error_code: ErrorCode::None.code(),
        generation_id: joined.generation.0,
        protocol_type: joined.protocol_type.as_deref().map(Into::into),
        protocol_name: protocol_name(joined.protocol.as_deref(), version),
        leader: joined.leader.as_ref().map_or("", |leader| leader.as_str()).into(),
        skip_assignment: joined.skip_assignment,
        member_id: joined.member.as_str().into(),
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}

fn of_refused(refused: &JoinRefused, version: i16) -> JoinGroupResponse<'_> {
    JoinGroupResponse {
        error_code: errors::of_group(refused.error).code(),
        generation_id: NO_GENERATION,
        protocol_name: protocol_name(None, version),
        leader: "".into(),
        member_id: refused.member.as_str().into(),
        ..JoinGroupResponse::default()
    }
}

fn protocol_name(name: Option<&str>, version: i16) -> Option<std::borrow::Cow<'_, str>> {
    let missing = (version < FIRST_WITH_NULL_PROTOCOL).then_some("");
    name.or(missing).map(Into::into)
}
