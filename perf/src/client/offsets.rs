//! Where logs end.

use std::borrow::Cow;

use millrace_client::{Connection, Frame};
use millrace_wire::ApiKey;
use millrace_wire::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use millrace_wire::messages::list_offsets_response::ListOffsetsResponse;

use crate::error::ClientError;

/// A consumer, not a replica.
const CONSUMER: i32 = -1;

/// Asks for the high watermark, and for the first offset.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// The high watermarks of all partitions of the topics (name, number of partitions),
/// topic by topic in the order asked.
pub(crate) fn log_ends(connection: &mut Connection, topics: &[(&str, i32)]) -> Result<Vec<i64>, ClientError> {
    log_offsets(connection, topics, LATEST)
}

/// The first offset and the high watermark of each of a topic's partitions.
pub(crate) fn log_ranges(
    connection: &mut Connection,
    topic: &str,
    partitions: i32,
) -> Result<Vec<(i64, i64)>, ClientError> {
    let starts = log_offsets(connection, &[(topic, partitions)], EARLIEST)?;
    let ends = log_offsets(connection, &[(topic, partitions)], LATEST)?;
    Ok(starts.into_iter().zip(ends).collect())
}

fn log_offsets(
    connection: &mut Connection,
    topics: &[(&str, i32)],
    timestamp: i64,
) -> Result<Vec<i64>, ClientError> {
    let partition = |partition_index| ListOffsetsPartition {
        partition_index,
        timestamp,
        ..ListOffsetsPartition::default()
    };
    let topic = |(name, partitions): &'_ (&'_ str, i32)| ListOffsetsTopic {
        name: Cow::Owned((*name).to_owned()),
        partitions: (0..*partitions).map(partition).collect(),
    };
    let request = ListOffsetsRequest {
        replica_id: CONSUMER,
        topics: topics.iter().map(topic).collect(),
        ..ListOffsetsRequest::default()
    };
    let version = connection.dialect().list_offsets;
    let frame = Frame::new(ApiKey::ListOffsets, version, |writer| request.encode(writer, version))?;
    let found = connection.call(&frame, |reader| {
        let response = ListOffsetsResponse::decode(reader, version)?;
        let mut found = Vec::new();
        for topic in &response.topics {
            let mut partitions: Vec<_> = topic.partitions.iter().collect();
            partitions.sort_by_key(|partition| partition.partition_index);
            found.extend(partitions.iter().map(|partition| (partition.error_code, partition.offset)));
        }
        Ok(found)
    })?;
    let asked: i32 = topics.iter().map(|(_, partitions)| partitions).sum();
    if found.len() != usize::try_from(asked).unwrap_or_default() {
        return Err(ClientError::Broker(format!("{asked} offsets asked, {} answered", found.len())));
    }
    let offset = |(code, offset)| ClientError::check("ListOffsets", code).map(|()| offset);
    found.into_iter().map(offset).collect()
}
