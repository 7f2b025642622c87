//! OffsetCommit 2-10: how far a group has come in its partitions.

use millrace_core::base::{LeaderEpoch, Offset, PartitionIndex};
use millrace_core::coord::{CommitRequest, Generation, GroupError, OffsetToCommit, TopicName, UnknownGroup};
use millrace_core::meta::{MetadataImage, TopicImage};
use millrace_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_wire::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use millrace_wire::{ErrorCode, Reader};
use rustc_hash::FxHashMap;

use crate::api::errors;
use crate::api::groups::members;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::topic_id;

/// Versions in which the client says for how long its offsets are kept.
const LAST_WITH_RETENTION: i16 = 4;
/// First version in which a group that is not there is named so.
const FIRST_WITH_GROUP_NOT_FOUND: i16 = 9;
/// First version in which topics are named by their ids.
const FIRST_BY_ID: i16 = 10;

const BROKER_RETENTION: i64 = -1;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = OffsetCommitRequest::decode(&mut Reader::new(&context.body), version)?;
    let image = context.server.shard.image();
    let mut offsets = Vec::new();
    // For each partition its place among the offsets, or an error.
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let known = find(&image, topic, version);
        let places: Vec<Result<usize, ErrorCode>> =
            topic.partitions.iter().map(|partition| place(&mut offsets, known, partition, version)).collect();
        topics.push(places);
    }
    let commit = CommitRequest {
        group: request.group_id.as_ref().into(),
        member: request.member_id.as_ref().into(),
        instance: members::instance(request.group_instance_id.as_deref()),
        generation: Generation(request.generation_id_or_member_epoch),
        retention_ms: (version <= LAST_WITH_RETENTION && request.retention_time_ms != BROKER_RETENTION)
            .then_some(request.retention_time_ms),
        unknown_group: match version >= FIRST_WITH_GROUP_NOT_FOUND {
            true => UnknownGroup::NotFound,
            false => UnknownGroup::IllegalGeneration,
        },
        offsets,
    };
    drop(image);
    let codes = commit_offsets(&context, commit).await;
    let named = request.topics.iter().zip(topics).filter(|(topic, _)| !topic.partitions.is_empty());
    let topics = named.map(|(topic, places)| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: partition_responses(topic, &places, &codes),
    });
    let response = OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

fn find<'a>(
    image: &'a MetadataImage,
    topic: &OffsetCommitRequestTopic<'_>,
    version: i16,
) -> Option<&'a TopicImage> {
    let found = if version >= FIRST_BY_ID {
        image.topic_by_id(topic_id(topic.topic_id))
    } else {
        image.topic(&topic.name)
    };
    found.map(AsRef::as_ref)
}

/// Adds the offset to those that the group is to commit. Returns its place among them,
/// or what is wrong with it.
fn place(
    offsets: &mut Vec<OffsetToCommit>,
    topic: Option<&TopicImage>,
    partition: &OffsetCommitRequestPartition<'_>,
    version: i16,
) -> Result<usize, ErrorCode> {
    let unknown_topic = match version >= FIRST_BY_ID {
        true => ErrorCode::UnknownTopicId,
        false => ErrorCode::UnknownTopicOrPartition,
    };
    let topic = topic.ok_or(unknown_topic)?;
    let index = PartitionIndex(partition.partition_index);
    topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    offsets.push(OffsetToCommit {
        topic: TopicName::from(topic.name.clone()),
        // Kafka's record has the topic's id even if the client did not send it.
        topic_id: topic.id,
        partition: index,
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: partition.committed_metadata.as_deref().map(Into::into),
    });
    Ok(offsets.len() - 1)
}

/// Commits the offsets and returns the outcome of each, in order.
async fn commit_offsets(context: &RequestContext, commit: CommitRequest) -> Vec<ErrorCode> {
    if commit.offsets.is_empty() {
        return Vec::new();
    }
    let names: Vec<(TopicName, PartitionIndex)> =
        commit.offsets.iter().map(|offset| (offset.topic.clone(), offset.partition)).collect();
    match context.server.shard.commit_offsets(commit).await {
        Err(error) => vec![errors::of_group(error); names.len()],
        Ok(refused) => {
            let refused: FxHashMap<(&TopicName, PartitionIndex), GroupError> =
                refused.iter().map(|refused| ((&refused.topic, refused.partition), refused.error)).collect();
            let fault = |(topic, index): &(TopicName, PartitionIndex)| refused.get(&(topic, *index)).copied();
            names.iter().map(|name| fault(name).map_or(ErrorCode::None, errors::of_group)).collect()
        }
    }
}

fn partition_responses(
    topic: &OffsetCommitRequestTopic<'_>,
    places: &[Result<usize, ErrorCode>],
    codes: &[ErrorCode],
) -> Vec<OffsetCommitResponsePartition> {
    let respond = |(partition, place): (&OffsetCommitRequestPartition<'_>, &Result<usize, ErrorCode>)| {
        let code = match place {
            Ok(place) => codes.get(*place).copied().unwrap_or(ErrorCode::UnknownServerError),
            Err(code) => *code,
        };
        OffsetCommitResponsePartition { partition_index: partition.partition_index, error_code: code.code() }
    };
    topic.partitions.iter().zip(places).map(respond).collect()
}
