//! Metadata 0-13: brokers, topics and where their partitions are led; creates missing topics when asked.

use std::borrow::Cow;

use millrace_core::base::TopicId;
use millrace_core::meta::{MetadataImage, TopicImage, check_topic_name, is_internal_topic};
use millrace_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use millrace_wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use millrace_wire::{ErrorCode, Reader, Uuid};
use rustc_hash::FxHashSet;

use crate::api::cluster::brokers::reached;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::{topic_id, uuid};
use crate::api::request::operations::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS};
use crate::api::request::yields::YieldCounter;
use crate::api::topics::creation;
use crate::shard_server::ShardServer;

/// First version in which an empty list means no topics; before it means all.
const FIRST_WITH_NULL_FOR_ALL: i16 = 1;
/// First version in which a topic may be asked for by id.
const FIRST_BY_ID: i16 = 12;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = MetadataRequest::decode(&mut Reader::new(&context.body), version)?;
    let server = &context.server;
    let image = server.shard.image();
    let asked =
        request.topics.as_deref().filter(|topics| !topics.is_empty() || version >= FIRST_WITH_NULL_FOR_ALL);
    let mut topics: Vec<MetadataResponseTopic<'_>> = match asked {
        None => image.topics().map(|topic| described(topic)).collect(),
        Some(asked) => {
            if let Some(code) = fault(asked, version) {
                return refuse(&context, asked, code);
            }
            let ids: Vec<TopicId> = asked.iter().map(|topic| topic_id(topic.topic_id)).collect();
            match ids.iter().any(|id| *id != TopicId::ZERO) {
                true => by_ids(&image, &ids),
                false => {
                    let names = asked.iter().filter_map(|topic| topic.name.as_deref());
                    by_names(&context, &image, names, request.allow_auto_topic_creation).await
                }
            }
        }
    };
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code == ErrorCode::None.code()) {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
    }
    let response = MetadataResponse {
        brokers: brokers(server, &image, context.connection.listener),
        cluster_id: Some(image.cluster_id().into()),
        controller_id: server.broker.config().node_id().0,
        topics,
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => OPERATIONS_NOT_ASKED,
        },
        ..MetadataResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}

/// What is wrong with the whole request: before version 12 topics are asked for by name,
/// from then on by name or id.
fn fault(asked: &[MetadataRequestTopic<'_>], version: i16) -> Option<ErrorCode> {
    let nameless = |topic: &MetadataRequestTopic<'_>| topic.name.is_none();
    if version < FIRST_BY_ID {
        let refused = asked.iter().any(|topic| nameless(topic) || !topic.topic_id.is_zero());
        return refused.then_some(ErrorCode::InvalidRequest);
    }
    let by_name = asked.iter().all(|topic| topic.topic_id.is_zero());
    (by_name && asked.iter().any(nameless)).then_some(ErrorCode::UnknownServerError)
}

/// The response to a request that is refused whole (`MetadataRequest.getErrorResponse`).
fn refuse(
    context: &RequestContext,
    asked: &[MetadataRequestTopic<'_>],
    code: ErrorCode,
) -> Result<Outcome, RequestFault> {
    let topics = asked.iter().map(|topic| MetadataResponseTopic {
        topic_id: topic.topic_id,
        is_internal: false,
        ..missing(code, Some(topic.name.as_deref().unwrap_or_default().into()))
    });
    let response = MetadataResponse {
        topics: topics.collect(),
        cluster_id: None,
        controller_id: -1,
        error_code: code.code(),
        ..MetadataResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}

fn by_ids(image: &MetadataImage, ids: &[TopicId]) -> Vec<MetadataResponseTopic<'static>> {
    let mut seen = FxHashSet::default();
    let distinct: Vec<TopicId> =
        ids.iter().copied().filter(|id| *id != TopicId::ZERO && seen.insert(*id)).collect();
    let unknown = distinct
        .iter()
        .filter(|id| image.topic_by_id(**id).is_none())
        .map(|id| MetadataResponseTopic { topic_id: uuid(*id), ..missing(ErrorCode::UnknownTopicId, None) });
    let known = distinct.iter().filter_map(|id| image.topic_by_id(*id)).map(|topic| described(topic));
    unknown.chain(known).collect()
}

/// Describes topics that exist first, then the others, as Kafka does.
async fn by_names<'a>(
    context: &RequestContext,
    image: &MetadataImage,
    names: impl Iterator<Item = &'a str>,
    allow_creation: bool,
) -> Vec<MetadataResponseTopic<'static>> {
    let server = &context.server;
    let mut seen = FxHashSet::default();
    let distinct: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
    let mut topics: Vec<_> =
        distinct.iter().filter_map(|name| image.topic(name)).map(|topic| described(topic)).collect();
    let mut wanted = Vec::new();
    let mut yields = YieldCounter::default();
    for name in distinct.into_iter().filter(|name| image.topic(name).is_none()) {
        yields.step().await;
        let code = match check_topic_name(name) {
            Ok(()) => ErrorCode::UnknownTopicOrPartition,
            Err(_) => ErrorCode::InvalidTopicException,
        };
        if code == ErrorCode::UnknownTopicOrPartition {
            wanted.push(name);
        }
        topics.push(missing(code, Some(Cow::Owned(name.to_owned()))));
    }
    if allow_creation && server.broker.config().auto_create_topics() {
        creation::create_in_background(server, &wanted);
    }
    topics
}

fn missing<'a>(code: ErrorCode, name: Option<Cow<'a, str>>) -> MetadataResponseTopic<'a> {
    MetadataResponseTopic {
        error_code: code.code(),
        is_internal: name.as_deref().is_some_and(is_internal_topic),
        name,
        topic_id: Uuid::ZERO,
        ..MetadataResponseTopic::default()
    }
}

fn described(topic: &TopicImage) -> MetadataResponseTopic<'static> {
    let ids = |ids: &[millrace_core::base::BrokerId]| ids.iter().map(|id| id.0).collect();
    let partitions = topic.partitions.iter().map(|partition| MetadataResponsePartition {
        error_code: ErrorCode::None.code(),
        partition_index: partition.index.0,
        leader_id: partition.leader.0,
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: ids(&partition.replicas),
        isr_nodes: ids(&partition.isr),
        offline_replicas: Vec::new(),
    });
    MetadataResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(Cow::Owned(topic.name.to_string())),
        topic_id: uuid(topic.id),
        is_internal: is_internal_topic(&topic.name),
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}

/// Where each broker is reached through the listener that the client uses.
fn brokers<'a>(
    server: &'a ShardServer,
    image: &'a MetadataImage,
    listener: usize,
) -> Vec<MetadataResponseBroker<'a>> {
    let found = reached(server, image, listener);
    let brokers = found.map(|broker| MetadataResponseBroker {
        node_id: broker.id.0,
        host: broker.host.into(),
        port: i32::from(broker.port),
        rack: broker.rack.map(Cow::Borrowed),
    });
    brokers.collect()
}
