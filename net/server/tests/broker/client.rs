//! A client that sends one request at a time or many, and sees every byte.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use millrace_core::base::TimestampMs;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_rt::{Block, Stream};
use millrace_wire::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use millrace_wire::messages::create_partitions_response::CreatePartitionsResponse;
use millrace_wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use millrace_wire::messages::create_topics_response::CreateTopicsResponse;
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::fetch_response::FetchResponse;
use millrace_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use millrace_wire::messages::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
use millrace_wire::messages::metadata_request::MetadataRequest;
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::messages::produce_response::ProduceResponse;
use millrace_wire::{ApiKey, EncodeError, Reader, Records, RequestHead, Writer, encode_request_frame};

/// Versions whose forms are all compact.
pub(crate) const PRODUCE: i16 = 9;
pub(crate) const FETCH: i16 = 12;
pub(crate) const METADATA: i16 = 9;
pub(crate) const CREATE_PARTITIONS: i16 = 3;
pub(crate) const CREATE_TOPICS: i16 = 7;
pub(crate) const ALTER: i16 = 1;

/// Kinds of resources with settings.
pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;
pub(crate) const GROUP: i8 = 32;

pub(crate) struct Client {
    stream: Stream,
    received: Vec<u8>,
    correlation_id: i32,
    client_id: &'static str,
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Client {
        Client::connect_as("test", to).await
    }

    pub(crate) async fn connect_as(client_id: &'static str, to: SocketAddr) -> Client {
        let stream = Stream::connect(to).await.expect("the broker listens");
        Client { stream, received: Vec::new(), correlation_id: 0, client_id }
    }

    pub(crate) async fn raw(&self, bytes: &[u8]) {
        // A broker may close before all is sent: that shows when the response is read.
        let _ = self.stream.send(vec![Bytes::copy_from_slice(bytes)]).await;
    }

    /// Sends a request and returns its correlation id.
    pub(crate) async fn send(
        &mut self,
        api: ApiKey,
        version: i16,
        body: impl FnOnce(&mut Writer, i16) -> Result<(), EncodeError>,
    ) -> i32 {
        self.correlation_id += 1;
        let header = RequestHead {
            api,
            version,
            correlation_id: self.correlation_id,
            client_id: Some(self.client_id),
        };
        let pieces = encode_request_frame(header, |writer| body(writer, version)).unwrap();
        let _ = self.stream.send(pieces).await;
        self.correlation_id
    }

    /// Returns the next response without its length, or `None` if the broker closed.
    pub(crate) async fn response(&mut self) -> Option<Bytes> {
        loop {
            if let Some(length) = self.received.first_chunk::<4>() {
                let end = 4 + u32::from_be_bytes(*length) as usize;
                if self.received.len() >= end {
                    let rest = self.received.split_off(end);
                    let frame = std::mem::replace(&mut self.received, rest);
                    return Some(Bytes::from(frame).slice(4..));
                }
            }
            let (received, block) = self.stream.recv(Block::with_capacity(64 * 1024), 0).await;
            match received {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.received.extend_from_slice(&block.as_slice()[..count]),
            }
        }
    }

    /// The correlation id of the next response.
    pub(crate) async fn response_id(&mut self) -> Option<i32> {
        let frame = self.response().await?;
        Some(i32::from_be_bytes(*frame.first_chunk::<4>().unwrap()))
    }

