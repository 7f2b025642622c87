//! A client over a real socket that sends one request at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use millrace_core::base::TimestampMs;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::fetch_response::FetchResponse;
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::find_coordinator_response::FindCoordinatorResponse;
use millrace_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_wire::messages::offset_commit_response::OffsetCommitResponse;
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::messages::produce_response::ProduceResponse;
use millrace_wire::{ApiKey, EncodeError, Reader, Records, RequestHead, Writer, encode_request_frame};

/// Versions whose forms are all compact.
const PRODUCE: i16 = 9;
const FETCH: i16 = 12;
const CREATE_TOPICS: i16 = 7;
const FIND_COORDINATOR: i16 = 3;
const OFFSET_COMMIT: i16 = 8;

/// Correlation id and an empty section of tagged fields.
const HEADER_BYTES: usize = 5;

pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> Client {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream }
    }

    /// Whether the broker ends the connection without a word.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0]).map_or(true, |bytes| bytes == 0)
    }

    pub(crate) fn create_topic(&mut self, name: &str, num_partitions: i32) {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..CreateTopicsRequest::default() };
        self.send(ApiKey::CreateTopics, CREATE_TOPICS, |writer, version| request.encode(writer, version));
        self.response();
    }

    /// Appends one record; the response's error code.
    pub(crate) fn produce(&mut self, topic: &str, partition: i32, value: &[u8]) -> i16 {
        let batch =
            BatchBuilder::new(Codec::None).record(BatchRecord::of_value(TimestampMs(0), value)).build();
        let data = PartitionProduceData { index: partition, records: Some(Bytes::from(batch).into()) };
        let topic = TopicProduceData {
            name: topic.into(),
            partition_data: vec![data],
            ..TopicProduceData::default()
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![topic],
            ..ProduceRequest::default()
        };
        self.send(ApiKey::Produce, PRODUCE, |writer, version| request.encode(writer, version));
        let body = self.response();
        let response = ProduceResponse::decode(&mut Reader::new(&body), PRODUCE).unwrap();
        response.responses[0].partition_responses[0].error_code
    }

    /// Bytes of records from the log's start on.
    pub(crate) fn fetch(&mut self, topic: &str, partition: i32) -> usize {
        self.fetch_at(topic, partition, 0, 1000)
    }

    /// Bytes of records from an offset on, once there are some or the wait is over.
    pub(crate) fn fetch_at(&mut self, topic: &str, partition: i32, offset: i64, max_wait_ms: i32) -> usize {
        self.send_fetch(topic, partition, offset, max_wait_ms);
        self.fetched()
    }

    /// Bytes of records of the fetch that was sent.
    pub(crate) fn fetched(&mut self) -> usize {
        let body = self.response();
        let response = FetchResponse::decode(&mut Reader::new(&body), FETCH).unwrap();
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.records.as_ref().map_or(0, Records::len)).sum()
    }

    /// Has a group without members commit an offset, once its coordinator is there; the error code.
    pub(crate) fn commit(&mut self, group: &str, topic: &str, partition: i32, offset: i64) -> i16 {
        self.find_coordinator(group);
        let partition = OffsetCommitRequestPartition {
            partition_index: partition,
            committed_offset: offset,
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: topic.into(),
            partitions: vec![partition],
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: -1,
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        self.send(ApiKey::OffsetCommit, OFFSET_COMMIT, |writer, version| request.encode(writer, version));
        let body = self.response();
        let response = OffsetCommitResponse::decode(&mut Reader::new(&body), OFFSET_COMMIT).unwrap();
        response.topics[0].partitions[0].error_code
    }

    fn find_coordinator(&mut self, group: &str) {
        let request = FindCoordinatorRequest { key: group.into(), ..FindCoordinatorRequest::default() };
        self.send(ApiKey::FindCoordinator, FIND_COORDINATOR, |writer, version| {
            request.encode(writer, version)
        });
        let body = self.response();
        let response = FindCoordinatorResponse::decode(&mut Reader::new(&body), FIND_COORDINATOR).unwrap();
        assert_eq!(response.error_code, 0);
    }

    /// Asks for more responses than the sockets hold, and takes none.
    pub(crate) fn stall(&mut self) {
        assert_eq!(self.produce("t", 0, &vec![1; 900_000]), 0);
        for _ in 0..40 {
            self.send_fetch("t", 0, 0, 1000);
        }
    }

    pub(crate) fn send_fetch(&mut self, topic: &str, partition: i32, fetch_offset: i64, max_wait_ms: i32) {
        let wanted = FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: 1 << 20,
            ..FetchPartition::default()
        };
        let topic = FetchTopic { topic: topic.into(), partitions: vec![wanted], ..FetchTopic::default() };
        let request =
            FetchRequest { max_wait_ms, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() };
        self.send(ApiKey::Fetch, FETCH, |writer, version| request.encode(writer, version));
    }

    fn send(
        &mut self,
        api: ApiKey,
        version: i16,
        body: impl FnOnce(&mut Writer, i16) -> Result<(), EncodeError>,
    ) {
        let header = RequestHead { api, version, correlation_id: 1, client_id: Some("test") };
        for piece in encode_request_frame(header, |writer| body(writer, version)).unwrap() {
            self.stream.write_all(&piece).unwrap();
        }
    }

    /// The message of the next response.
    fn response(&mut self) -> Bytes {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        Bytes::from(frame).slice(HEADER_BYTES..)
    }
}
