//! Fetch 4-18: reads partitions under one budget, waits for bytes, and keeps incremental sessions (KIP-227).

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::{LeaderEpoch, Offset, PartitionIndex, PartitionKey};
use millrace_core::meta::MetadataImage;
use millrace_shard::{
    EgressCharge, FetchPartition, FetchQuery, FetchTimes, Fetched, FetchedPartition, Isolation,
};
use millrace_wire::messages::fetch_request::FetchRequest;
use millrace_wire::messages::fetch_response::{
    EpochEndOffset, FetchResponse, FetchableTopicResponse, PartitionData,
};
use millrace_wire::{ApiKey, ErrorCode, Reader, Records, Uuid};

use crate::api::errors;
use crate::api::records::truncation::{self, Cut};
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::{topic_id, uuid};
use crate::conn::affinity::sole_owner;
use crate::conn::responses::FinishedResponse;
use crate::metrics::timings::Spent;
use crate::session::{
    Ask, Begun, FINAL_EPOCH, InResponse, Metadata, NO_SESSION, Naming, PartitionRef, Read, SessionFault,
    Told, TopicRef, WantedPartition,
};

/// First version that names topics by id.
const FIRST_WITH_IDS: i16 = 13;
/// First version with sessions; before it every fetch stands alone.
const FIRST_WITH_SESSIONS: i16 = 7;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let mut request = FetchRequest::decode(&mut Reader::new(&context.body), version)?;
    let Ok(isolation) = isolation(request.isolation_level) else {
        return refuse_whole(&context, &request, ErrorCode::UnknownServerError);
    };
    let metadata = session_metadata(&request, version);
    let asks = asks(&request, metadata.naming);
    let forgotten = forgotten(&request, metadata.naming);
    // A reader may wait for a long time, so its partitions are held only once.
    (request.topics, request.forgotten_topics_data) = (Vec::new(), Vec::new());
    let server = &context.server;
    let begun = server.sessions.borrow_mut().begin(metadata, asks, &forgotten, server.uptime());
    let fetch = Fetch {
        context: &context,
        request: &request,
        isolation,
        spent: Cell::default(),
        egress: RefCell::default(),
    };
    let waits = context.limited.as_ref().is_some_and(|limited| limited.refuses_fetch());
    match begun {
        Begun::Refused(fault) => refuse(&context, errors::of_session(fault)),
        // As Kafka (KIP-219): without a partition, and a full one without a session.
        Begun::Sessionless(_) | Begun::Full(_) if waits => {
            context.connection.remove_session(metadata.id);
            fetch.respond(NO_SESSION, Vec::new())
        }
        Begun::Incremental(_) if waits => fetch.respond(metadata.id, Vec::new()),
        Begun::Sessionless(asks) => {
            context.connection.remove_session(metadata.id);
            fetch.respond(NO_SESSION, fetch.read(asks).await)
        }
        Begun::Full(asks) => {
            context.connection.remove_session(metadata.id);
            let partitions = fetch.read(asks).await;
            let id = fetch.create_session(metadata.naming, &partitions);
            fetch.respond(id, partitions)
        }
        Begun::Incremental(asks) => {
            let partitions = fetch.read(asks).await;
            match fetch.select(metadata, partitions) {
                Ok(partitions) => fetch.respond(metadata.id, partitions),
                Err(fault) => refuse(&context, errors::of_session(fault)),
            }
        }
    }
}

