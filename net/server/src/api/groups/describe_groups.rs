//! DescribeGroups 0-6: the members of classic groups, and what they are assigned.

use std::borrow::Cow;

use millrace_core::coord::{Described, DescribedGroup as GroupView, DescribedMember, GroupError, GroupId};
use millrace_wire::messages::describe_groups_request::DescribeGroupsRequest;
use millrace_wire::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use millrace_wire::{ErrorCode, Reader};
use rustc_hash::FxHashMap;

use crate::api::errors;
use crate::api::groups::members;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::operations::{GROUP_OPERATIONS, OPERATIONS_NOT_ASKED};
use crate::api::request::yields::YieldCounter;

/// First version in which an unknown group is an error. Before it the group is dead.
const FIRST_WITH_NOT_FOUND: i16 = 6;
const DEAD: &str = "Dead";

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = DescribeGroupsRequest::decode(&mut Reader::new(&context.body), version)?;
    let operations =
        if request.include_authorized_operations { GROUP_OPERATIONS } else { OPERATIONS_NOT_ASKED };
    let asked = members::once(&request.groups);
    let found: FxHashMap<GroupId, Result<Described<GroupView>, GroupError>> =
        context.server.shard.describe_groups(asked).await.into_iter().collect();
    let sizes = request.groups.iter().map(|name| match found.get(&**name) {
        Some(Ok(Described::Found(group))) => group.members.iter().map(size_of_member).sum(),
        _ => 0,
    });
    if sizes.sum::<usize>() > context.server.described_bytes_max() {
        return Err(RequestFault::ResponseTooLong);
    }
    let (mut groups, mut yields) = (Vec::with_capacity(request.groups.len()), YieldCounter::default());
    for name in &request.groups {
        yields.step().await;
        let described = match found.get(&**name) {
            Some(Ok(Described::Found(group))) => described(name, group),
            Some(Ok(Described::OfOtherType)) => missing(name, "is not a classic group.", version),
            Some(Ok(Described::Missing)) | None => missing(name, "not found.", version),
            Some(Err(error)) => refused(name, errors::of_group(*error)),
        };
        groups.push(DescribedGroup { authorized_operations: operations, ..described });
    }
    let response = DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

/// The approximate size in the response.
fn size_of_member(member: &DescribedMember) -> usize {
    let instance = member.instance.as_ref().map_or(0, |instance| instance.len());
    let texts = member.member.len() + member.client_id.len() + member.client_host.len() + instance;
    size_of::<DescribedGroupMember<'_>>() + texts + member.metadata.len() + member.assignment.len()
}

fn refused<'a>(name: &Cow<'a, str>, code: ErrorCode) -> DescribedGroup<'a> {
    DescribedGroup { error_code: code.code(), group_id: name.clone(), ..DescribedGroup::default() }
}

fn missing<'a>(name: &Cow<'a, str>, why: &str, version: i16) -> DescribedGroup<'a> {
    let (code, message) = match version >= FIRST_WITH_NOT_FOUND {
        true => (ErrorCode::GroupIdNotFound, Some(format!("Group {name} {why}").into())),
        false => (ErrorCode::None, None),
    };
    DescribedGroup { group_state: DEAD.into(), error_message: message, ..refused(name, code) }
}

fn described<'a>(name: &Cow<'a, str>, group: &'a GroupView) -> DescribedGroup<'a> {
    let members = group.members.iter().map(|member| DescribedGroupMember {
        member_id: member.member.as_str().into(),
        group_instance_id: member.instance.as_ref().map(|instance| instance.as_str().into()),
        client_id: (&*member.client_id).into(),
        client_host: (&*member.client_host).into(),
        member_metadata: member.metadata.as_ref().into(),
        member_assignment: member.assignment.as_ref().into(),
    });
    DescribedGroup {
        group_state: group.state.name().into(),
        protocol_type: group.protocol_type.as_deref().unwrap_or_default().into(),
        protocol_data: group.protocol.as_deref().unwrap_or_default().into(),
        members: members.collect(),
        ..refused(name, ErrorCode::None)
    }
}
