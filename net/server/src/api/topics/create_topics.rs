//! CreateTopics 2-7.

use std::borrow::Cow;
use std::collections::BTreeMap;

use millrace_core::base::config::{ConfigEntry, describe_topic};
use millrace_core::base::{BrokerId, PartitionIndex, TopicId};
use millrace_core::meta::{CreatedTopic, MetadataImage, NewTopic, TopicError};
use millrace_shard::ValidateOnly;
use millrace_wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use millrace_wire::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::{new_topic_id, uuid};
use crate::api::topics::mutations::create_topics;
use crate::shard_server::ShardServer;

/// What Kafka says of a name that one request holds twice.
const DUPLICATE: &str = "Duplicate topic name.";

/// The number of topics that are described with all their settings between two yields.
/// Each takes some 0.05 ms.
const TOPICS_A_TURN: usize = 64;
/// The number of topics in one response whose settings are described, some forty each. A response is encoded
/// in one turn, and the settings of ten thousand topics would take as long as seven turns.
const DESCRIBED_MAX: usize = 1_000;

/// First version with an error for a client that is over its rate of changes.
const FIRST_STRICT: i16 = 6;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = CreateTopicsRequest::decode(&mut Reader::new(&context.body), version)?;
    let server = &context.server;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *counts.entry(&topic.name).or_default() += 1;
    }
    let is_single = |name: &str| counts.get(name) == Some(&1);
    let new: Vec<NewTopic> =
        request.topics.iter().filter(|topic| is_single(&topic.name)).map(new_topic).collect();
    let names: Vec<String> = new.iter().map(|topic| topic.name.clone()).collect();
    let validate_only = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let has_time = request.timeout_ms > 0;
    let results = match new.is_empty() || !has_time {
        true => Vec::new(),
        false => create_topics(&server.shard, new, validate_only, context.mutations(FIRST_STRICT)).await,
    };
    let image = server.shard.image();
    let mut topics: Vec<CreatableTopicResult<'_>> = Vec::with_capacity(request.topics.len());
    for (name, result) in names.iter().zip(results) {
        let place = topics.len();
        topics.push(answered(server, &image, name, result, place));
        if topics.len().is_multiple_of(TOPICS_A_TURN) {
            millrace_rt::yield_now().await;
        }
    }
    if !has_time {
        topics.extend(names.iter().map(|name| refused(name, ErrorCode::RequestTimedOut, None)));
    }
    let duplicates = counts.iter().filter(|(_, count)| **count > 1);
    topics
        .extend(duplicates.map(|(name, _)| refused(name, ErrorCode::InvalidRequest, Some(DUPLICATE.into()))));
    let response = CreateTopicsResponse { topics, ..CreateTopicsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

fn new_topic(topic: &CreatableTopic<'_>) -> NewTopic {
    let assignments = topic.assignments.iter().map(|assignment| {
        let brokers = assignment.broker_ids.iter().map(|id| BrokerId(*id)).collect();
        (PartitionIndex(assignment.partition_index), brokers)
    });
    let configs = topic.configs.iter();
    let configs = configs.map(|config| (config.name.to_string(), config.value.as_ref().map(Cow::to_string)));
    NewTopic {
        name: topic.name.to_string(),
        id: new_topic_id(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs: configs.collect(),
    }
}

fn answered<'a>(
    server: &ShardServer,
    image: &MetadataImage,
    name: &'a str,
    result: Result<CreatedTopic, TopicError>,
    place: usize,
) -> CreatableTopicResult<'a> {
    let created = match result {
        Ok(created) => created,
        Err(error) => {
            let code = errors::of_topic(error.kind);
            return refused(name, code, errors::topic_message(error).map(Cow::Owned));
        }
    };
    let mut configs = match place < DESCRIBED_MAX {
        true => describe_topic(image.config_layers(server.broker.config()), &created.configs, None),
        false => Vec::new(),
    };
    configs.sort_by(|one, other| one.name.cmp(&other.name));
    assert_ne!(created.id, TopicId::ZERO, "a created topic has an id");
    CreatableTopicResult {
        name: name.into(),
        topic_id: uuid(created.id),
        error_code: ErrorCode::None.code(),
        error_message: None,
        num_partitions: created.partitions,
        replication_factor: created.replication_factor,
        configs: Some(configs.into_iter().map(config).collect()),
        ..CreatableTopicResult::default()
    }
}

fn config(entry: ConfigEntry) -> CreatableTopicConfigs<'static> {
    CreatableTopicConfigs {
        config_source: entry.source.code(),
        name: entry.name.into(),
        value: entry.value.map(Cow::Owned),
        read_only: entry.read_only,
        is_sensitive: entry.sensitive,
    }
}

fn refused<'a>(name: &'a str, code: ErrorCode, message: Option<Cow<'a, str>>) -> CreatableTopicResult<'a> {
    CreatableTopicResult {
        name: name.into(),
        error_code: code.code(),
        error_message: message,
        ..CreatableTopicResult::default()
    }
}