fn refuse(context: &RequestContext, code: ErrorCode) -> Result<Outcome, RequestFault> {
    let response = FetchResponse { error_code: code.code(), ..FetchResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

/// The response to a request that is refused whole names its partitions as long as they go by name
/// (`FetchRequest.getErrorResponse`).
fn refuse_whole(
    context: &RequestContext,
    request: &FetchRequest<'_>,
    code: ErrorCode,
) -> Result<Outcome, RequestFault> {
    let named = if context.version() < FIRST_WITH_IDS { request.topics.as_slice() } else { &[] };
    let responses = named.iter().map(|topic| FetchableTopicResponse {
        topic: topic.topic.as_ref().into(),
        topic_id: Uuid::ZERO,
        partitions: topic
            .partitions
            .iter()
            .map(|wanted| PartitionData { error_code: code.code(), ..blank(wanted.partition) })
            .collect(),
    });
    let response =
        FetchResponse { error_code: code.code(), responses: responses.collect(), ..FetchResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

fn isolation(level: i8) -> Result<Isolation, ()> {
    match level {
        0 => Ok(Isolation::ReadUncommitted),
        1 => Ok(Isolation::ReadCommitted),
        _ => Err(()),
    }
}

fn session_metadata(request: &FetchRequest<'_>, version: i16) -> Metadata {
    let naming = if version >= FIRST_WITH_IDS { Naming::Ids } else { Naming::Names };
    match version >= FIRST_WITH_SESSIONS {
        true => Metadata { id: request.session_id, epoch: request.session_epoch, naming },
        false => Metadata { id: NO_SESSION, epoch: FINAL_EPOCH, naming },
    }
}

fn topic_ref(name: &str, id: Uuid, naming: Naming) -> TopicRef {
    match naming {
        Naming::Names => TopicRef::Name(Arc::from(name)),
        Naming::Ids => TopicRef::Id(topic_id(id)),
    }
}

fn asks(request: &FetchRequest<'_>, naming: Naming) -> Vec<Ask> {
    let mut asks = Vec::with_capacity(request.topics.iter().map(|topic| topic.partitions.len()).sum());
    for topic in &request.topics {
        let named = topic_ref(&topic.topic, topic.topic_id, naming);
        asks.extend(topic.partitions.iter().map(|wanted| {
            let partition = PartitionRef { topic: named.clone(), partition: wanted.partition };
            let wanted = WantedPartition {
                fetch_offset: wanted.fetch_offset,
                max_bytes: wanted.partition_max_bytes,
                current_leader_epoch: wanted.current_leader_epoch,
                last_fetched_epoch: wanted.last_fetched_epoch,
                resolved: false,
            };
            (partition, wanted)
        }));
    }
    asks
}

fn forgotten(request: &FetchRequest<'_>, naming: Naming) -> Vec<PartitionRef> {
    let topics = request.forgotten_topics_data.iter();
    let partitions = topics.flat_map(|topic| {
        let named = topic_ref(&topic.topic, topic.topic_id, naming);
        topic
            .partitions
            .iter()
            .map(move |partition| PartitionRef { topic: named.clone(), partition: *partition })
    });
    partitions.collect()
}

/// One partition and its part of the response.
struct ReadPartition {
    partition: PartitionRef,
    wanted: WantedPartition,
    data: PartitionData,
}

impl ReadPartition {
    fn read(&self) -> Read {
        Read {
            told: Told {
                high_watermark: self.data.high_watermark,
                log_start_offset: self.data.log_start_offset,
            },
            has_records: self.data.records.as_ref().is_some_and(|records| !records.is_empty()),
            is_error: self.data.error_code != ErrorCode::None.code(),
        }
    }
}

/// The partitions of a fetch.
struct SortedAsks {
    /// The partitions that can be read.
    asks: Vec<Ask>,
    /// How each of these is read.
    readable: Vec<FetchPartition>,
    /// The responses of the others.
    missing: Vec<ReadPartition>,
}

/// One fetch on its way.
struct Fetch<'a> {
    context: &'a RequestContext,
    request: &'a FetchRequest<'a>,
    isolation: Isolation,
    spent: Cell<Spent>,
    /// The memory for responses that the records hold.
    egress: RefCell<Option<EgressCharge>>,
}

impl Fetch<'_> {
    /// Reads all partitions. As in Kafka, partitions that do not exist come last,
    /// and do not end the wait of the others.
    async fn read(&self, asks: Vec<Ask>) -> Vec<ReadPartition> {
        let shard = &self.context.server.shard;
        let SortedAsks { asks, readable, mut missing } = self.sort(asks);
        let keys = || readable.iter().map(|partition| partition.key);
        self.context.connection.note_owner(sole_owner(keys().map(|key| key.owner(shard.shards()))));
        let cuts = truncation::find(shard, keys().zip(asks.iter().map(|(_, wanted)| *wanted))).await;
        let mut query = self.query(readable);
        if !cuts.is_empty() {
            truncation::apply(&cuts, &mut query.partitions);
            query.max_wait = Duration::ZERO;
        }
        let read = match (query.partitions.is_empty(), self.is_replica()) {
            (true, _) => Vec::new(),
            // Another broker, which has no replica of these partitions.
            (false, true) => {
                let refused = ErrorCode::NotLeaderOrFollower;
                missing.splice(0..0, asks.into_iter().map(|ask| refused_partition(ask, refused)));
                return missing;
            }
            (false, false) => {
                let (begun, mut times) = (millrace_rt::now(), FetchTimes::default());
                let (read, egress) = shard.fetch_timed(&query, &mut times).await;
                self.egress.replace(Some(egress));
                self.spent.set(Spent::fetch(self.context.received, begun, times));
                read
            }
        };
        assert_eq!(read.len(), asks.len(), "a fetch partitions every partition");
        self.count(query.partitions.iter().map(|partition| partition.key).zip(&read));
        let mut partitions = Vec::with_capacity(asks.len() + missing.len());
        for ((partition, wanted), read) in asks.into_iter().zip(read) {
            let data = self.partition_data(partition.partition, read);
            partitions.push(ReadPartition { partition, wanted, data });
        }
        for (place, cut) in cuts {
            if let (Cut::Diverges(end), Some(response)) = (cut, partitions.get_mut(place)) {
                response.data.records = Some(Records::default());
                response.data.diverging_epoch =
                    EpochEndOffset { epoch: end.leader_epoch.0, end_offset: end.end_offset.0 };
            }
        }
        partitions.append(&mut missing);
        partitions
    }

    /// Counts what was read. Partitions of one topic stand together.
    fn count<'a>(&self, read: impl Iterator<Item = (PartitionKey, &'a FetchedPartition)>) {
        let counts = &self.context.server.counts;
        let mut read = read.peekable();
        while let Some(&(PartitionKey { topic, .. }, _)) = read.peek() {
            let (mut requests, mut failures, mut bytes) = (0, 0, 0);
            while let Some((_, partition)) = read.next_if(|(key, _)| key.topic == topic) {
                requests += 1;
                match &partition.result {
                    Ok(fetched) => bytes += fetched.records.iter().map(Bytes::len).sum::<usize>() as u64,
                    Err(error) => {
                        failures += 1;
                        counts.error(ApiKey::Fetch, errors::of_fetch(error).code());
                    }
                }
            }
            counts.topic(topic, |traffic| {
                traffic.fetch_requests += requests;
                traffic.fetch_failures += failures;
                traffic.bytes_out += bytes;
            });
        }
    }

    /// Splits the partitions into those that can be read and responses for the others.
    fn sort(&self, mut asks: Vec<Ask>) -> SortedAsks {
        let image = self.context.server.shard.image();
        let mut readable = Vec::with_capacity(asks.len());
        let mut missing = Vec::new();
        asks.retain(|(partition, wanted)| match locate(&image, partition, *wanted) {
            Ok(key) => {
                readable.push(fetch_partition(key, *wanted));
                true
            }
            Err(code) => {
                let counts = &self.context.server.counts;
                counts.all_topics(|traffic| {
                    traffic.fetch_requests += 1;
                    traffic.fetch_failures += 1;
                });
                counts.error(ApiKey::Fetch, code.code());
                let data = PartitionData { error_code: code.code(), ..blank(partition.partition) };
                missing.push(ReadPartition { partition: partition.clone(), wanted: *wanted, data });
                false
            }
        });
        SortedAsks { asks, readable, missing }
    }

    fn is_replica(&self) -> bool {
        self.request.replica_id >= 0 || self.request.replica_state.replica_id >= 0
    }

    fn query(&self, partitions: Vec<FetchPartition>) -> FetchQuery {
        let broker_max = self.context.server.broker.config().fetch_max_bytes();
        let quota_max = self.context.limited.as_ref().map_or(usize::MAX, |limited| limited.fetch_bytes_max());
        let max_bytes = bytes(self.request.max_bytes.min(broker_max)).min(quota_max);
        FetchQuery {
            partitions,
            max_wait: Duration::from_millis(u64::try_from(self.request.max_wait_ms).unwrap_or(0)),
            min_bytes: bytes(self.request.min_bytes).min(max_bytes),
            max_bytes,
            isolation: self.isolation,
        }
    }

    fn partition_data(&self, partition: i32, read: FetchedPartition) -> PartitionData {
        let fetched: Fetched = match read.result {
            Ok(fetched) => fetched,
            Err(error) => {
                let error_code = errors::of_fetch(&error).code();
                return PartitionData { error_code, aborted_transactions: None, ..blank(partition) };
            }
        };
        PartitionData {
            high_watermark: fetched.high_watermark.0,
            last_stable_offset: fetched.last_stable_offset.0,
            log_start_offset: fetched.log_start_offset.0,
            aborted_transactions: match self.isolation {
                Isolation::ReadUncommitted => None,
                Isolation::ReadCommitted => Some(Vec::new()),
            },
            records: Some(fetched.records.into()),
            ..blank(partition)
        }
    }

    fn create_session(&self, naming: Naming, partitions: &[ReadPartition]) -> i32 {
        let server = &self.context.server;
        let read: Vec<_> = partitions
            .iter()
            .map(|response| (response.partition.clone(), response.wanted, response.read()))
            .collect();
        let uptime = server.uptime();
        let id = server.sessions.borrow_mut().create(naming, &read, &mut millrace_rt::random_u64, uptime);
        match id {
            NO_SESSION => server.counts.limits.fetch_sessions.increment(),
            id => self.context.connection.add_session(id),
        }
        id
    }

    /// Leaves out partitions without news.
    fn select(
        &self,
        metadata: Metadata,
        partitions: Vec<ReadPartition>,
    ) -> Result<Vec<ReadPartition>, SessionFault> {
        let read: Vec<_> = partitions
            .iter()
            .map(|response| (response.partition.clone(), response.wanted, response.read()))
            .collect();
        let named = self.context.server.sessions.borrow_mut().select(metadata.id, metadata.epoch, &read)?;
        let kept = partitions.into_iter().zip(named).filter(|(_, named)| *named == InResponse::Yes);
        Ok(kept.map(|(response, _)| response).collect())
    }

    fn respond(&self, session_id: i32, partitions: Vec<ReadPartition>) -> Result<Outcome, RequestFault> {
        let mut names: Vec<(TopicRef, Vec<PartitionData>)> = Vec::new();
        for ReadPartition { partition, data, .. } in partitions {
            match names.last_mut() {
                Some((topic, partitions)) if *topic == partition.topic => partitions.push(data),
                _ => names.push((partition.topic, vec![data])),
            }
        }
        let responses = names.iter_mut().map(|(topic, partitions)| {
            let partitions = std::mem::take(partitions);
            match topic {
                TopicRef::Name(name) => {
                    FetchableTopicResponse { topic: (&**name).into(), topic_id: Uuid::ZERO, partitions }
                }
                TopicRef::Id(id) => {
                    FetchableTopicResponse { topic: "".into(), topic_id: uuid(*id), partitions }
                }
            }
        });
        let response =
            FetchResponse { session_id, responses: responses.collect(), ..FetchResponse::default() };
        let records = response.responses.iter().flat_map(|topic| &topic.partitions);
        let record_bytes: usize = records.map(|data| data.records.as_ref().map_or(0, Records::len)).sum();
        let frame =
            self.context.response_header().frame(|writer, version| response.encode(writer, version))?;
        if let Some(limited) = &self.context.limited {
            limited.fetched(frame.bytes());
        }
        if let Some(charge) = self.egress.borrow_mut().as_mut() {
            // The names and numbers around the records. With thousands of partitions they are large.
            charge.resize(charge.bytes() + frame.bytes().saturating_sub(record_bytes) as u64);
        }
        Ok(Outcome::Done(FinishedResponse {
            response: frame,
            spent: self.spent.get(),
            egress: self.egress.take(),
        }))
    }
}

