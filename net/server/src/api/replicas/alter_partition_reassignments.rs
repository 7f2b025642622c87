//! AlterPartitionReassignments 0-1: moves partitions to other brokers, but there are none (KIP-455).

use std::borrow::Cow;

use millrace_core::base::{BrokerId, PartitionIndex};
use millrace_core::meta::MetadataImage;
use millrace_wire::messages::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignablePartition,
};
use millrace_wire::messages::alter_partition_reassignments_response::{
    AlterPartitionReassignmentsResponse, ReassignablePartitionResponse, ReassignableTopicResponse,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// Why a partition does not move.
#[derive(Debug, PartialEq, Eq)]
struct ReassignmentRefusal {
    code: ErrorCode,
    message: Option<String>,
}

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request =
        AlterPartitionReassignmentsRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let image = context.server.shard.image();
    // Kafka asks its controller only if there is something to do, and time to do it.
    if request.topics.is_empty() {
        let response = AlterPartitionReassignmentsResponse {
            error_message: Some(Cow::Borrowed("")),
            ..AlterPartitionReassignmentsResponse::default()
        };
        return context.respond(|writer, version| response.encode(writer, version));
    }
    let is_late = request.timeout_ms <= 0;
    let responses = request.topics.iter().map(|topic| {
        let partition = |asked: &ReassignablePartition| {
            let reassigned = match is_late {
                true => Err(ReassignmentRefusal { code: ErrorCode::RequestTimedOut, message: None }),
                false => reassign(&image, &topic.name, asked),
            };
            let (code, message) = match reassigned {
                Ok(()) => (ErrorCode::None, None),
                Err(refusal) => (refusal.code, refusal.message),
            };
            ReassignablePartitionResponse {
                partition_index: asked.partition_index,
                error_code: code.code(),
                error_message: message.map(Cow::Owned),
            }
        };
        ReassignableTopicResponse {
            name: topic.name.as_ref().into(),
            partitions: topic.partitions.iter().map(partition).collect(),
        }
    });
    let response = AlterPartitionReassignmentsResponse {
        error_code: if is_late { ErrorCode::RequestTimedOut } else { ErrorCode::None }.code(),
        error_message: None,
        allow_replication_factor_change: is_late || request.allow_replication_factor_change,
        responses: responses.collect(),
        ..AlterPartitionReassignmentsResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}

/// The order of checks and the messages are those of Kafka's controller (`ReplicationControlManager`). What
/// passes them is where the partition already is.
fn reassign(
    image: &MetadataImage,
    name: &str,
    asked: &ReassignablePartition,
) -> Result<(), ReassignmentRefusal> {
    let unknown =
        |message| ReassignmentRefusal { code: ErrorCode::UnknownTopicOrPartition, message: Some(message) };
    let index = asked.partition_index;
    let topic = image.topic(name).ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    if topic.partition(PartitionIndex(index)).is_none() {
        return Err(unknown(format!("Unable to find partition {name}:{index}.")));
    }
    match &asked.replicas {
        Some(replicas) => check_replicas(image, replicas).map_err(|message| ReassignmentRefusal {
            code: ErrorCode::InvalidReplicaAssignment,
            message: Some(message),
        }),
        None => Err(ReassignmentRefusal { code: ErrorCode::NoReassignmentInProgress, message: None }),
    }
}

fn check_replicas(image: &MetadataImage, replicas: &[i32]) -> Result<(), String> {
    const BEGIN: &str = "The manual partition assignment includes";
    if replicas.is_empty() {
        return Err(format!("{BEGIN} an empty replica list."));
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut previous = None;
    for id in sorted {
        if image.broker(BrokerId(id)).is_none() {
            return Err(format!("{BEGIN} broker {id}, but no such broker is registered."));
        }
        if previous.replace(id) == Some(id) {
            return Err(format!("{BEGIN} the broker {id} more than once."));
        }
    }
    Ok(())
}
