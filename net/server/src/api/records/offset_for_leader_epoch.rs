//! OffsetForLeaderEpoch 2-4: where a leader epoch ends, so that a client finds out that its log was cut.

use millrace_core::base::{LeaderEpoch, PartitionIndex, PartitionKey};
use millrace_shard::EpochAsk;
use millrace_wire::messages::offset_for_leader_epoch_request::OffsetForLeaderEpochRequest;
use millrace_wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = OffsetForLeaderEpochRequest::decode(&mut Reader::new(&context.body), version)?;
    let shard = &context.server.shard;
    let image = shard.image();
    let mut questions = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let index = PartitionIndex(partition.partition);
            let known = image.topic(&topic.topic).filter(|topic| topic.partition(index).is_some());
            let number = known.map(|topic| {
                let epoch = partition.current_leader_epoch;
                questions.push(EpochAsk {
                    key: PartitionKey::new(topic.id, index),
                    current_leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
                    leader_epoch: LeaderEpoch(partition.leader_epoch),
                });
                questions.len() - 1
            });
            partitions.push((partition.partition, number));
        }
        topics.push((topic.topic.clone(), partitions));
    }
    drop(image);
    let found =
        if questions.is_empty() { Vec::new() } else { shard.offset_for_leader_epoch(questions).await };
    let end = |(partition, number): (i32, Option<usize>)| {
        let blank = EpochEndOffset { partition, ..EpochEndOffset::default() };
        match number.and_then(|number| found.get(number)) {
            Some(Ok(end)) => {
                EpochEndOffset { leader_epoch: end.leader_epoch.0, end_offset: end.end_offset.0, ..blank }
            }
            Some(Err(error)) => EpochEndOffset { error_code: errors::of_fetch(error).code(), ..blank },
            None => EpochEndOffset { error_code: ErrorCode::UnknownTopicOrPartition.code(), ..blank },
        }
    };
    let topics = topics.into_iter().map(|(topic, partitions)| OffsetForLeaderTopicResult {
        topic,
        partitions: partitions.into_iter().map(end).collect(),
    });
    let response =
        OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}
