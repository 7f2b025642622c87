//! Produce 3-13: appends batches. The response follows when they are as durable as their topic wants.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::{PartitionIndex, PartitionKey, TopicId};
use millrace_core::log::BatchFault;
use millrace_core::meta::{MetadataImage, is_internal_topic};
use millrace_rt::Moment;
use millrace_shard::{
    AppendError, AppendPartition, AppendTicket, AppendTimes, Appended, Isolation, OffsetAsk, OffsetQuery,
    Shard,
};
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use millrace_wire::{ApiKey, EncodeError, ErrorCode, Reader};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::api::errors::{self, LogStart};
use crate::api::request::context::{Outcome, RequestContext, RequestFault, ResponseHeader};
use crate::api::request::ids::{topic_id, uuid};
use crate::conn::affinity::sole_owner;
use crate::conn::responses::{FinishedResponse, Response};
use crate::metrics::counts::TopicTraffic;
use crate::metrics::timings::Spent;
use crate::shard_server::ShardServer;

/// First version that names topics by id.
const FIRST_WITH_IDS: i16 = 13;

/// The client of Kafka's own tools, which may write to internal topics.
const ADMIN_CLIENT_ID: &[u8] = b"__admin_client";

/// The smallest batch of the oldest format. Shorter ones get a message of their own.
const OLDEST_OVERHEAD: i32 = 14;

/// How long a response waits at most if the client's timeout is not positive. Kafka does not count a local
/// write as waiting, so such a request succeeds there.
const TIMEOUT_WITHOUT: Duration = Duration::from_secs(1);

/// When a producer wants its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acks {
    /// Never; an error closes the connection.
    Nothing,
    /// When the records are stored (acks 1 and all).
    Stored,
    Invalid,
}

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let mut request = ProduceRequest::decode(&mut Reader::new(&context.body), version)?;
    if let Some(limited) = &context.limited {
        limited.produce(context.frame_bytes);
    }
    let shard = context.server.shard.clone();
    let mut plan = Plan::new(&mut request, &context, &shard.image());
    let appends = std::mem::take(&mut plan.appends);
    context.connection.note_owner(sole_owner(appends.iter().map(|append| append.key.owner(shard.shards()))));
    let waiting = Waiting {
        header: context.response_header(),
        acks: plan.acks,
        received: context.received,
        deadline: deadline(context.received, request.timeout_ms),
        topics: plan.topics,
        keys: appends.iter().map(|append| append.key).collect(),
        shard,
        server: context.server.clone(),
    };
    let ticket = waiting.shard.admit_append(appends).await;
    Ok(Outcome::Delayed(Box::pin(waiting.respond(ticket))))
}

fn deadline(received: Moment, timeout_ms: i32) -> Moment {
    let timeout = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0);
    received + timeout.map_or(TIMEOUT_WITHOUT, Duration::from_millis)
}

/// A request, split into appends and partitions that are refused beforehand.
struct Plan {
    acks: Acks,
    topics: Vec<PlannedTopic>,
    appends: Vec<AppendPartition>,
    /// Place of each partition among `appends`.
    places: FxHashMap<PartitionKey, usize>,
}

struct PlannedTopic {
    /// The name that the client gave; empty if it gave an id.
    name: String,
    id: TopicId,
    /// The topic's own name, for messages.
    known_name: String,
    partitions: Vec<PlannedPartition>,
}

struct PlannedPartition {
    index: i32,
    fate: Fate,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Refused(ErrorCode),
    /// The append with this number in the request.
    Appended(usize),
}

