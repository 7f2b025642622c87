//! What tools ask of a broker of several shards: logs' sizes, producers, the metadata quorum.

use bytes::Bytes;
use millrace_core::base::{ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_wire::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use millrace_wire::messages::describe_log_dirs_response::DescribeLogDirsResponse;
use millrace_wire::messages::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use millrace_wire::messages::describe_producers_response::DescribeProducersResponse;
use millrace_wire::messages::describe_quorum_request::{DescribeQuorumRequest, PartitionData, TopicData};
use millrace_wire::messages::describe_quorum_response::DescribeQuorumResponse;
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::{ApiKey, Reader};

use crate::client::{Client, HEADER_BYTES, PRODUCE, produced};
use crate::stage::play;

const LOG_DIRS: i16 = 5;
const PARTITIONS: i32 = 6;

#[test]
fn sizes_and_producers_come_from_every_shard() {
    play(3, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", PARTITIONS).await;
        let mut lengths = Vec::new();
        for partition in 0..PARTITIONS {
            lengths.push(produce_as(&mut client, partition, 100 + i64::from(partition)).await);
        }
        let dirs = log_dirs(&mut client).await;
        assert_eq!(dirs, ("/data".to_owned(), lengths));
        let producers = producers(&mut client).await;
        let expected: Vec<(i32, i64, i32, i64)> =
            (0..PARTITIONS).map(|partition| (partition, 100 + i64::from(partition), 0, 7)).collect();
        assert_eq!(producers, expected);
    });
}

#[test]
fn the_metadata_quorum_counts_changes() {
    play(3, &[], async |stage| {
        // Several connections, so that shards without the log are asked too.
        let mut before = 0;
        for topic in ["a", "b", "c", "d", "e"] {
            let mut client = Client::connect(stage.address).await;
            client.create_topic(topic, 1).await;
            let end = quorum(&mut client).await;
            assert!(end > before, "{end} follows {before}");
            before = end;
        }
    });
}

/// Appends a record of a producer of this id and returns the batch's length.
async fn produce_as(client: &mut Client, partition: i32, id: i64) -> i64 {
    let value = vec![b'x'; 10 + partition as usize];
    let batch = BatchBuilder::new(Codec::None)
        .producer(ProducerId(id), ProducerEpoch(0), Sequence(0))
        .record(BatchRecord::of_value(TimestampMs(7), &value))
        .build();
    let length = batch.len() as i64;
    let data = PartitionProduceData { index: partition, records: Some(Bytes::from(batch).into()) };
    let topic =
        TopicProduceData { name: "t".into(), partition_data: vec![data], ..TopicProduceData::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..ProduceRequest::default() };
    client.send(ApiKey::Produce, PRODUCE, |writer, version| request.encode(writer, version)).await;
    assert_eq!(produced(&response(client, 0).await), (0, 0));
    length
}

/// The directory, and the sizes of the topic's partitions in order.
async fn log_dirs(client: &mut Client) -> (String, Vec<i64>) {
    let request = DescribeLogDirsRequest { topics: None };
    client.send(ApiKey::DescribeLogDirs, LOG_DIRS, |writer, version| request.encode(writer, version)).await;
    let body = response(client, HEADER_BYTES).await;
    let response = DescribeLogDirsResponse::decode(&mut Reader::new(&body), LOG_DIRS).unwrap();
    let dir = &response.results[0];
    assert!(dir.usable_bytes > 0 && dir.usable_bytes <= dir.total_bytes);
    let mut partitions = dir.topics[0].partitions.clone();
    partitions.sort_by_key(|partition| partition.partition_index);
    (dir.log_dir.to_string(), partitions.iter().map(|partition| partition.partition_size).collect())
}

/// Partition, producer, last sequence and time of each partition's only producer.
async fn producers(client: &mut Client) -> Vec<(i32, i64, i32, i64)> {
    let topic = TopicRequest { name: "t".into(), partition_indexes: (0..PARTITIONS).collect() };
    let request = DescribeProducersRequest { topics: vec![topic] };
    client.send(ApiKey::DescribeProducers, 0, |writer, version| request.encode(writer, version)).await;
    let body = response(client, HEADER_BYTES).await;
    let response = DescribeProducersResponse::decode(&mut Reader::new(&body), 0).unwrap();
    let partitions = response.topics[0].partitions.iter().map(|partition| {
        let [producer] = &partition.active_producers[..] else { panic!("{partition:?}") };
        (partition.partition_index, producer.producer_id, producer.last_sequence, producer.last_timestamp)
    });
    partitions.collect()
}

/// The end of the metadata log.
async fn quorum(client: &mut Client) -> i64 {
    let partitions = vec![PartitionData { partition_index: 0 }];
    let request = DescribeQuorumRequest {
        topics: vec![TopicData { topic_name: "__cluster_metadata".into(), partitions }],
    };
    client.send(ApiKey::DescribeQuorum, 2, |writer, version| request.encode(writer, version)).await;
    let body = response(client, HEADER_BYTES).await;
    let response = DescribeQuorumResponse::decode(&mut Reader::new(&body), 2).unwrap();
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    partition.high_watermark
}

/// Returns the next response from the byte `from` on.
async fn response(client: &mut Client, from: usize) -> Bytes {
    client.response().await.expect("the broker responses").slice(from..)
}
