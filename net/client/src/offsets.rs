//! Offsets of logs: their ends, their starts, and those of times; and where their starts are moved to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use millrace_wire::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use millrace_wire::messages::delete_records_response::DeleteRecordsResponse;
use millrace_wire::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use millrace_wire::messages::list_offsets_response::ListOffsetsResponse;
use millrace_wire::{ApiKey, ErrorCode};

use crate::clock::TIMEOUT_MS;
use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::leaders::{Answered, Answers};
use crate::place::{CONSUMER, NO_LEADER_EPOCH, Place, by_topic};
use crate::refusal::Refusal;
use crate::transport::Peer;

/// The version that asks for one offset, to the last without a time limit.
const LIST_OFFSETS: RangeInclusive<i16> = 1..=9;
const DELETE_RECORDS: RangeInclusive<i16> = 0..=2;

/// Which offset of a log is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOffset {
    Earliest,
    /// Behind the last record that consumers see.
    Latest,
    /// Of the first record that is not older, in milliseconds since 1970.
    At(i64),
}

impl LogOffset {
    fn code(self) -> i64 {
        match self {
            LogOffset::Latest => -1,
            LogOffset::Earliest => -2,
            LogOffset::At(ms) => ms,
        }
    }
}

impl Cluster {
    /// An offset of each of the logs; nothing where no record is so young. Partitions that nobody leads are
    /// left out, and those of topics that do not exist.
    pub fn log_offsets(
        &mut self,
        places: &BTreeSet<Place>,
        which: LogOffset,
    ) -> Result<BTreeMap<Place, Option<i64>>, ClientError> {
        let absent = [ErrorCode::UnknownTopicOrPartition, ErrorCode::LeaderNotAvailable];
        let asked = places.iter().map(|place| (place.clone(), which.code())).collect();
        let mut found = BTreeMap::new();
        for (place, answer) in self.ask_leaders(&asked, list_offsets)? {
            match answer {
                Ok(offset) => {
                    found.insert(place, (offset >= 0).then_some(offset));
                }
                Err(refusal) if absent.iter().any(|error| refusal.is(*error)) => {}
                Err(refusal) => {
                    return Err(ClientError::refused(format!("a question for offsets of {place}"))(refusal));
                }
            }
        }
        Ok(found)
    }

    /// Makes each log begin at its offset, or behind it where it has no record there: what is before is
    /// deleted. Answers where the logs begin then. -1 is the end of what consumers see.
    pub fn delete_records(&mut self, before: &BTreeMap<Place, i64>) -> Result<Answers<i64>, ClientError> {
        self.ask_leaders(before, delete_records)
    }
}

fn list_offsets(peer: &mut Peer, asked: &BTreeMap<Place, i64>) -> Result<Vec<Answered<i64>>, ClientError> {
    let partition = |partition_index, timestamp: &i64| ListOffsetsPartition {
        partition_index,
        current_leader_epoch: NO_LEADER_EPOCH,
        timestamp: *timestamp,
    };
    let topics = by_topic(asked, partition).into_iter();
    let request = ListOffsetsRequest {
        replica_id: CONSUMER,
        topics: topics.map(|(name, partitions)| ListOffsetsTopic { name: name.into(), partitions }).collect(),
        ..ListOffsetsRequest::default()
    };
    peer.call(
        ApiKey::ListOffsets,
        LIST_OFFSETS,
        |writer, version| request.encode(writer, version),
        |reader, version| {
            let response = ListOffsetsResponse::decode(reader, version)?;
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let place = Place::new(topic.name.as_ref(), partition.partition_index);
                    (place, Refusal::check(partition.error_code, None).map(|()| partition.offset))
                })
            });
            Ok(partitions.collect())
        },
    )
}

fn delete_records(peer: &mut Peer, before: &BTreeMap<Place, i64>) -> Result<Vec<Answered<i64>>, ClientError> {
    let partition =
        |partition_index, offset: &i64| DeleteRecordsPartition { partition_index, offset: *offset };
    let topics = by_topic(before, partition).into_iter();
    let request = DeleteRecordsRequest {
        topics: topics
            .map(|(name, partitions)| DeleteRecordsTopic { name: name.into(), partitions })
            .collect(),
        timeout_ms: TIMEOUT_MS,
    };
    peer.call(
        ApiKey::DeleteRecords,
        DELETE_RECORDS,
        |writer, version| request.encode(writer, version),
        |reader, version| {
            let response = DeleteRecordsResponse::decode(reader, version)?;
            let mut answered = Vec::new();
            for topic in &response.topics {
                answered.extend(topic.partitions.iter().map(|result| {
                    let place = Place::new(topic.name.as_ref(), result.partition_index);
                    (place, Refusal::check(result.error_code, None).map(|()| result.low_watermark))
                }));
            }
            Ok(answered)
        },
    )
}
