//! ListOffsets 1-11: offsets by special names and by time.

use std::collections::BTreeSet;

use millrace_core::base::{LeaderEpoch, PartitionIndex, PartitionKey, TimestampMs};
use millrace_core::meta::MetadataImage;
use millrace_shard::{FetchError, FoundOffset, Isolation, OffsetAsk, OffsetQuery};
use millrace_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use millrace_wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::yields::YieldCounter;

/// First version whose responses name the leader epoch.
const FIRST_WITH_LEADER_EPOCH: i16 = 4;

/// What a timestamp of a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Query(OffsetQuery),
    /// An offset in tiered storage, which does not exist here: offset -1.
    Nowhere,
    Unsupported,
}

/// The meaning of a timestamp in a version (`ListOffsetsRequest`,
/// `ReplicaManager.isListOffsetsTimestampUnsupported`).
fn asked(timestamp: i64, version: i16) -> Asked {
    let (first_version, asked) = match timestamp {
        0.. => return Asked::Query(OffsetQuery::AtTime(TimestampMs(timestamp))),
        -1 => (1, Asked::Query(OffsetQuery::Latest)),
        -2 => (1, Asked::Query(OffsetQuery::Earliest)),
        -3 => (7, Asked::Query(OffsetQuery::MaxTimestamp)),
        // All of a log is local.
        -4 => (8, Asked::Query(OffsetQuery::Earliest)),
        -5 => (9, Asked::Nowhere),
        -6 => (11, Asked::Nowhere),
        _ => return Asked::Unsupported,
    };
    if version >= first_version { asked } else { Asked::Unsupported }
}

/// One partition of the response, and the number of the question to the shard whose result it gets.
struct ListedPartition {
    response: ListOffsetsPartitionResponse,
    question: Option<usize>,
}

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = ListOffsetsRequest::decode(&mut Reader::new(&context.body), version)?;
    let isolation = match request.isolation_level {
        0 => Some(Isolation::ReadUncommitted),
        1 => Some(Isolation::ReadCommitted),
        _ => None,
    };
    let shard = &context.server.shard;
    let image = shard.image();
    let repeated = repeated(&request);
    let mut questions = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut answered = BTreeSet::new();
    let mut yields = YieldCounter::default();
    for topic in request.topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        let mut places = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            yields.step().await;
            let named = (topic.name.as_ref(), partition.partition_index);
            let checked = match (repeated.contains(&named), isolation) {
                (true, _) if !answered.insert(named) => continue,
                (true, _) => Err(ErrorCode::InvalidRequest),
                (false, None) => Err(ErrorCode::UnknownServerError),
                (false, Some(isolation)) => question(&image, &topic.name, partition, isolation, version),
            };
            places.push(place(partition.partition_index, checked, &mut questions));
        }
        topics.push((topic.name.clone(), places));
    }
    drop(image);
    let found = if questions.is_empty() { Vec::new() } else { shard.list_offsets(questions).await };
    let topics = topics.into_iter().map(|(name, places)| ListOffsetsTopicResponse {
        name,
        partitions: places.into_iter().map(|place| place.filled(&found, version)).collect(),
    });
    let response = ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

/// Partitions that the request names more than once; each is answered once.
fn repeated<'a>(request: &'a ListOffsetsRequest<'_>) -> BTreeSet<(&'a str, i32)> {
    let mut seen = BTreeSet::new();
    let named = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| (topic.name.as_ref(), partition.partition_index))
    });
    named.filter(|partition| !seen.insert(*partition)).collect()
}

/// Returns what to ask the shard, or `None` if the offset is known to be "nowhere".
fn question(
    image: &MetadataImage,
    topic: &str,
    partition: &ListOffsetsPartition,
    isolation: Isolation,
    version: i16,
) -> Result<Option<OffsetAsk>, ErrorCode> {
    let asked = match asked(partition.timestamp, version) {
        Asked::Unsupported => return Err(ErrorCode::UnsupportedVersion),
        Asked::Nowhere => None,
        Asked::Query(query) => Some(query),
    };
    let index = PartitionIndex(partition.partition_index);
    let topic = image.topic(topic).filter(|topic| topic.partition(index).is_some());
    let key = PartitionKey::new(topic.ok_or(ErrorCode::UnknownTopicOrPartition)?.id, index);
    let epoch = partition.current_leader_epoch;
    let current_leader_epoch = (epoch >= 0).then_some(LeaderEpoch(epoch));
    Ok(asked.map(|query| OffsetAsk { key, query, isolation, current_leader_epoch }))
}

fn place(
    index: i32,
    checked: Result<Option<OffsetAsk>, ErrorCode>,
    questions: &mut Vec<OffsetAsk>,
) -> ListedPartition {
    let mut response =
        ListOffsetsPartitionResponse { partition_index: index, ..ListOffsetsPartitionResponse::default() };
    let mut number = None;
    match checked {
        Ok(Some(question)) => {
            number = Some(questions.len());
            questions.push(question);
        }
        Ok(None) => {}
        Err(code) => response.error_code = code.code(),
    }
    ListedPartition { response, question: number }
}

impl ListedPartition {
    fn filled(self, found: &[Result<FoundOffset, FetchError>], version: i16) -> ListOffsetsPartitionResponse {
        let Some(result) = self.question.and_then(|number| found.get(number)) else {
            return self.response;
        };
        match result {
            Ok(found) => ListOffsetsPartitionResponse {
                offset: found.offset.0,
                timestamp: found.timestamp.0,
                leader_epoch: if version >= FIRST_WITH_LEADER_EPOCH { found.leader_epoch.0 } else { -1 },
                ..self.response
            },
            Err(error) => {
                ListOffsetsPartitionResponse { error_code: errors::of_fetch(error).code(), ..self.response }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_need_their_versions() {
        let latest = Asked::Query(OffsetQuery::Latest);
        let earliest = Asked::Query(OffsetQuery::Earliest);
        let max = Asked::Query(OffsetQuery::MaxTimestamp);
        for (timestamp, version, expected) in [
            (-1, 1, latest),
            (-2, 1, earliest),
            (-3, 6, Asked::Unsupported),
            (-3, 7, max),
            (-4, 7, Asked::Unsupported),
            (-4, 8, earliest),
            (-5, 8, Asked::Unsupported),
            (-5, 9, Asked::Nowhere),
            (-6, 10, Asked::Unsupported),
            (-6, 11, Asked::Nowhere),
            (-7, 11, Asked::Unsupported),
            (0, 1, Asked::Query(OffsetQuery::AtTime(TimestampMs(0)))),
        ] {
            assert_eq!(asked(timestamp, version), expected, "{timestamp} in version {version}");
        }
    }
}
