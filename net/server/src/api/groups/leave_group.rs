//! LeaveGroup 0-5: members leave, or an administrator removes them.
//! The others share their partitions at once.

use millrace_core::coord::{LeaveRequest, LeavingMember, LeftMember};
use millrace_wire::messages::leave_group_request::LeaveGroupRequest;
use millrace_wire::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::groups::members;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// First version for several members.
const FIRST_BATCHED: i16 = 3;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = LeaveGroupRequest::decode(&mut Reader::new(&context.body), version)?;
    let members = match version >= FIRST_BATCHED {
        false => vec![LeavingMember { member: request.member_id.as_ref().into(), instance: None }],
        true => {
            let leaving = request.members.iter().map(|member| LeavingMember {
                member: member.member_id.as_ref().into(),
                instance: members::instance(member.group_instance_id.as_deref()),
            });
            leaving.collect()
        }
    };
    let leave = LeaveRequest { group: request.group_id.as_ref().into(), members };
    drop(request);
    let left = context.server.shard.leave_group(leave).await;
    let mut response = LeaveGroupResponse::default();
    match &left {
        Err(error) => response.error_code = errors::of_group(*error).code(),
        Ok(left) if version >= FIRST_BATCHED => response.members = left.iter().map(described).collect(),
        // The response for the only member is that of the request.
        Ok(left) => response.error_code = left.first().map_or(ErrorCode::None, code_of).code(),
    }
    context.respond(|writer, version| response.encode(writer, version))
}

fn described(left: &LeftMember) -> MemberResponse<'_> {
    MemberResponse {
        member_id: left.member.as_str().into(),
        group_instance_id: left.instance.as_ref().map(|instance| instance.as_str().into()),
        error_code: code_of(left).code(),
    }
}

fn code_of(left: &LeftMember) -> ErrorCode {
    errors::of_group_result(&left.result)
}
