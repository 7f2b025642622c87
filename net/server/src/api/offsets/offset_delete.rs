//! OffsetDelete 0: a group forgets its offsets of topics that no member is subscribed to.

use millrace_core::base::PartitionIndex;
use millrace_core::coord::{DeleteOffsetsRequest, GroupError, TopicName};
use millrace_wire::messages::offset_delete_request::{OffsetDeleteRequest, OffsetDeleteRequestTopic};
use millrace_wire::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use millrace_wire::{ErrorCode, Reader};
use rustc_hash::FxHashMap;

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = OffsetDeleteRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let image = context.server.shard.image();
    let exists = |topic: &OffsetDeleteRequestTopic<'_>, index: i32| {
        image.topic(&topic.name).is_some_and(|known| known.partition(PartitionIndex(index)).is_some())
    };
    let mut partitions = Vec::new();
    for topic in &request.topics {
        let known = topic.partitions.iter().filter(|partition| exists(topic, partition.partition_index));
        let name = TopicName::new(&topic.name);
        partitions.extend(known.map(|partition| (name.clone(), PartitionIndex(partition.partition_index))));
    }
    let ask = DeleteOffsetsRequest { group: request.group_id.as_ref().into(), partitions };
    let refused = match context.server.shard.delete_offsets(ask).await {
        Ok(refused) => refused,
        Err(error) => {
            let error_code = errors::of_group(error).code();
            let response = OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() };
            return context.respond(|writer, version| response.encode(writer, version));
        }
    };
    let refused: FxHashMap<(&str, i32), GroupError> = refused
        .iter()
        .map(|refused| ((refused.topic.as_str(), refused.partition.0), refused.error))
        .collect();
    let code = |topic: &OffsetDeleteRequestTopic<'_>, index: i32| match refused.get(&(&*topic.name, index)) {
        _ if !exists(topic, index) => ErrorCode::UnknownTopicOrPartition,
        Some(error) => errors::of_group(*error),
        None => ErrorCode::None,
    };
    let named = request.topics.iter().filter(|topic| !topic.partitions.is_empty());
    let topics = named.map(|topic| OffsetDeleteResponseTopic {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetDeleteResponsePartition {
                partition_index: partition.partition_index,
                error_code: code(topic, partition.partition_index).code(),
            })
            .collect(),
    });
    let response = OffsetDeleteResponse { topics: topics.collect(), ..OffsetDeleteResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}
