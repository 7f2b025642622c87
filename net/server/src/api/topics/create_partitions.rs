//! CreatePartitions 0-3: topics get more partitions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use millrace_core::base::BrokerId;
use millrace_core::meta::{MorePartitions, TopicError};
use millrace_shard::ValidateOnly;
use millrace_wire::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use millrace_wire::messages::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::topics::mutations::create_partitions;

/// What Kafka says of a name that one request holds twice.
const DUPLICATE: &str = "Duplicate topic name.";

/// First version with an error for a client that is over its rate of changes.
const FIRST_STRICT: i16 = 3;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = CreatePartitionsRequest::decode(&mut Reader::new(&context.body), version)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *counts.entry(&topic.name).or_default() += 1;
    }
    let is_single = |topic: &&CreatePartitionsTopic<'_>| counts.get(&*topic.name) == Some(&1);
    let single: Vec<&CreatePartitionsTopic<'_>> = request.topics.iter().filter(is_single).collect();
    // As Kafka: these come first.
    let duplicates = counts.iter().filter(|(_, count)| **count > 1);
    let mut results: Vec<CreatePartitionsTopicResult<'_>> = duplicates
        .map(|(name, _)| answered(name, ErrorCode::InvalidRequest, Some(DUPLICATE.into())))
        .collect();
    if request.timeout_ms > 0 {
        let validate_only = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
        let more: Vec<MorePartitions> = single.iter().map(|topic| more_partitions(topic)).collect();
        let grown = match more.is_empty() {
            true => Vec::new(),
            false => {
                create_partitions(&context.server.shard, more, validate_only, context.mutations(FIRST_STRICT))
                    .await
            }
        };
        results.extend(single.iter().zip(grown).map(|(topic, result)| became(&topic.name, result)));
    } else {
        results.extend(single.iter().map(|topic| answered(&topic.name, ErrorCode::RequestTimedOut, None)));
    }
    let response = CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

fn more_partitions(topic: &CreatePartitionsTopic<'_>) -> MorePartitions {
    let brokers = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect();
    let assignments = topic.assignments.as_ref();
    MorePartitions {
        topic: topic.name.to_string(),
        count: topic.count,
        assignments: assignments
            .map(|lists| lists.iter().map(|assignment| brokers(&assignment.broker_ids)).collect()),
    }
}

fn became(name: &str, result: Result<(), TopicError>) -> CreatePartitionsTopicResult<'_> {
    let Err(error) = result else { return answered(name, ErrorCode::None, None) };
    let code = errors::of_topic(error.kind);
    // Kafka leaves out what the code says by itself (`ApiError`).
    let says_more = error.message != errors::generic_message(code);
    answered(name, code, says_more.then(|| error.message.into()))
}

fn answered<'a>(
    name: &'a str,
    code: ErrorCode,
    message: Option<Cow<'a, str>>,
) -> CreatePartitionsTopicResult<'a> {
    CreatePartitionsTopicResult { name: name.into(), error_code: code.code(), error_message: message }
}