impl Plan {
    /// Takes the records out of the request.
    fn new(request: &mut ProduceRequest<'_>, context: &RequestContext, image: &MetadataImage) -> Plan {
        let acks = match request.acks {
            0 => Acks::Nothing,
            1 | -1 => Acks::Stored,
            _ => Acks::Invalid,
        };
        let topics = Vec::with_capacity(request.topic_data.len());
        let partitions = request.topic_data.iter().map(|topic| topic.partition_data.len()).sum();
        let mut plan = Plan {
            acks,
            topics,
            appends: Vec::with_capacity(partitions),
            places: FxHashMap::with_capacity_and_hasher(partitions, FxBuildHasher),
        };
        let refused_whole = refused_whole(request);
        let is_admin = context.header.client_id == ADMIN_CLIENT_ID;
        for topic in request.topic_data.iter_mut().filter(|topic| !topic.partition_data.is_empty()) {
            let found = if context.version() >= FIRST_WITH_IDS {
                image.topic_by_id(topic_id(topic.topic_id))
            } else {
                image.topic(&topic.name)
            };
            let verdict = TopicVerdict {
                whole: refused_whole,
                missing: if context.version() >= FIRST_WITH_IDS {
                    ErrorCode::UnknownTopicId
                } else {
                    ErrorCode::UnknownTopicOrPartition
                },
                topic: found.map(|found| (found.id, found.partitions.len())),
                closed: found.is_some_and(|found| is_internal_topic(&found.name) && !is_admin),
            };
            let known_name = found.map(|found| found.name.to_string()).unwrap_or_default();
            plan.add_topic(topic, context.version(), verdict, known_name);
        }
        plan
    }

    fn add_topic(
        &mut self,
        topic: &mut TopicProduceData<'_>,
        version: i16,
        verdict: TopicVerdict,
        known_name: String,
    ) {
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in &mut topic.partition_data {
            let fate = match verdict.on(data.index, self.acks) {
                Err(code) => Some(Fate::Refused(code)),
                Ok(key) => self.add_append(key, data, version),
            };
            partitions.extend(fate.map(|fate| PlannedPartition { index: data.index, fate }));
        }
        let name = topic.name.clone().into_owned();
        self.topics.push(PlannedTopic { name, id: topic_id(topic.topic_id), known_name, partitions });
    }

    /// If a request names a partition twice, only the last batch is stored and answered, as in Kafka.
    fn add_append(
        &mut self,
        key: PartitionKey,
        data: &mut PartitionProduceData,
        version: i16,
    ) -> Option<Fate> {
        let Some(records) = data.records.take() else {
            return Some(Fate::Refused(ErrorCode::UnknownServerError));
        };
        let append = AppendPartition { key, records: records.into_bytes(), produce_version: version };
        match self.places.entry(key) {
            Entry::Occupied(earlier) => {
                if let Some(place) = self.appends.get_mut(*earlier.get()) {
                    *place = append;
                }
                None
            }
            Entry::Vacant(free) => {
                free.insert(self.appends.len());
                self.appends.push(append);
                Some(Fate::Appended(self.appends.len() - 1))
            }
        }
    }
}

/// Transactional records need a transactional id.
/// Without one Kafka refuses the whole request as unauthorized.
fn refused_whole(request: &ProduceRequest<'_>) -> Option<ErrorCode> {
    let partitions = || request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let transactional = request.transactional_id.is_none() && partitions().any(is_transactional);
    transactional.then_some(ErrorCode::TransactionalIdAuthorizationFailed)
}

/// Looks at the attributes of the first batch, if it has magic 2.
fn is_transactional(data: &PartitionProduceData) -> bool {
    const MAGIC_AT: usize = 16;
    const ATTRIBUTES_LOW_AT: usize = 22;
    const TRANSACTIONAL_BIT: u8 = 0x10;
    let first = data.records.as_ref().and_then(|records| records.pieces().next());
    let byte = |at: usize| first.and_then(|bytes| bytes.get(at)).copied();
    byte(MAGIC_AT) == Some(2) && byte(ATTRIBUTES_LOW_AT).is_some_and(|low| low & TRANSACTIONAL_BIT != 0)
}

/// What is known of a topic before its partitions are looked at.
#[derive(Debug, Clone, Copy)]
struct TopicVerdict {
    whole: Option<ErrorCode>,
    missing: ErrorCode,
    topic: Option<(TopicId, usize)>,
    /// An internal topic, which clients may not write.
    closed: bool,
}

