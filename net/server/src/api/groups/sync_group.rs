//! SyncGroup 0-5: the leader hands in its assignment, and every member waits for its part.

use bytes::Bytes;
use millrace_core::coord::{Generation, GroupError, SyncRequest, Synced};
use millrace_wire::messages::sync_group_request::SyncGroupRequest;
use millrace_wire::messages::sync_group_response::SyncGroupResponse;
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::groups::members;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::yields::YieldCounter;

/// First version in which the member has to name the protocol that it uses.
const FIRST_WITH_PROTOCOL: i16 = 5;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = SyncGroupRequest::decode(&mut Reader::new(&context.body), version)?;
    let says_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    let synced = if version >= FIRST_WITH_PROTOCOL && !says_protocol {
        Err(GroupError::InconsistentGroupProtocol)
    } else {
        let mut assignments = Vec::with_capacity(request.assignments.len());
        let mut yields = YieldCounter::default();
        for assigned in &request.assignments {
            yields.step().await;
            let assignment = Bytes::copy_from_slice(&assigned.assignment);
            assignments.push((assigned.member_id.as_ref().into(), assignment));
        }
        let sync = SyncRequest {
            group: request.group_id.as_ref().into(),
            generation: Generation(request.generation_id),
            member: request.member_id.as_ref().into(),
            instance: members::instance(request.group_instance_id.as_deref()),
            protocol_type: request.protocol_type.as_deref().map(Into::into),
            protocol: request.protocol_name.as_deref().map(Into::into),
            assignments,
        };
        context.server.shard.sync_group(sync).await
    };
    context.respond(|writer, version| response(&synced).encode(writer, version))
}

fn response(synced: &Result<Synced, GroupError>) -> SyncGroupResponse<'_> {
    match synced {
        Ok(synced) => SyncGroupResponse {
            error_code: ErrorCode::None.code(),
            protocol_type: synced.protocol_type.as_deref().map(Into::into),
            protocol_name: synced.protocol.as_deref().map(Into::into),
            assignment: synced.assignment.as_ref().into(),
            ..SyncGroupResponse::default()
        },
        Err(error) => {
            SyncGroupResponse { error_code: errors::of_group(*error).code(), ..SyncGroupResponse::default() }
        }
    }
}
