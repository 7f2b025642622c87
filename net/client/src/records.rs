//! Record batches go to the leaders of partitions and come from them, as bytes:
//! what is in them is for others to say.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::fetch_response::FetchResponse;
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::messages::produce_response::{PartitionProduceResponse, ProduceResponse};
use millrace_wire::{ApiKey, Records};

use crate::clock::TIMEOUT_MS;
use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::leaders::{Answered, Answers};
use crate::place::{CONSUMER, NO_LEADER_EPOCH, Place, by_topic};
use crate::refusal::Refusal;
use crate::transport::Peer;

/// To the last versions that name topics by name.
const PRODUCE: RangeInclusive<i16> = 3..=12;
const FETCH: RangeInclusive<i16> = 4..=12;

/// When a broker answers a produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Never.
    None,
    Leader,
    All,
}

impl Acks {
    pub fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// What a reader takes at once at most; a batch that is larger comes all the same.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// How long the broker waits where there is nothing.
    pub wait_ms: i32,
    pub partition_bytes: i32,
    pub answer_bytes: i32,
}

/// What a log had from an offset on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Whole batches, then perhaps a part of one; the first may begin before the offset.
    pub batches: Bytes,
    /// Behind the last record that consumers see.
    pub high_watermark: i64,
}

impl Cluster {
    /// Appends one batch to each log. Answers the offsets of their first records; without acknowledgements
    /// nobody knows them. A batch is sent again only where its log was led by another broker.
    pub fn produce(
        &mut self,
        batches: &BTreeMap<Place, Bytes>,
        acks: Acks,
    ) -> Result<Answers<Option<i64>>, ClientError> {
        self.ask_leaders(batches, |peer, batches| produce(peer, batches, acks))
    }

    /// Waits until every broker has read what it was sent without asking for an answer.
    pub fn settle(&mut self) -> Result<(), ClientError> {
        self.peers().try_for_each(Peer::greet)
    }

    /// Reads each log from an offset on.
    pub fn fetch(
        &mut self,
        from: &BTreeMap<Place, i64>,
        limits: FetchLimits,
    ) -> Result<Answers<Fetched>, ClientError> {
        self.ask_leaders(from, |peer, from| fetch(peer, from, limits))
    }
}

fn produce(
    peer: &mut Peer,
    batches: &BTreeMap<Place, Bytes>,
    acks: Acks,
) -> Result<Vec<Answered<Option<i64>>>, ClientError> {
    let partition =
        |index, batch: &Bytes| PartitionProduceData { index, records: Some(Records::from(batch.clone())) };
    let topic = |(name, partition_data): (&'_ str, _)| TopicProduceData {
        name: name.to_owned().into(),
        partition_data,
        ..TopicProduceData::default()
    };
    let request = ProduceRequest {
        acks: acks.code(),
        timeout_ms: TIMEOUT_MS,
        topic_data: by_topic(batches, partition).into_iter().map(topic).collect(),
        ..ProduceRequest::default()
    };
    if acks == Acks::None {
        peer.tell(ApiKey::Produce, PRODUCE, |writer, version| request.encode(writer, version))?;
        return Ok(batches.keys().map(|place| (place.clone(), Ok(None))).collect());
    }
    peer.call(
        ApiKey::Produce,
        PRODUCE,
        |writer, version| request.encode(writer, version),
        |reader, version| {
            let response = ProduceResponse::decode(reader, version)?;
            let mut answered = Vec::new();
            for topic in &response.responses {
                let partitions = topic.partition_responses.iter();
                answered
                    .extend(partitions.map(|it| (Place::new(topic.name.as_ref(), it.index), produced(it))));
            }
            Ok(answered)
        },
    )
}

fn produced(partition: &PartitionProduceResponse<'_>) -> Result<Option<i64>, Refusal> {
    let of_record =
        partition.record_errors.iter().find_map(|error| error.batch_index_error_message.as_deref());
    let reason = of_record.or(partition.error_message.as_deref());
    Refusal::check(partition.error_code, reason)?;
    Ok(Some(partition.base_offset))
}

fn fetch(
    peer: &mut Peer,
    from: &BTreeMap<Place, i64>,
    limits: FetchLimits,
) -> Result<Vec<Answered<Fetched>>, ClientError> {
    let partition = |partition, offset: &i64| FetchPartition {
        partition,
        fetch_offset: *offset,
        current_leader_epoch: NO_LEADER_EPOCH,
        partition_max_bytes: limits.partition_bytes,
        ..FetchPartition::default()
    };
    let topic = |(name, partitions): (&'_ str, _)| FetchTopic {
        topic: name.to_owned().into(),
        partitions,
        ..FetchTopic::default()
    };
    let request = FetchRequest {
        replica_id: CONSUMER,
        max_wait_ms: limits.wait_ms,
        min_bytes: 1,
        max_bytes: limits.answer_bytes,
        topics: by_topic(from, partition).into_iter().map(topic).collect(),
        ..FetchRequest::default()
    };
    let (code, answered) = peer.call(
        ApiKey::Fetch,
        FETCH,
        |writer, version| request.encode(writer, version),
        |reader, version| Ok(read_fetched(FetchResponse::decode(reader, version)?)),
    )?;
    ClientError::check("Fetch", code).map(|()| answered)
}

fn read_fetched(response: FetchResponse<'_>) -> (i16, Vec<Answered<Fetched>>) {
    let mut answered = Vec::new();
    for topic in response.responses {
        for partition in topic.partitions {
            let place = Place::new(topic.topic.as_ref(), partition.partition_index);
            let fetched = Refusal::check(partition.error_code, None).map(|()| Fetched {
                batches: partition.records.map(Records::into_bytes).unwrap_or_default(),
                high_watermark: partition.high_watermark,
            });
            answered.push((place, fetched));
        }
    }
    (response.error_code, answered)
}
