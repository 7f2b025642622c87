//! DescribeProducers 0: the producers of partitions, as their logs remember them (KIP-664).

use std::borrow::Cow;
use std::collections::BTreeSet;

use millrace_core::base::{PartitionIndex, PartitionKey};
use millrace_core::log::producers::ProducerSnapshot;
use millrace_core::meta::{MetadataImage, check_topic_name};
use millrace_wire::messages::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use millrace_wire::messages::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use millrace_wire::{ErrorCode, Reader};
use rustc_hash::FxHashMap;

use crate::api::errors::generic_message;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// No transaction coordinator has written a marker of the producer.
const NO_COORDINATOR: i32 = -1;
/// The producer is in no transaction.
const NO_TRANSACTION: i64 = -1;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = DescribeProducersRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let image = context.server.shard.image();
    let keys: BTreeSet<PartitionKey> = request.topics.iter().flat_map(|topic| known(&image, topic)).collect();
    let keys: Vec<PartitionKey> = keys.into_iter().collect();
    let producers = context.server.shard.producers(&keys).await;
    let producers: FxHashMap<PartitionKey, _> = keys.into_iter().zip(producers).collect();
    let asked = request.topics.iter().flat_map(|topic| known(&image, topic));
    let states: usize =
        asked.map(|key| producers.get(&key).and_then(Option::as_ref).map_or(0, Vec::len)).sum();
    if states * size_of::<ProducerState>() > context.server.described_bytes_max() {
        return Err(RequestFault::ResponseTooLong);
    }
    let topics = request.topics.iter().map(|topic| {
        let missing = fault(&image, topic);
        let partition = |index: &i32| match (&missing, key(&image, topic, *index)) {
            (Some((code, message)), _) => refused(*index, *code, Some(message.clone())),
            (None, key) => match key.and_then(|key| producers.get(&key)) {
                Some(Some(producers)) => described(*index, producers),
                _ => refused(*index, ErrorCode::UnknownTopicOrPartition, None),
            },
        };
        let partitions = topic.partition_indexes.iter().map(partition).collect();
        TopicResponse { name: topic.name.as_ref().into(), partitions }
    });
    let response =
        DescribeProducersResponse { topics: topics.collect(), ..DescribeProducersResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

fn known<'a>(
    image: &'a MetadataImage,
    topic: &'a TopicRequest<'_>,
) -> impl Iterator<Item = PartitionKey> + 'a {
    topic.partition_indexes.iter().filter_map(|index| key(image, topic, *index))
}

fn key(image: &MetadataImage, asked: &TopicRequest<'_>, index: i32) -> Option<PartitionKey> {
    let topic = image.topic(&asked.name)?;
    let partition = topic.partition(PartitionIndex(index))?;
    Some(PartitionKey::new(topic.id, partition.index))
}

/// What is wrong with the topic, and so with all its partitions.
fn fault(image: &MetadataImage, topic: &TopicRequest<'_>) -> Option<(ErrorCode, Cow<'static, str>)> {
    match check_topic_name(&topic.name) {
        Err(message) => Some((ErrorCode::InvalidTopicException, Cow::Owned(message))),
        Ok(()) if image.topic(&topic.name).is_none() => {
            let code = ErrorCode::UnknownTopicOrPartition;
            Some((code, Cow::Borrowed(generic_message(code))))
        }
        Ok(()) => None,
    }
}

fn refused(index: i32, code: ErrorCode, message: Option<Cow<'static, str>>) -> PartitionResponse<'static> {
    PartitionResponse {
        partition_index: index,
        error_code: code.code(),
        error_message: message,
        active_producers: Vec::new(),
    }
}

fn described(index: i32, producers: &[ProducerSnapshot]) -> PartitionResponse<'static> {
    let states = producers.iter().filter_map(|producer| {
        let latest = producer.batches.last()?;
        Some(ProducerState {
            producer_id: producer.id.0,
            producer_epoch: i32::from(producer.epoch.0),
            last_sequence: latest.last_sequence.0,
            last_timestamp: latest.timestamp.0,
            coordinator_epoch: NO_COORDINATOR,
            current_txn_start_offset: NO_TRANSACTION,
        })
    });
    PartitionResponse { active_producers: states.collect(), ..refused(index, ErrorCode::None, None) }
}
