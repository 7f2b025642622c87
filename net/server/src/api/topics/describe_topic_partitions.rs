//! DescribeTopicPartitions 0: topics by name, in pages of partitions (KIP-966).

use std::borrow::Cow;
use std::collections::BTreeSet;

use millrace_core::base::BrokerId;
use millrace_core::meta::{MetadataImage, PartitionImage, TopicImage, check_topic_name, is_internal_topic};
use millrace_wire::messages::describe_topic_partitions_request::DescribeTopicPartitionsRequest;
use millrace_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use millrace_wire::{ErrorCode, Reader, Uuid};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::uuid;
use crate::api::request::operations::{OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS};

/// Where a response begins. Earlier topics, and partitions of this topic before `partition`, are left out.
#[derive(Debug, Clone, Copy)]
struct Start<'a> {
    topic: &'a str,
    partition: i32,
}

/// One topic of a response.
#[derive(Debug, PartialEq, Eq)]
struct Section<'a> {
    topic: &'a str,
    /// The places of its partitions, or `None` if there is no such topic.
    partitions: Option<std::ops::Range<usize>>,
}

/// What fits into one response, and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
struct Page<'a> {
    sections: Vec<Section<'a>>,
    next: Option<(&'a str, usize)>,
}

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = DescribeTopicPartitionsRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let image = context.server.shard.image();
    let start = request
        .cursor
        .as_ref()
        .map(|cursor| Start { topic: &cursor.topic_name, partition: cursor.partition_index });
    let named: Vec<&str> = request.topics.iter().map(|topic| topic.name.as_ref()).collect();
    let topics: BTreeSet<&str> = match named.as_slice() {
        [] => image.topics().map(|topic| topic.name.as_ref()).collect(),
        named => named.iter().copied().collect(),
    };
    let response = match fault(&topics, &named, start) {
        Some(code) => refused(&named, code),
        None => {
            let limit = context.server.broker.config().max_request_partition_size_limit();
            let limit = usize::try_from(request.response_partition_limit.min(limit)).unwrap_or(0).max(1);
            let count = |name: &str| image.topic(name).map(|topic| topic.partitions.len());
            response_of(&image, page(topics.into_iter(), start, limit, count))
        }
    };
    context.respond(|writer, version| response.encode(writer, version))
}

/// What is wrong with the whole request.
fn fault(topics: &BTreeSet<&str>, named: &[&str], start: Option<Start<'_>>) -> Option<ErrorCode> {
    if let Some(start) = start
        && (start.partition < 0 || (!named.is_empty() && !topics.contains(start.topic)))
    {
        return Some(ErrorCode::InvalidRequest);
    }
    // Kafka asks for its authorized operations, and fails.
    let begins = start.map_or("", |start| start.topic);
    (begins.is_empty() && topics.contains("")).then_some(ErrorCode::UnknownServerError)
}

fn refused<'a>(named: &[&'a str], code: ErrorCode) -> DescribeTopicPartitionsResponse<'a> {
    let topics = named.iter().map(|name| DescribeTopicPartitionsResponseTopic {
        is_internal: false,
        topic_authorized_operations: OPERATIONS_NOT_ASKED,
        ..missing(name, code)
    });
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..DescribeTopicPartitionsResponse::default() }
}

/// Takes topics in the order of their names until `limit` partitions are reached. `count` returns how many a
/// topic has. Topics that do not exist take no room, but are named only if there is some left.
fn page<'a>(
    topics: impl Iterator<Item = &'a str>,
    start: Option<Start<'_>>,
    limit: usize,
    count: impl Fn(&str) -> Option<usize>,
) -> Page<'a> {
    let begins = start.map_or("", |start| start.topic);
    let mut sections = Vec::new();
    let mut room = limit;
    for topic in topics.filter(|topic| *topic >= begins) {
        if room == 0 {
            return Page { sections, next: Some((topic, 0)) };
        }
        let partitions = count(topic).map(|count| {
            let first = start.filter(|start| start.topic == topic).map_or(0, |start| start.partition);
            let first = usize::try_from(first).unwrap_or(0).min(count);
            first..count.min(first + room)
        });
        let taken = partitions.clone().unwrap_or(0..0);
        sections.push(Section { topic, partitions });
        if count(topic).is_some_and(|count| taken.end < count) {
            return Page { sections, next: Some((topic, taken.end)) };
        }
        room -= taken.len();
    }
    Page { sections, next: None }
}

