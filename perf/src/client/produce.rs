//! Produce requests: encoded once, sent one at a time or several in flight.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millrace_client::{Acks, Connection, Dialect, Frame, read_answer};
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::messages::produce_response::ProduceResponse;
use millrace_wire::{ApiKey, Records};

use crate::clock;
use crate::error::ClientError;

const TIMEOUT_MS: i32 = 30_000;

/// A request with one batch for each of the partitions, acks=all, in the newest version.
pub(crate) fn produce_frame(topic: &str, batches: &[(i32, Bytes)]) -> Result<Frame, ClientError> {
    encode_produce(Dialect::NEWEST.produce, Acks::All, topic, batches)
}

/// A request with one batch for each of the partitions; the frame shares the batches.
pub(crate) fn encode_produce(
    version: i16,
    acks: Acks,
    topic: &str,
    batches: &[(i32, Bytes)],
) -> Result<Frame, ClientError> {
    let partition = |(index, batch): &(i32, Bytes)| PartitionProduceData {
        index: *index,
        records: Some(Records::from(batch.clone())),
    };
    let topic = TopicProduceData {
        name: Cow::Borrowed(topic),
        partition_data: batches.iter().map(partition).collect(),
        ..TopicProduceData::default()
    };
    let request = ProduceRequest {
        acks: acks.code(),
        timeout_ms: TIMEOUT_MS,
        topic_data: vec![topic],
        ..ProduceRequest::default()
    };
    Frame::new(ApiKey::Produce, version, |writer| request.encode(writer, version))
}

/// Whether all partitions took their batch.
pub(crate) fn check_produced(frame: &Frame, answer: &Bytes) -> Result<(), ClientError> {
    let code = read_answer(frame, answer, |reader| {
        let response = ProduceResponse::decode(reader, frame.version())?;
        let mut codes = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        Ok(codes.find(|partition| partition.error_code != 0).map_or(0, |partition| partition.error_code))
    })?;
    ClientError::check("Produce", code)
}

/// One request in flight.
pub(crate) struct Produce {
    connection: Connection,
    frame: Frame,
}

impl Produce {
    pub(crate) fn new(address: SocketAddr, frame: Frame) -> Result<Produce, ClientError> {
        Ok(Produce { connection: Connection::open(address)?, frame })
    }

    /// Sends the request and returns after how long its answer was there.
    pub(crate) fn once(&mut self) -> Result<Duration, ClientError> {
        let sent = clock::now();
        self.connection.send(&self.frame)?;
        let answer = self.connection.receive()?;
        let taken = clock::now() - sent;
        check_produced(&self.frame, &answer)?;
        self.connection.recycle(answer);
        Ok(taken)
    }
}

/// Several requests in flight on one connection, the oldest answered first.
pub(crate) struct Pipeline {
    connection: Connection,
    frames: Vec<Frame>,
    depth: usize,
    next: usize,
    in_flight: VecDeque<(usize, Instant)>,
}

impl Pipeline {
    /// Sends the frames in turn, `depth` at once.
    pub(crate) fn new(
        address: SocketAddr,
        frames: Vec<Frame>,
        depth: usize,
    ) -> Result<Pipeline, ClientError> {
        assert!(!frames.is_empty() && depth > 0, "a pipeline sends something");
        let connection = Connection::open(address)?;
        Ok(Pipeline { connection, frames, depth, next: 0, in_flight: VecDeque::new() })
    }

    /// Fills the pipeline, then waits for the oldest answer: how long that request took.
    pub(crate) fn step(&mut self) -> Result<Duration, ClientError> {
        while self.in_flight.len() < self.depth {
            let place = self.next;
            self.next = (place + 1) % self.frames.len();
            self.in_flight.push_back((place, clock::now()));
            self.connection.send(&self.frames[place])?;
        }
        self.take_oldest().map(Option::unwrap_or_default)
    }

    /// Waits for what is in flight: how many answers that were.
    pub(crate) fn finish(&mut self) -> Result<u64, ClientError> {
        let mut answers = 0;
        while self.take_oldest()?.is_some() {
            answers += 1;
        }
        Ok(answers)
    }

    fn take_oldest(&mut self) -> Result<Option<Duration>, ClientError> {
        let Some((place, sent)) = self.in_flight.pop_front() else { return Ok(None) };
        let answer = self.connection.receive()?;
        let taken = clock::now() - sent;
        check_produced(&self.frames[place], &answer)?;
        self.connection.recycle(answer);
        Ok(Some(taken))
    }
}
