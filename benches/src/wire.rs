//! Requests and answers of the hot path as clients and broker write them.

use bytes::Bytes;
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::fetch_response::{FetchResponse, FetchableTopicResponse, PartitionData};
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::{Reader, Records, Uuid, Writer, encode_response_frame};

/// Kafka's newest versions when this was written.
const PRODUCE_VERSION: i16 = 13;
const FETCH_VERSION: i16 = 18;
const TOPIC: Uuid = Uuid([7; 16]);

fn encoded<E>(encode: impl FnOnce(&mut Writer) -> Result<(), E>) -> Bytes {
    let mut writer = Writer::new();
    assert!(encode(&mut writer).is_ok(), "the request fits its version");
    writer.finish().concat().into()
}

/// The body of a produce request with `batch` for each of so many partitions.
pub fn produce_request(partitions: i32, batch: &Bytes) -> Bytes {
    let data = |index| PartitionProduceData { index, records: Some(Records::from(batch.clone())) };
    let topic = TopicProduceData {
        name: "".into(),
        topic_id: TOPIC,
        partition_data: (0..partitions).map(data).collect(),
    };
    let request =
        ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 30_000, topic_data: vec![topic] };
    encoded(|writer| request.encode(writer, PRODUCE_VERSION))
}

/// Reads a produce request: its partitions.
pub fn decode_produce(body: &Bytes) -> usize {
    let request = ProduceRequest::decode(&mut Reader::new(body), PRODUCE_VERSION);
    request.map_or(0, |request| request.topic_data.iter().map(|topic| topic.partition_data.len()).sum())
}

/// The body of a fetch request for so many partitions.
pub fn fetch_request(partitions: i32) -> Bytes {
    let wanted = |partition| FetchPartition {
        partition,
        fetch_offset: 1 << 40,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic_id: TOPIC,
        partitions: (0..partitions).map(wanted).collect(),
        ..FetchTopic::default()
    };
    let request = FetchRequest { max_bytes: 50 << 20, topics: vec![topic], ..FetchRequest::default() };
    encoded(|writer| request.encode(writer, FETCH_VERSION))
}

/// Reads a fetch request: its partitions.
pub fn decode_fetch(body: &Bytes) -> usize {
    let request = FetchRequest::decode(&mut Reader::new(body), FETCH_VERSION);
    request.map_or(0, |request| request.topics.iter().map(|topic| topic.partitions.len()).sum())
}

/// Writes the answer to a fetch that found `records` in each of so many partitions: its pieces.
pub fn encode_fetched(partitions: i32, records: &Bytes) -> usize {
    let data = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1 << 40,
        last_stable_offset: 1 << 40,
        records: Some(Records::from(records.clone())),
        ..PartitionData::default()
    };
    let topic = FetchableTopicResponse {
        topic: "".into(),
        topic_id: TOPIC,
        partitions: (0..partitions).map(data).collect(),
    };
    let response = FetchResponse { session_id: 7, responses: vec![topic], ..FetchResponse::default() };
    let frame = encode_response_frame(7, millrace_wire::Form::Compact, |writer| {
        response.encode(writer, FETCH_VERSION)
    });
    frame.map_or(0, |pieces| pieces.len())
}
