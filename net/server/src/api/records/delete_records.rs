//! DeleteRecords 0-2: logs begin at later offsets.

use std::collections::BTreeMap;

use millrace_core::base::{Offset, PartitionIndex, PartitionKey};
use millrace_core::meta::is_internal_topic;
use millrace_shard::DeleteRecordsAsk;
use millrace_wire::messages::delete_records_request::DeleteRecordsRequest;
use millrace_wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// Stands for the high watermark (`DeleteRecordsRequest.HIGH_WATERMARK`).
const HIGH_WATERMARK: i64 = -1;
/// Answered beside every error.
const NO_LOW_WATERMARK: i64 = -1;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = DeleteRecordsRequest::decode(&mut Reader::new(&context.body), version)?;
    let server = &context.server;
    let image = server.shard.image();
    // If a partition stands twice, the last offset counts, as in Kafka.
    let mut wanted: BTreeMap<&str, BTreeMap<i32, i64>> = BTreeMap::new();
    for topic in request.topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        let partitions = wanted.entry(&topic.name).or_default();
        partitions.extend(topic.partitions.iter().map(|asked| (asked.partition_index, asked.offset)));
    }
    let mut asks = Vec::new();
    for (name, partitions) in wanted.iter().filter(|(name, _)| !is_internal_topic(name)) {
        let Some(topic) = image.topic(name) else { continue };
        let known = partitions.iter().filter(|(index, _)| topic.partition(PartitionIndex(**index)).is_some());
        asks.extend(known.map(|(index, offset)| DeleteRecordsAsk {
            key: PartitionKey::new(topic.id, PartitionIndex(*index)),
            before: (*offset != HIGH_WATERMARK).then_some(Offset(*offset)),
        }));
    }
    let keys: Vec<PartitionKey> = asks.iter().map(|ask| ask.key).collect();
    let starts = server.shard.delete_records(asks).await;
    let starts: BTreeMap<PartitionKey, _> = keys.into_iter().zip(starts).collect();
    let topics = wanted.into_iter().map(|(name, partitions)| {
        let id = image.topic(name).map(|topic| topic.id);
        let result = |index: i32| {
            let key = id.map(|id| PartitionKey::new(id, PartitionIndex(index)));
            let (code, low_watermark) = match key.and_then(|key| starts.get(&key)) {
                Some(Ok(start)) => (ErrorCode::None, start.0),
                Some(Err(error)) => (errors::of_delete_records(*error), NO_LOW_WATERMARK),
                // Clients may not delete what the broker itself keeps there.
                None if is_internal_topic(name) && key.is_some_and(|key| image.partition(key).is_some()) => {
                    (ErrorCode::InvalidTopicException, NO_LOW_WATERMARK)
                }
                None => (ErrorCode::UnknownTopicOrPartition, NO_LOW_WATERMARK),
            };
            DeleteRecordsPartitionResult { partition_index: index, low_watermark, error_code: code.code() }
        };
        let partitions = partitions.into_keys().map(result).collect();
        DeleteRecordsTopicResult { name: name.into(), partitions }
    });
    let response = DeleteRecordsResponse { topics: topics.collect(), ..DeleteRecordsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}
