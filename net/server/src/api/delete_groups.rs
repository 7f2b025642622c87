//! DeleteGroups 0-2: empty groups go with all their offsets.

use millrace_wire::Reader;
use millrace_wire::messages::delete_groups_request::DeleteGroupsRequest;
use millrace_wire::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};

use crate::api::call::{Call, CallFault, Outcome};
use crate::api::members;
use crate::errors;

pub(crate) async fn handle(call: Call) -> Result<Outcome, CallFault> {
    let request = DeleteGroupsRequest::decode(&mut Reader::new(&call.body), call.version())?;
    // Of a group that stands twice there is one answer, as in Kafka.
    let results = call.host.shard.delete_groups(members::once(&request.groups_names)).await;
    let results = results.iter().map(|(group, result)| DeletableGroupResult {
        group_id: group.as_str().into(),
        error_code: errors::of_group_result(result).code(),
    });
    let response = DeleteGroupsResponse { results: results.collect(), ..DeleteGroupsResponse::default() };
    call.answer(|writer, version| response.encode(writer, version))
}
