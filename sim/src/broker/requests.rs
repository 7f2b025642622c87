//! The requests that simulated clients make, and what of the answers they look at.

use std::borrow::Cow;

use bytes::Bytes;
use millrace_core::base::{Durability, Offset, PartitionIndex};
use millrace_core::log::BatchWalk;
use millrace_wire::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use millrace_wire::messages::create_topics_response::CreateTopicsResponse;
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::fetch_response::FetchResponse;
use millrace_wire::messages::init_producer_id_request::InitProducerIdRequest;
use millrace_wire::messages::init_producer_id_response::InitProducerIdResponse;
use millrace_wire::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use millrace_wire::messages::list_offsets_response::ListOffsetsResponse;
use millrace_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use millrace_wire::messages::metadata_response::MetadataResponse;
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::messages::produce_response::ProduceResponse;
use millrace_wire::{ApiKey, DecodeError, ErrorCode, Reader, Records, Uuid};

use super::client::{Broken, Client};
use crate::promises::Stored;
use crate::workload::Topic;

/// Produce and Fetch name topics up to these versions and use ids from the next ones on.
const PRODUCE_BY_NAME: i16 = 12;
const FETCH_BY_NAME: i16 = 12;
const REQUEST_TIMEOUT_MS: i32 = 30_000;
const ALL_REPLICAS: i16 = -1;

/// The topic of a request, by name and by id, of which each version uses one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicRef {
    pub(crate) name: &'static str,
    pub(crate) id: Uuid,
}

/// What came of a fetch.
pub(crate) struct FetchedRecords {
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: Offset,
    /// Each batch with its checksum and the offset behind it.
    pub(crate) batches: Vec<(Stored, u32, Offset)>,
}

pub(crate) fn nonsense(error: DecodeError) -> Broken {
    Broken::Nonsense(error.to_string())
}

pub(crate) fn missing(what: &str) -> Broken {
    Broken::Nonsense(format!("an answer without {what}"))
}

pub(crate) fn error_of(code: i16) -> Result<ErrorCode, Broken> {
    ErrorCode::from_i16(code).ok_or_else(|| Broken::Nonsense(format!("error code {code}")))
}

/// Creates a topic; one that exists is as good.
pub(crate) async fn create_topic(client: &mut Client, topic: &Topic) -> Result<ErrorCode, Broken> {
    const VERSION: i16 = 7;
    let asked = topic.as_asked();
    let config = |(name, value): &(String, Option<String>)| CreatableTopicConfig {
        name: Cow::Owned(name.clone()),
        value: value.clone().map(Cow::Owned),
    };
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: Cow::Borrowed(topic.name),
            num_partitions: topic.partitions,
            replication_factor: 1,
            assignments: Vec::new(),
            configs: asked.configs.iter().map(config).collect(),
        }],
        timeout_ms: REQUEST_TIMEOUT_MS,
        validate_only: false,
    };
    let body = client.ask(ApiKey::CreateTopics, VERSION, |writer| request.encode(writer, VERSION)).await?;
    let answer = CreateTopicsResponse::decode(&mut Reader::new(&body), VERSION).map_err(nonsense)?;
    error_of(answer.topics.first().ok_or_else(|| missing("the topic"))?.error_code)
}

/// The id that the broker gave a topic.
pub(crate) async fn topic_id(client: &mut Client, topic: &'static str) -> Result<TopicRef, Broken> {
    const VERSION: i16 = 12;
    let wanted = MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(Cow::Borrowed(topic)) };
    let request = MetadataRequest {
        topics: Some(vec![wanted]),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let body = client.ask(ApiKey::Metadata, VERSION, |writer| request.encode(writer, VERSION)).await?;
    let answer = MetadataResponse::decode(&mut Reader::new(&body), VERSION).map_err(nonsense)?;
    let found = answer.topics.first().ok_or_else(|| missing("the topic"))?;
    match error_of(found.error_code)? {
        ErrorCode::None => Ok(TopicRef { name: topic, id: found.topic_id }),
        error => Err(Broken::Nonsense(format!("metadata of {topic}: {error:?}"))),
    }
}

pub(crate) async fn producer_id(client: &mut Client) -> Result<i64, Broken> {
    const VERSION: i16 = 4;
    let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    let body = client.ask(ApiKey::InitProducerId, VERSION, |writer| request.encode(writer, VERSION)).await?;
    let answer = InitProducerIdResponse::decode(&mut Reader::new(&body), VERSION).map_err(nonsense)?;
    match error_of(answer.error_code)? {
        ErrorCode::None => Ok(answer.producer_id),
        error => Err(Broken::Nonsense(format!("no producer id: {error:?}"))),
    }
}

