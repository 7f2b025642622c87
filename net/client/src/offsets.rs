//! Offsets of logs: their ends, their starts, and those of times.

use std::collections::{BTreeMap, BTreeSet};

use millrace_wire::ApiKey;
use millrace_wire::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use millrace_wire::messages::list_offsets_response::ListOffsetsResponse;

use crate::cluster::{Cluster, Place};
use crate::failure::Failure;

/// The version that asks for one offset, to the last without a time limit.
const LIST_OFFSETS: std::ops::RangeInclusive<i16> = 1..=9;
/// A consumer, not a replica.
const CONSUMER: i32 = -1;
const NO_LEADER_EPOCH: i32 = -1;

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

/// A place's error code and offset.
type Answered = (Place, i16, i64);

impl Cluster {
    /// An offset of each of the logs; nothing where no record is so young. Partitions that nobody leads are left out, and
    /// those of topics that do not exist.
    pub fn log_offsets(
        &mut self,
        places: &BTreeSet<Place>,
        which: LogOffset,
    ) -> Result<BTreeMap<Place, Option<i64>>, Failure> {
        let leaders = self.leaders(&places.iter().map(|place| place.topic.clone()).collect())?;
        let mut by_leader: BTreeMap<i32, Vec<&Place>> = BTreeMap::new();
        for place in places {
            let leader = leaders.get(&place.topic).and_then(|partitions| partitions.get(&place.partition));
            if let Some(leader) = leader.filter(|leader| **leader >= 0) {
                by_leader.entry(*leader).or_default().push(place);
            }
        }
        let mut found = BTreeMap::new();
        for (leader, places) in by_leader {
            for (place, code, offset) in self.offsets_at(leader, &places, which)? {
                Failure::check(&format!("a question for offsets of {place}"), code)?;
                found.insert(place, (offset >= 0).then_some(offset));
            }
        }
        Ok(found)
    }

    fn offsets_at(
        &mut self,
        leader: i32,
        places: &[&Place],
        which: LogOffset,
    ) -> Result<Vec<Answered>, Failure> {
        let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for place in places {
            topics.entry(&place.topic).or_default().push(ListOffsetsPartition {
                partition_index: place.partition,
                current_leader_epoch: NO_LEADER_EPOCH,
                timestamp: which.code(),
            });
        }
        let topics = topics.into_iter();
        let request = ListOffsetsRequest {
            replica_id: CONSUMER,
            topics: topics
                .map(|(name, partitions)| ListOffsetsTopic { name: name.into(), partitions })
                .collect(),
            ..ListOffsetsRequest::default()
        };
        self.broker(leader)?.call(
            ApiKey::ListOffsets,
            LIST_OFFSETS,
            |writer, version| request.encode(writer, version),
            |reader, version| Ok(read(&ListOffsetsResponse::decode(reader, version)?)),
        )
    }
}

fn read(response: &ListOffsetsResponse<'_>) -> Vec<Answered> {
    let mut answered = Vec::new();
    for topic in &response.topics {
        answered.extend(topic.partitions.iter().map(|partition| {
            let place = Place { topic: topic.name.to_string(), partition: partition.partition_index };
            (place, partition.error_code, partition.offset)
        }));
    }
    answered
}
