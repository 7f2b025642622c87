//! ElectLeaders 0-2: each partition has one replica, which already leads if it is available.

use std::borrow::Cow;

use millrace_core::base::PartitionIndex;
use millrace_core::meta::MetadataImage;
use millrace_wire::messages::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use millrace_wire::messages::elect_leaders_response::{
    ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// The two kinds of elections: of the preferred leader, and of any that is left.
const ELECTION_TYPES: std::ops::RangeInclusive<i8> = 0..=1;

/// First version that has an error for the whole request.
const FIRST_WITH_ERROR: i16 = 1;

/// The error for all partitions of a request.
struct ElectionRefusal {
    code: ErrorCode,
    message: Option<String>,
}

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = ElectLeadersRequest::decode(&mut Reader::new(&context.body), version)?;
    let image = context.server.shard.image();
    let refusal = refusal(&request);
    let results = match (&request.topic_partitions, &refusal) {
        (Some(topics), _) => topics.iter().map(|topic| elect(&image, topic, refusal.as_ref())).collect(),
        // Partitions that need no election are left out, but their topics are named.
        (None, None) => image
            .topics()
            .map(|topic| ReplicaElectionResult {
                topic: topic.name.to_string().into(),
                partition_result: Vec::new(),
            })
            .collect(),
        (None, Some(_)) => Vec::new(),
    };
    let response = ElectLeadersResponse {
        error_code: match version {
            ..FIRST_WITH_ERROR => ErrorCode::None.code(),
            _ => refusal.map_or(ErrorCode::None, |refusal| refusal.code).code(),
        },
        replica_election_results: results,
        ..ElectLeadersResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}

fn refusal(request: &ElectLeadersRequest<'_>) -> Option<ElectionRefusal> {
    // If nothing is requested, nothing is refused.
    if request.topic_partitions.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    if request.timeout_ms <= 0 {
        return Some(ElectionRefusal { code: ErrorCode::RequestTimedOut, message: None });
    }
    if !ELECTION_TYPES.contains(&request.election_type) {
        let message = format!("Unknown election type {}", request.election_type);
        return Some(ElectionRefusal { code: ErrorCode::InvalidRequest, message: Some(message) });
    }
    None
}

fn elect<'a>(
    image: &MetadataImage,
    asked: &'a TopicPartitions<'_>,
    refusal: Option<&ElectionRefusal>,
) -> ReplicaElectionResult<'a> {
    let name = asked.topic.as_ref();
    let topic = image.topic(name);
    let result = |index: &i32| {
        let (code, message) = match (refusal, topic) {
            (Some(refusal), _) => (refusal.code, refusal.message.clone().map(Cow::Owned)),
            (None, None) => {
                let message = format!("No such topic as {name}");
                (ErrorCode::UnknownTopicOrPartition, Some(Cow::Owned(message)))
            }
            (None, Some(topic)) if topic.partition(PartitionIndex(*index)).is_none() => {
                let message = format!("No such partition as {name}-{index}");
                (ErrorCode::UnknownTopicOrPartition, Some(Cow::Owned(message)))
            }
            (None, Some(_)) => {
                let message = "Leader election not needed for topic partition.";
                (ErrorCode::ElectionNotNeeded, Some(Cow::Borrowed(message)))
            }
        };
        PartitionResult { partition_id: *index, error_code: code.code(), error_message: message }
    };
    ReplicaElectionResult {
        topic: name.into(),
        partition_result: asked.partitions.iter().map(result).collect(),
    }
}