/// A partition whose reading is refused. It differs from one that does not exist.
fn refused_partition((partition, wanted): Ask, code: ErrorCode) -> ReadPartition {
    let error_code = code.code();
    let data = PartitionData { error_code, aborted_transactions: None, ..blank(partition.partition) };
    ReadPartition { partition, wanted, data }
}

fn locate(
    image: &MetadataImage,
    partition: &PartitionRef,
    wanted: WantedPartition,
) -> Result<PartitionKey, ErrorCode> {
    let topic = match &partition.topic {
        TopicRef::Name(name) => image.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)?,
        TopicRef::Id(id) => image.topic_by_id(*id).ok_or(match wanted.resolved {
            true => ErrorCode::UnknownTopicOrPartition,
            false => ErrorCode::UnknownTopicId,
        })?,
    };
    let exists = usize::try_from(partition.partition).is_ok_and(|index| index < topic.partitions.len());
    match exists {
        true => Ok(PartitionKey::new(topic.id, PartitionIndex(partition.partition))),
        false => Err(ErrorCode::UnknownTopicOrPartition),
    }
}

fn fetch_partition(key: PartitionKey, wanted: WantedPartition) -> FetchPartition {
    FetchPartition {
        key,
        offset: Offset(wanted.fetch_offset),
        max_bytes: bytes(wanted.max_bytes),
        current_leader_epoch: (wanted.current_leader_epoch >= 0)
            .then_some(LeaderEpoch(wanted.current_leader_epoch)),
    }
}

/// Negative sizes mean nothing.
fn bytes(size: i32) -> usize {
    usize::try_from(size).unwrap_or(0)
}

/// A response without records; they are empty, never null.
fn blank(partition: i32) -> PartitionData {
    PartitionData {
        partition_index: partition,
        high_watermark: -1,
        records: Some(Records::default()),
        ..PartitionData::default()
    }
}
