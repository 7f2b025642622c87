//! ConsumerGroupHeartbeat 0-1: a member of the consumer protocol joins, stays or leaves,
//! and hears what it is to own.

use millrace_core::base::{PartitionIndex, PartitionKey};
use millrace_core::coord::{Beat, BeatRefused, ConsumerBeat, Epoch, MemberIdOrigin, Partitions};
use millrace_wire::messages::consumer_group_heartbeat_request::{
    ConsumerGroupHeartbeatRequest, TopicPartitions as OwnedPartitions,
};
use millrace_wire::messages::consumer_group_heartbeat_response::{
    Assignment, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::groups::members;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::{topic_id, uuid};

/// First version in which members draw their ids themselves.
const FIRST_WITH_OWN_IDS: i16 = 1;

/// The rebalance timeout that a member sends if it has not changed.
const SAME_TIMEOUT: i32 = -1;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = ConsumerGroupHeartbeatRequest::decode(&mut Reader::new(&context.body), version)?;
    if !members::has_consumer_protocol(&context.server.shard.image()) {
        let response = ConsumerGroupHeartbeatResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..ConsumerGroupHeartbeatResponse::default()
        };
        return context.respond(|writer, version| response.encode(writer, version));
    }
    let topics = request.subscribed_topic_names.as_ref();
    let beat = ConsumerBeat {
        group: request.group_id.as_ref().into(),
        member: request.member_id.as_ref().into(),
        // Kafka's own kind of id, which is not that of classic members.
        new_member: members::new_consumer_id(),
        id_origin: match version >= FIRST_WITH_OWN_IDS {
            true => MemberIdOrigin::Member,
            false => MemberIdOrigin::Broker,
        },
        epoch: Epoch(request.member_epoch),
        instance: members::instance(request.instance_id.as_deref()),
        rack: request.rack_id.as_deref().map(Into::into),
        client_id: context.header.client_id(),
        client_host: members::client_host(&context.connection),
        rebalance_timeout_ms: Some(request.rebalance_timeout_ms).filter(|ms| *ms != SAME_TIMEOUT),
        topics: topics.map(|topics| topics.iter().map(|name| name.as_ref().into()).collect()),
        pattern: request.subscribed_topic_regex.as_deref().map(Into::into),
        assignor: request.server_assignor.as_deref().map(Into::into),
        owned: request.topic_partitions.as_deref().map(owned),
    };
    drop(request);
    match context.server.shard.consumer_heartbeat(beat).await {
        Ok(beat) => context.respond(|writer, version| of_beat(&beat).encode(writer, version)),
        Err(refused) => context.respond(|writer, version| of_refused(&refused).encode(writer, version)),
    }
}

fn owned(topics: &[OwnedPartitions]) -> Partitions {
    let keys = topics.iter().flat_map(|topic| {
        let id = topic_id(topic.topic_id);
        topic.partitions.iter().map(move |index| PartitionKey::new(id, PartitionIndex(*index)))
    });
    Partitions::of(keys, Epoch::JOINING)
}

fn of_beat(beat: &Beat) -> ConsumerGroupHeartbeatResponse<'_> {
    let assignment = beat.assignment.as_ref().map(|assigned| {
        let topics = assigned.by_topic().into_iter().map(|(topic, partitions)| TopicPartitions {
            topic_id: uuid(topic),
            partitions: partitions.iter().map(|(index, _)| index.0).collect(),
        });
        Assignment { topic_partitions: topics.collect() }
    });
    ConsumerGroupHeartbeatResponse {
        error_code: ErrorCode::None.code(),
        member_id: Some(beat.member.as_str().into()),
        member_epoch: beat.epoch.0,
        heartbeat_interval_ms: beat.interval_ms,
        assignment,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

fn of_refused(refused: &BeatRefused) -> ConsumerGroupHeartbeatResponse<'_> {
    let code = errors::of_group(refused.error);
    let message = refused.message.as_deref().unwrap_or_else(|| errors::generic_message(code));
    ConsumerGroupHeartbeatResponse {
        error_code: code.code(),
        error_message: Some(message.into()),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