/// Sends one batch; its answer comes after those to earlier requests.
pub(crate) async fn send_produce(
    client: &mut Client,
    version: i16,
    topic: TopicRef,
    partition: PartitionIndex,
    batch: Bytes,
) -> Result<(), Broken> {
    let (name, topic_id) = by_version(topic, version, PRODUCE_BY_NAME);
    let data = PartitionProduceData { index: partition.0, records: Some(Records::from(batch)) };
    let request = ProduceRequest {
        transactional_id: None,
        acks: ALL_REPLICAS,
        timeout_ms: REQUEST_TIMEOUT_MS,
        topic_data: vec![TopicProduceData { name, topic_id, partition_data: vec![data] }],
    };
    client.send(ApiKey::Produce, version, |writer| request.encode(writer, version)).await
}

pub(crate) async fn produce_answer(client: &mut Client, version: i16) -> Result<(ErrorCode, Offset), Broken> {
    let body = client.answer(ApiKey::Produce, version).await?;
    let answer = ProduceResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    let partition = answer.responses.first().and_then(|topic| topic.partition_responses.first());
    let partition = partition.ok_or_else(|| missing("the partition"))?;
    Ok((error_of(partition.error_code)?, Offset(partition.base_offset)))
}

/// Fetches one partition outside of a session, as a consumer by assignment may.
pub(crate) async fn fetch(
    client: &mut Client,
    version: i16,
    topic: TopicRef,
    partition: PartitionIndex,
    offset: Offset,
    max_wait_ms: i32,
) -> Result<FetchedRecords, Broken> {
    const MAX_BYTES: i32 = 1 << 20;
    let (name, topic_id) = by_version(topic, version, FETCH_BY_NAME);
    let wanted = FetchPartition {
        partition: partition.0,
        fetch_offset: offset.0,
        partition_max_bytes: MAX_BYTES,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: MAX_BYTES,
        topics: vec![FetchTopic { topic: name, topic_id, partitions: vec![wanted] }],
        ..FetchRequest::default()
    };
    let body = client.ask(ApiKey::Fetch, version, |writer| request.encode(writer, version)).await?;
    let answer = FetchResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    if let error @ 1.. = answer.error_code {
        return Err(Broken::Nonsense(format!("a fetch failed whole: {:?}", error_of(error)?)));
    }
    let partition = answer.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let partition = partition.ok_or_else(|| missing("the partition"))?;
    let bytes = partition.records.unwrap_or_default().into_bytes();
    let mut batches = Vec::new();
    for batch in BatchWalk::new(&bytes) {
        let batch = batch.map_err(|fault| Broken::Nonsense(format!("fetched at {offset}: {fault}")))?;
        let header = batch.header;
        let stored = Stored { base_offset: header.base_offset, bytes: batch.bytes.to_vec() };
        batches.push((stored, header.checksum, header.next_offset()));
    }
    let high_watermark = Offset(partition.high_watermark);
    Ok(FetchedRecords { error: error_of(partition.error_code)?, high_watermark, batches })
}

/// Where a log ends for readers.
pub(crate) async fn latest_offset(
    client: &mut Client,
    topic: &'static str,
    partition: PartitionIndex,
) -> Result<Offset, Broken> {
    const VERSION: i16 = 7;
    const LATEST: i64 = -1;
    let wanted =
        ListOffsetsPartition { partition_index: partition.0, current_leader_epoch: -1, timestamp: LATEST };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: Cow::Borrowed(topic), partitions: vec![wanted] }],
        ..Default::default()
    };
    let body = client.ask(ApiKey::ListOffsets, VERSION, |writer| request.encode(writer, VERSION)).await?;
    let answer = ListOffsetsResponse::decode(&mut Reader::new(&body), VERSION).map_err(nonsense)?;
    let found = answer.topics.first().and_then(|topic| topic.partitions.first());
    let found = found.ok_or_else(|| missing("the partition"))?;
    match error_of(found.error_code)? {
        ErrorCode::None => Ok(Offset(found.offset)),
        error => Err(Broken::Nonsense(format!("list offsets of {topic}-{partition}: {error:?}"))),
    }
}

/// What the outside may rely on in a topic after a power loss.
pub(crate) fn keeps_all(durability: Durability) -> bool {
    durability == Durability::Power
}

fn by_version(topic: TopicRef, version: i16, last_by_name: i16) -> (Cow<'static, str>, Uuid) {
    if version <= last_by_name {
        (Cow::Borrowed(topic.name), Uuid::ZERO)
    } else {
        (Cow::Borrowed(""), topic.id)
    }
}
