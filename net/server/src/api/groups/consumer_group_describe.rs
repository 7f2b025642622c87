//! ConsumerGroupDescribe 0-1: groups of the consumer protocol, what their members own,
//! and what they are to own.

use std::borrow::Cow;

use millrace_core::base::TopicId;
use millrace_core::coord::{
    Described, DescribedConsumer, DescribedConsumerGroup, GroupError, GroupId, MemberProtocol, Partitions,
};
use millrace_core::meta::MetadataImage;
use millrace_wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use millrace_wire::messages::consumer_group_describe_response::{
    Assignment, ConsumerGroupDescribeResponse, DescribedGroup, Member, TopicPartitions,
};
use millrace_wire::{ErrorCode, Reader};
use rustc_hash::FxHashMap;

use crate::api::errors;
use crate::api::groups::members::{self, has_consumer_protocol};
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::uuid;
use crate::api::request::operations::{GROUP_OPERATIONS, OPERATIONS_NOT_ASKED};
use crate::api::request::yields::YieldCounter;

/// The member type of those that speak the classic protocol.
const CLASSIC: i8 = 0;
/// The member type of those that speak the consumer protocol.
const CONSUMER: i8 = 1;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = ConsumerGroupDescribeRequest::decode(&mut Reader::new(&context.body), context.version())?;
    if !has_consumer_protocol(&context.server.shard.image()) {
        let refused = |name| refused(name, ErrorCode::UnsupportedVersion, None);
        let response = ConsumerGroupDescribeResponse {
            groups: request.group_ids.iter().map(refused).collect(),
            ..ConsumerGroupDescribeResponse::default()
        };
        return context.respond(|writer, version| response.encode(writer, version));
    }
    let operations =
        if request.include_authorized_operations { GROUP_OPERATIONS } else { OPERATIONS_NOT_ASKED };
    let asked = members::once(&request.group_ids);
    let found: FxHashMap<GroupId, Result<Described<DescribedConsumerGroup>, GroupError>> =
        context.server.shard.describe_consumer_groups(asked).await.into_iter().collect();
    let sizes = request.group_ids.iter().map(|name| match found.get(&**name) {
        Some(Ok(Described::Found(group))) => group.members.iter().map(size_of_member).sum(),
        _ => 0,
    });
    if sizes.sum::<usize>() > context.server.described_bytes_max() {
        return Err(RequestFault::ResponseTooLong);
    }
    let image = context.server.shard.image();
    let names = Names::of(&image, found.values());
    let (mut groups, mut yields) = (Vec::with_capacity(request.group_ids.len()), YieldCounter::default());
    for name in &request.group_ids {
        yields.step().await;
        groups.push(match found.get(&**name) {
            _ if name.is_empty() => refused(name, ErrorCode::InvalidGroupId, None),
            Some(Ok(Described::Found(group))) => {
                DescribedGroup { authorized_operations: operations, ..described(name, group, &names) }
            }
            Some(Ok(Described::OfOtherType)) => {
                let message = format!("Group {name} is not a consumer group.");
                refused(name, ErrorCode::GroupIdNotFound, Some(message))
            }
            Some(Ok(Described::Missing)) | None => {
                refused(name, ErrorCode::GroupIdNotFound, Some(format!("Group {name} not found.")))
            }
            Some(Err(error)) => refused(name, errors::of_group(*error), None),
        });
    }
    let response = ConsumerGroupDescribeResponse { groups, ..ConsumerGroupDescribeResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

/// The approximate size in the response. Names of topics stand beside their partitions.
fn size_of_member(member: &DescribedConsumer) -> usize {
    let topics: usize = member.topics.iter().map(|topic| topic.len()).sum();
    let pattern = member.pattern.as_ref().map_or(0, |pattern| pattern.len());
    let partitions = member.assigned.len() + member.target.len();
    let texts = member.member.len() + member.client_id.len() + member.client_host.len() + topics + pattern;
    size_of::<Member<'_>>() + texts + partitions * PARTITION_BYTES
}

/// A partition that is alone of its topic, with the topic's id and a name of usual length.
const PARTITION_BYTES: usize = 64;

/// Returns the topics of a response. Deleted topics have no name and are left out.
struct Names(FxHashMap<TopicId, String>);

impl Names {
    fn of<'a>(
        image: &MetadataImage,
        groups: impl Iterator<Item = &'a Result<Described<DescribedConsumerGroup>, GroupError>>,
    ) -> Names {
        let mut names = FxHashMap::default();
        for group in groups {
            let Ok(Described::Found(group)) = group else { continue };
            for (topic, _) in group
                .members
                .iter()
                .flat_map(|member| [member.assigned.by_topic(), member.target.by_topic()])
                .flatten()
            {
                if let Some(known) = image.topic_by_id(topic) {
                    names.entry(topic).or_insert_with(|| known.name.to_string());
                }
            }
        }
        Names(names)
    }

    fn assignment(&self, partitions: &Partitions) -> Assignment<'_> {
        let topics = partitions.by_topic().into_iter().filter_map(|(topic, partitions)| {
            Some(TopicPartitions {
                topic_id: uuid(topic),
                topic_name: self.0.get(&topic)?.as_str().into(),
                partitions: partitions.iter().map(|(index, _)| index.0).collect(),
            })
        });
        Assignment { topic_partitions: topics.collect() }
    }
}

fn refused<'a>(name: &Cow<'a, str>, code: ErrorCode, message: Option<String>) -> DescribedGroup<'a> {
    DescribedGroup {
        error_code: code.code(),
        error_message: message.map(Into::into),
        group_id: name.clone(),
        authorized_operations: OPERATIONS_NOT_ASKED,
        ..DescribedGroup::default()
    }
}

fn described<'a>(
    name: &Cow<'a, str>,
    group: &'a DescribedConsumerGroup,
    names: &'a Names,
) -> DescribedGroup<'a> {
    DescribedGroup {
        group_state: group.state.name().into(),
        group_epoch: group.epoch.0,
        assignment_epoch: group.assigned_epoch.0,
        assignor_name: group.assignor.into(),
        members: group.members.iter().map(|it| member(it, names)).collect(),
        ..refused(name, ErrorCode::None, None)
    }
}

fn member<'a>(member: &'a DescribedConsumer, names: &'a Names) -> Member<'a> {
    Member {
        member_id: member.member.as_str().into(),
        instance_id: member.instance.as_ref().map(|instance| instance.as_str().into()),
        rack_id: member.rack.as_deref().map(Into::into),
        member_epoch: member.epoch.0,
        client_id: (&*member.client_id).into(),
        client_host: (&*member.client_host).into(),
        subscribed_topic_names: member.topics.iter().map(|topic| (&**topic).into()).collect(),
        subscribed_topic_regex: Some(member.pattern.as_deref().unwrap_or_default().into()),
        assignment: names.assignment(&member.assigned),
        target_assignment: names.assignment(&member.target),
        member_type: match member.protocol {
            MemberProtocol::Classic => CLASSIC,
            MemberProtocol::Consumer => CONSUMER,
        },
    }
}