fn response_of<'a>(image: &'a MetadataImage, page: Page<'a>) -> DescribeTopicPartitionsResponse<'a> {
    let topics =
        page.sections.into_iter().map(|section| match (image.topic(section.topic), section.partitions) {
            (Some(topic), Some(places)) => described(topic, places),
            _ if check_topic_name(section.topic).is_err() => {
                missing(section.topic, ErrorCode::InvalidTopicException)
            }
            _ => missing(section.topic, ErrorCode::UnknownTopicOrPartition),
        });
    DescribeTopicPartitionsResponse {
        topics: topics.collect(),
        next_cursor: page.next.map(|(topic, place)| Cursor {
            topic_name: topic.into(),
            // A topic has far fewer partitions than that.
            partition_index: i32::try_from(place).unwrap_or(i32::MAX),
        }),
        ..DescribeTopicPartitionsResponse::default()
    }
}

fn missing(name: &str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic<'_> {
    DescribeTopicPartitionsResponseTopic {
        error_code: code.code(),
        name: Some(Cow::Borrowed(name)),
        topic_id: Uuid::ZERO,
        is_internal: is_internal_topic(name),
        partitions: Vec::new(),
        topic_authorized_operations: TOPIC_OPERATIONS,
    }
}

fn described(topic: &TopicImage, places: std::ops::Range<usize>) -> DescribeTopicPartitionsResponseTopic<'_> {
    DescribeTopicPartitionsResponseTopic {
        topic_id: uuid(topic.id),
        partitions: topic.partitions.get(places).unwrap_or_default().iter().map(partition).collect(),
        ..missing(&topic.name, ErrorCode::None)
    }
}

fn partition(partition: &PartitionImage) -> DescribeTopicPartitionsResponsePartition {
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect();
    DescribeTopicPartitionsResponsePartition {
        error_code: ErrorCode::None.code(),
        partition_index: partition.index.0,
        leader_id: partition.leader.0,
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: ids(&partition.replicas),
        isr_nodes: ids(&partition.isr),
        // The only replica is in sync, or its broker is away.
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Topics with their partitions (`-`: none such), where to start, limit; sections, and the next start.
    const PAGES: &str = "
        a3 b2    | -    | 9 | a0-3 b0-2       | -
        a3 b2    | -    | 1 | a0-1            | a1
        a3 b2    | -    | 3 | a0-3            | b0
        a3 b2    | -    | 4 | a0-3 b0-1       | b1
        a3 b2    | a1   | 2 | a1-3            | b0
        a3 b2    | a2   | 2 | a2-3 b0-1       | b1
        a3 b2    | b1   | 2 | b1-2            | -
        a3 b2    | a3   | 2 | a3-3 b0-2       | -
        a3 b2    | a77  | 1 | a3-3 b0-1       | b1
        a3 b- c1 | -    | 3 | a0-3            | b0
        a3 b- c1 | -    | 4 | a0-3 b c0-1     | -
        a- b- c1 | -    | 1 | a b c0-1        | -
        a- b1    | a5   | 1 | a b0-1          | -
    ";

    #[test]
    fn pages_end_where_they_are_full() {
        for line in PAGES.trim().lines() {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [topics, start, limit, expected, next] = fields[..] else { panic!("{line}") };
            let counts: Vec<(&str, Option<usize>)> =
                topics.split(' ').map(|topic| (&topic[..1], topic[1..].parse().ok())).collect();
            let start = start[1..].parse().ok().map(|partition| Start { topic: &start[..1], partition });
            let count = |name: &str| counts.iter().find(|(topic, _)| *topic == name).and_then(|it| it.1);
            let page = page(counts.iter().map(|it| it.0), start, limit.parse().unwrap(), count);
            let sections = page.sections.iter().map(|section| match &section.partitions {
                Some(range) => format!("{}{}-{}", section.topic, range.start, range.end),
                None => section.topic.to_owned(),
            });
            assert_eq!(sections.collect::<Vec<_>>().join(" "), expected, "{line}");
            let found = page.next.map_or("-".to_owned(), |(topic, place)| format!("{topic}{place}"));
            assert_eq!(found, next, "{line}");
        }
    }
}
