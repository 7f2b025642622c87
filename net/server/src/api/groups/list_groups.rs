//! ListGroups 0-5: the groups that this broker coordinates.

use millrace_core::coord::GroupFilter;
use millrace_wire::Reader;
use millrace_wire::messages::list_groups_request::ListGroupsRequest;
use millrace_wire::messages::list_groups_response::{ListGroupsResponse, ListedGroup};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = ListGroupsRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let filter = GroupFilter {
        states: request.states_filter.iter().map(|name| name.clone().into_owned()).collect(),
        types: request.types_filter.iter().map(|name| name.clone().into_owned()).collect(),
    };
    let (listed, error) = context.server.shard.list_groups(&filter).await;
    let groups = listed.iter().map(|group| ListedGroup {
        group_id: group.group.as_str().into(),
        protocol_type: group.protocol_type.as_deref().unwrap_or_default().into(),
        group_state: group.status.name().into(),
        group_type: group.status.group_type().into(),
    });
    let response = ListGroupsResponse {
        error_code: errors::of_group_result(&error.map_or(Ok(()), Err)).code(),
        groups: groups.collect(),
        ..ListGroupsResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}