    /// Returns the error code.
    pub(crate) async fn create_topic(&mut self, name: &str, partitions: i32) -> i16 {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..CreateTopicsRequest::default() };
        self.send(ApiKey::CreateTopics, CREATE_TOPICS, |writer, version| request.encode(writer, version))
            .await;
        let frame = self.response().await.expect("topics are created");
        let body = frame.slice(HEADER_BYTES..);
        let response = CreateTopicsResponse::decode(&mut Reader::new(&body), CREATE_TOPICS).unwrap();
        response.topics[0].error_code
    }

    /// Gives a topic more partitions and returns the error code.
    pub(crate) async fn create_partitions(&mut self, name: &str, count: i32) -> i16 {
        let topic = CreatePartitionsTopic { name: name.into(), count, assignments: None };
        let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: false };
        self.send(ApiKey::CreatePartitions, CREATE_PARTITIONS, |writer, version| {
            request.encode(writer, version)
        })
        .await;
        let frame = self.response().await.expect("more partitions are answered");
        let body = frame.slice(HEADER_BYTES..);
        let response = CreatePartitionsResponse::decode(&mut Reader::new(&body), CREATE_PARTITIONS).unwrap();
        response.results[0].error_code
    }

    /// Sets a key of a topic or broker, or deletes it, and returns the error code.
    pub(crate) async fn alter(&mut self, kind: i8, name: &str, key: &str, value: Option<&str>) -> i16 {
        let config = AlterableConfig {
            name: key.into(),
            config_operation: if value.is_some() { 0 } else { 1 },
            value: value.map(Cow::Borrowed),
        };
        let resource =
            AlterConfigsResource { resource_type: kind, resource_name: name.into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        self.send(ApiKey::IncrementalAlterConfigs, ALTER, |writer, version| request.encode(writer, version))
            .await;
        let frame = self.response().await.expect("changes of settings are answered");
        let body = frame.slice(HEADER_BYTES..);
        let response = IncrementalAlterConfigsResponse::decode(&mut Reader::new(&body), ALTER).unwrap();
        response.responses[0].error_code
    }

    pub(crate) async fn send_produce(&mut self, topic: &str, partition: i32, acks: i16, value: &[u8]) -> i32 {
        let batch =
            BatchBuilder::new(Codec::None).record(BatchRecord::of_value(TimestampMs(0), value)).build();
        self.send_batch(topic, partition, acks, batch.into()).await
    }

    pub(crate) async fn send_batch(&mut self, topic: &str, partition: i32, acks: i16, batch: Bytes) -> i32 {
        let data = PartitionProduceData { index: partition, records: Some(batch.into()) };
        let topic = TopicProduceData {
            name: topic.into(),
            partition_data: vec![data],
            ..TopicProduceData::default()
        };
        let request =
            ProduceRequest { acks, timeout_ms: 1000, topic_data: vec![topic], ..ProduceRequest::default() };
        self.send(ApiKey::Produce, PRODUCE, |writer, version| request.encode(writer, version)).await
    }

    /// Appends one record and returns error code and base offset.
    pub(crate) async fn produce(&mut self, topic: &str, partition: i32, value: &[u8]) -> (i16, i64) {
        self.send_produce(topic, partition, -1, value).await;
        let frame = self.response().await.expect("a produce request is answered");
        produced(&frame)
    }

    pub(crate) async fn send_fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        max_wait_ms: i32,
    ) -> i32 {
        let wanted = FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: 1 << 20,
            ..FetchPartition::default()
        };
        let topic = FetchTopic { topic: topic.into(), partitions: vec![wanted], ..FetchTopic::default() };
        let request =
            FetchRequest { max_wait_ms, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() };
        self.send(ApiKey::Fetch, FETCH, |writer, version| request.encode(writer, version)).await
    }

    /// Bytes of records that a fetch brings.
    pub(crate) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        max_wait_ms: i32,
    ) -> usize {
        self.send_fetch(topic, partition, offset, max_wait_ms).await;
        let frame = self.response().await.expect("a fetch is answered");
        let body = frame.slice(HEADER_BYTES..);
        let response = FetchResponse::decode(&mut Reader::new(&body), FETCH).unwrap();
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.records.as_ref().map_or(0, Records::len)).sum()
    }

    pub(crate) async fn send_metadata(&mut self) -> i32 {
        let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
        self.send(ApiKey::Metadata, METADATA, |writer, version| request.encode(writer, version)).await
    }
}

/// Correlation id and an empty section of tagged fields.
pub(crate) const HEADER_BYTES: usize = 5;

/// Error code and base offset of the one partition of a produce response.
pub(crate) fn produced(frame: &Bytes) -> (i16, i64) {
    let body = frame.slice(HEADER_BYTES..);
    let response = ProduceResponse::decode(&mut Reader::new(&body), PRODUCE).unwrap();
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

/// A length and what follows it.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// The fields of a request header of version 1.
pub(crate) fn header(key: i16, version: i16) -> Vec<u8> {
    let client: Cow<'_, [u8]> = Cow::Borrowed(b"\x00\x04test");
    [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1], &client].concat()
}