impl TopicVerdict {
    fn on(&self, partition: i32, acks: Acks) -> Result<PartitionKey, ErrorCode> {
        if let Some(code) = self.whole {
            return Err(code);
        }
        let (id, partitions) = self.topic.ok_or(self.missing)?;
        let exists = usize::try_from(partition).is_ok_and(|index| index < partitions);
        match (exists, acks, self.closed) {
            (false, ..) => Err(ErrorCode::UnknownTopicOrPartition),
            (true, Acks::Invalid, _) => Err(ErrorCode::InvalidRequiredAcks),
            (true, _, true) => Err(ErrorCode::InvalidTopicException),
            _ => Ok(PartitionKey::new(id, PartitionIndex(partition))),
        }
    }
}

/// A request whose appends have been admitted.
struct Waiting {
    header: ResponseHeader,
    acks: Acks,
    received: Moment,
    deadline: Moment,
    topics: Vec<PlannedTopic>,
    keys: Vec<PartitionKey>,
    shard: Shard,
    server: Rc<ShardServer>,
}

/// What became of one append.
type AppendOutcome = Result<Appended, AppendError>;

impl Waiting {
    async fn respond(self, mut ticket: AppendTicket) -> FinishedResponse {
        let admitted = millrace_rt::now();
        let remaining = self.deadline - admitted;
        let outcomes = match self.keys.is_empty() {
            true => Some(Vec::new()),
            false => millrace_rt::timeout(remaining, &mut ticket).await,
        };
        let times = match &outcomes {
            Some(_) if !self.keys.is_empty() => ticket.times(),
            // Nothing was appended, or its outcome is not known: the wait counts as the journal's.
            _ => AppendTimes { admitted, journal: millrace_rt::now() - admitted, ..AppendTimes::default() },
        };
        let spent = Spent::append(self.received, times);
        FinishedResponse { response: self.make_response(outcomes).await, spent, egress: None }
    }

    async fn make_response(self, outcomes: Option<Vec<AppendOutcome>>) -> Response {
        self.count(outcomes.as_deref());
        if self.acks == Acks::Nothing {
            return self.silent(outcomes.as_deref());
        }
        let log_starts = match &outcomes {
            Some(outcomes) => self.log_starts(outcomes).await,
            None => Vec::new(),
        };
        let message = self.message(outcomes.as_deref(), &log_starts);
        self.header.frame(|writer, version| message.encode(writer, version)).unwrap_or_else(
            |error: EncodeError| {
                tracing::error!(%error, "a produce response does not fit the protocol");
                Response::Close
            },
        )
    }

    fn count(&self, outcomes: Option<&[AppendOutcome]>) {
        let counts = &self.server.counts;
        let failed = |traffic: &mut TopicTraffic| traffic.produce_failures += 1;
        if outcomes.is_none() {
            counts.limits.produce_timeout.increment();
        }
        for (place, key) in self.keys.iter().enumerate() {
            counts.topic(key.topic, |traffic| traffic.produce_requests += 1);
            let code = match outcomes.map(|outcomes| outcomes.get(place)) {
                Some(Some(Ok(_))) => continue,
                Some(Some(Err(error))) => errors::of_append(error).code,
                Some(None) => ErrorCode::UnknownServerError,
                None => ErrorCode::RequestTimedOut,
            };
            counts.topic(key.topic, failed);
            counts.error(ApiKey::Produce, code.code());
        }
        for partition in self.topics.iter().flat_map(|topic| &topic.partitions) {
            if let Fate::Refused(code) = partition.fate {
                counts.all_topics(|traffic| traffic.produce_requests += 1);
                counts.all_topics(failed);
                counts.error(ApiKey::Produce, code.code());
            }
        }
    }

