//! DeleteGroups 0-2: empty groups go with all their offsets.

use millrace_wire::Reader;
use millrace_wire::messages::delete_groups_request::DeleteGroupsRequest;
use millrace_wire::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};

use crate::api::errors;
use crate::api::groups::members;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = DeleteGroupsRequest::decode(&mut Reader::new(&context.body), context.version())?;
    // A group that stands twice gets one response, as in Kafka.
    let results = context.server.shard.delete_groups(members::once(&request.groups_names)).await;
    let results = results.iter().map(|(group, result)| DeletableGroupResult {
        group_id: group.as_str().into(),
        error_code: errors::of_group_result(result).code(),
    });
    let response = DeleteGroupsResponse { results: results.collect(), ..DeleteGroupsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}
