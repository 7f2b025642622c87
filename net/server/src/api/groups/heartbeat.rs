//! Heartbeat 0-4: a member of a classic group shows that it is alive, and hears whether it has to join again.

use millrace_core::coord::{Generation, HeartbeatRequest};
use millrace_wire::Reader;
use millrace_wire::messages::heartbeat_request::HeartbeatRequest as WireRequest;
use millrace_wire::messages::heartbeat_response::HeartbeatResponse;

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = WireRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let beat = HeartbeatRequest {
        group: &request.group_id,
        generation: Generation(request.generation_id),
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
    };
    let code = errors::of_group_result(&context.server.shard.heartbeat(beat).await);
    let response = HeartbeatResponse { error_code: code.code(), ..HeartbeatResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}