    /// Closing the connection is the only way to tell a client of an error if it wants no response.
    fn silent(&self, outcomes: Option<&[AppendOutcome]>) -> Response {
        let fates = || self.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.fate);
        let refused = fates().any(|fate| matches!(fate, Fate::Refused(_)));
        let failed = outcomes.is_some_and(|outcomes| outcomes.iter().any(Result::is_err));
        if refused || failed { Response::Close } else { Response::Silent }
    }

    /// Returns the start of each log whose error names it, and -1 for the others.
    async fn log_starts(&self, outcomes: &[AppendOutcome]) -> Vec<i64> {
        let is_named = |outcome: &AppendOutcome| {
            outcome.as_ref().is_err_and(|error| errors::of_append(error).log_start == LogStart::Named)
        };
        let mut starts = vec![-1; outcomes.len()];
        for (place, key) in
            self.keys.iter().enumerate().filter(|(place, _)| outcomes.get(*place).is_some_and(is_named))
        {
            let ask = OffsetAsk {
                key: *key,
                query: OffsetQuery::Earliest,
                isolation: Isolation::ReadUncommitted,
                current_leader_epoch: None,
            };
            let found = self.shard.list_offsets(vec![ask]).await.into_iter().next();
            if let (Some(Ok(found)), Some(start)) = (found, starts.get_mut(place)) {
                *start = found.offset.0;
            }
        }
        starts
    }

    fn message(&self, outcomes: Option<&[AppendOutcome]>, log_starts: &[i64]) -> ProduceResponse<'_> {
        let responses = self.topics.iter().map(|topic| TopicProduceResponse {
            name: Cow::Borrowed(&topic.name),
            topic_id: uuid(topic.id),
            partition_responses: topic
                .partitions
                .iter()
                .map(|partition| partition_response(topic, partition, outcomes, log_starts))
                .collect(),
        });
        ProduceResponse { responses: responses.collect(), ..ProduceResponse::default() }
    }
}

fn partition_response(
    topic: &PlannedTopic,
    partition: &PlannedPartition,
    outcomes: Option<&[AppendOutcome]>,
    log_starts: &[i64],
) -> PartitionProduceResponse<'static> {
    let blank = |code: ErrorCode| PartitionProduceResponse {
        index: partition.index,
        error_code: code.code(),
        base_offset: -1,
        ..PartitionProduceResponse::default()
    };
    let number = match partition.fate {
        Fate::Refused(code) => return blank(code),
        Fate::Appended(number) => number,
    };
    let Some(outcomes) = outcomes else { return blank(ErrorCode::RequestTimedOut) };
    match outcomes.get(number) {
        Some(Ok(appended)) => PartitionProduceResponse {
            base_offset: appended.base_offset.0,
            log_append_time_ms: appended.log_append_time.map_or(-1, |time| time.0),
            log_start_offset: appended.log_start_offset.0,
            ..blank(ErrorCode::None)
        },
        Some(Err(error)) => {
            let named = format!("{}-{}", topic.known_name, partition.index);
            let (record_errors, error_message) = explain(error, &named);
            PartitionProduceResponse {
                log_start_offset: log_starts.get(number).copied().unwrap_or(-1),
                record_errors,
                error_message: error_message.map(Cow::Owned),
                ..blank(errors::of_append(error).code)
            }
        }
        None => blank(ErrorCode::UnknownServerError),
    }
}

/// Returns which records are at fault, and Kafka's message. Most refused batches get none.
fn explain(
    error: &AppendError,
    partition: &str,
) -> (Vec<BatchIndexAndErrorMessage<'static>>, Option<String>) {
    let fault = match error {
        AppendError::Batch(fault) => fault,
        AppendError::NoSpace | AppendError::Overdue | AppendError::TooManyProducers => {
            return (Vec::new(), Some(format!("{partition}: {error}")));
        }
        _ => return (Vec::new(), None),
    };
    let record_errors = fault.record_errors().iter().map(|error| BatchIndexAndErrorMessage {
        batch_index: error.batch_index,
        batch_index_error_message: Some(Cow::Owned(error.message(&partition))),
    });
    // Kafka finds these two while it checks the request, and keeps the message there.
    let message = match fault {
        BatchFault::UnknownMagic(_) => Some(fault.to_string()),
        BatchFault::LengthTooSmall { minimum: OLDEST_OVERHEAD, .. } => Some(fault.to_string()),
        _ => fault.answered_message(&partition),
    };
    (record_errors.collect(), message)
}
