//! What a shard's server counts: requests by API, traffic by topic, connections,
//! and limits that were reached.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::TopicId;
use millrace_core::base::measure::Counter;
use millrace_core::meta::{MetadataImage, QuotaKey};
use millrace_rt::fs::AvailableSpace;
use millrace_shard::ShardStats;
use millrace_wire::{ApiKey, ErrorCode};
use rustc_hash::FxHashMap;

use crate::metrics::timings::TimingStats;

/// More versions than any API has. Higher ones are counted with the last.
const VERSIONS: usize = 32;

/// Lives on one shard. Counts are since the shard opened.
pub(crate) struct ServerCounts {
    /// The counts of each API at the API's number. They are made when its first request comes.
    apis: RefCell<Vec<Option<Box<ApiCounts>>>>,
    topics: RefCell<FxHashMap<TopicId, TopicTraffic>>,
    traffic: Cell<TopicTraffic>,
    throttles: RefCell<BTreeMap<QuotaKey, Throttles>>,
    /// Connections that are kept open for a moment because their address made too many.
    pub(crate) held_connections: Cell<u32>,
    pub(crate) limits: LimitCounts,
    pub(crate) connections: ConnectionCounts,
}

/// The requests, or connections, that were over a quota, and how long they rested together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Throttles {
    pub(crate) count: u64,
    pub(crate) time: Duration,
}

#[derive(Default)]
struct ApiCounts {
    versions: [u64; VERSIONS],
    request_bytes: u64,
    errors: BTreeMap<i16, u64>,
}

/// What clients asked of one topic, or of all topics.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TopicTraffic {
    pub(crate) bytes_out: u64,
    /// Partitions in produce requests, as Kafka counts them.
    pub(crate) produce_requests: u64,
    pub(crate) produce_failures: u64,
    pub(crate) fetch_requests: u64,
    pub(crate) fetch_failures: u64,
}

/// How often a limit made a client wait, be refused or be closed.
#[derive(Debug, Default)]
pub(crate) struct LimitCounts {
    /// `max.connections`.
    pub(crate) connections: Counter,
    /// Connections beyond those that there are descriptors for.
    pub(crate) descriptors: Counter,
    /// `max.connections.per.ip` and its overrides.
    pub(crate) address_connections: Counter,
    /// `connections.max.idle.ms`.
    pub(crate) idle: Counter,
    /// A connection held part of a request for too long while others waited for its memory.
    pub(crate) stalled: Counter,
    /// A request longer than `socket.request.max.bytes` or than the memory for requests allows.
    pub(crate) request_bytes: Counter,
    /// Requests of one connection under way at once.
    pub(crate) pending_requests: Counter,
    /// `max.incremental.fetch.session.cache.slots`, or the partitions that sessions may hold.
    pub(crate) fetch_sessions: Counter,
    /// A peer took nothing of its responses while memory for responses was short.
    pub(crate) stalled_peers: Counter,
    /// A produce request was not durable within its own timeout.
    pub(crate) produce_timeout: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct ConnectionCounts {
    pub(crate) accepted: Counter,
    pub(crate) moved_away: Counter,
    /// Closed because of what was sent: no request, an API or version that is not served,
    /// a body that does not decode.
    pub(crate) refused_requests: Counter,
}

impl ServerCounts {
    pub(crate) fn new() -> ServerCounts {
        let apis = ApiKey::ALL.iter().map(|key| key.code()).max().unwrap_or_default();
        ServerCounts {
            apis: RefCell::new((0..=apis).map(|_| None).collect()),
            topics: RefCell::default(),
            traffic: Cell::default(),
            throttles: RefCell::default(),
            held_connections: Cell::new(0),
            limits: LimitCounts::default(),
            connections: ConnectionCounts::default(),
        }
    }

    /// Counts a request of a served API.
    pub(crate) fn request(&self, key: ApiKey, version: i16, bytes: usize) {
        self.with_api(key, |api| {
            let place = usize::try_from(version).unwrap_or(VERSIONS).min(VERSIONS - 1);
            if let Some(count) = api.versions.get_mut(place) {
                *count += 1;
            }
            api.request_bytes += bytes as u64;
        });
    }

    /// Counts an error of a partition or of a whole request.
    pub(crate) fn error(&self, key: ApiKey, code: i16) {
        self.with_api(key, |api| *api.errors.entry(code).or_default() += 1);
    }

    /// Counts for one topic and for all topics.
    pub(crate) fn topic(&self, topic: TopicId, count: impl Fn(&mut TopicTraffic)) {
        count(self.topics.borrow_mut().entry(topic).or_default());
        self.all_topics(count);
    }

    /// Counts for all topics together, if the topic is not known.
    pub(crate) fn all_topics(&self, count: impl Fn(&mut TopicTraffic)) {
        let mut traffic = self.traffic.get();
        count(&mut traffic);
        self.traffic.set(traffic);
    }

    /// Counts a client that was over a quota.
    pub(crate) fn throttled(&self, key: QuotaKey, rest: Duration) {
        let mut throttles = self.throttles.borrow_mut();
        let of_key = throttles.entry(key).or_default();
        of_key.count += 1;
        of_key.time += rest;
    }

    fn with_api(&self, key: ApiKey, count: impl FnOnce(&mut ApiCounts)) {
        let mut apis = self.apis.borrow_mut();
        if let Some(api) = usize::try_from(key.code()).ok().and_then(|code| apis.get_mut(code)) {
            count(api.get_or_insert_default());
        }
    }

    /// Returns all counts. Forgets topics that are deleted.
    pub(crate) fn stats(&self, image: &MetadataImage) -> ServerStats {
        self.topics.borrow_mut().retain(|id, _| image.topic_by_id(*id).is_some());
        let topics = self.topics.borrow();
        let named = topics.iter().filter_map(|(id, traffic)| {
            image.topic_by_id(*id).map(|topic| (Arc::clone(&topic.name), *traffic))
        });
        let apis = self.apis.borrow();
        let asked = ApiKey::ALL.iter().filter_map(|key| {
            let api = apis.get(usize::try_from(key.code()).ok()?)?.as_deref()?;
            Some(api.stats(*key))
        });
        ServerStats {
            apis: asked.collect(),
            topics: named.collect(),
            traffic: self.traffic.get(),
            throttles: self.throttles.borrow().clone(),
            limits: self.limits.named(),
            connections: self.connections.stats(),
            ..ServerStats::default()
        }
    }
}

impl ApiCounts {
    fn stats(&self, key: ApiKey) -> ApiStats {
        let versions = self.versions.iter().zip(0i16..).filter(|(count, _)| **count > 0);
        let errors = self.errors.iter().map(|(code, count)| {
            (ErrorCode::from_i16(*code).map_or("UNKNOWN_SERVER_ERROR", ErrorCode::name), *count)
        });
        ApiStats {
            name: key.name(),
            versions: versions.map(|(count, version)| (version, *count)).collect(),
            request_bytes: self.request_bytes,
            errors: errors.collect(),
        }
    }
}

impl ConnectionCounts {
    /// Returns the counts. The number of open connections is not among them.
    fn stats(&self) -> ConnectionStats {
        ConnectionStats {
            open: 0,
            accepted: self.accepted.get(),
            moved_away: self.moved_away.get(),
            refused_requests: self.refused_requests.get(),
        }
    }
}

impl LimitCounts {
    /// Returns each limit by the name that metrics give it.
    fn named(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("max.connections", self.connections.get()),
            ("descriptors", self.descriptors.get()),
            ("max.connections.per.ip", self.address_connections.get()),
            ("connections.max.idle.ms", self.idle.get()),
            ("partial_request_time", self.stalled.get()),
            ("request_bytes", self.request_bytes.get()),
            ("pending_requests", self.pending_requests.get()),
            ("fetch_sessions", self.fetch_sessions.get()),
            ("stalled_peer", self.stalled_peers.get()),
            ("produce_timeout", self.produce_timeout.get()),
        ]
    }
}

/// One shard's server at one moment.
#[derive(Debug, Default)]
pub(crate) struct ServerStats {
    pub(crate) apis: Vec<ApiStats>,
    pub(crate) topics: Vec<(Arc<str>, TopicTraffic)>,
    pub(crate) traffic: TopicTraffic,
    pub(crate) throttles: BTreeMap<QuotaKey, Throttles>,
    pub(crate) limits: Vec<(&'static str, u64)>,
    pub(crate) connections: ConnectionStats,
    pub(crate) request_memory: RequestMemory,
    pub(crate) timings: TimingStats,
    pub(crate) fetch_sessions: SessionStats,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ConnectionStats {
    pub(crate) open: u64,
    pub(crate) accepted: u64,
    pub(crate) moved_away: u64,
    pub(crate) refused_requests: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SessionStats {
    pub(crate) sessions: u64,
    pub(crate) partitions: u64,
    pub(crate) evictions: u64,
}

#[derive(Debug)]
pub(crate) struct ApiStats {
    pub(crate) name: &'static str,
    pub(crate) versions: Vec<(i16, u64)>,
    pub(crate) request_bytes: u64,
    pub(crate) errors: Vec<(&'static str, u64)>,
}

/// Memory for requests of one shard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestMemory {
    pub(crate) bytes: u64,
    pub(crate) bytes_max: u64,
    /// The number of times that a connection was not read because it was used up.
    pub(crate) waits: u64,
}

/// What a shard reports to a scrape.
#[derive(Debug)]
pub(crate) struct ShardReport {
    pub(crate) engine: ShardStats,
    pub(crate) server: ServerStats,
    /// Of shard 0 only: what is true of the whole broker.
    pub(crate) broker: Option<BrokerStats>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BrokerStats {
    pub(crate) topics: u64,
    pub(crate) partitions: u64,
    /// The free space of the data directory's file system, if it is known.
    pub(crate) data_available: Option<AvailableSpace>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_errors_are_counted_by_api() {
        let counts = ServerCounts::new();
        counts.request(ApiKey::Produce, 11, 100);
        counts.request(ApiKey::Produce, 11, 50);
        counts.request(ApiKey::ApiVersions, -1, 1);
        counts.error(ApiKey::Produce, ErrorCode::MessageTooLarge.code());
        let stats = counts.stats(&MetadataImage::default());
        let produce = stats.apis.iter().find(|api| api.name == "Produce").unwrap();
        assert_eq!((produce.versions.as_slice(), produce.request_bytes), (&[(11, 2)][..], 150));
        assert_eq!(produce.errors, [("MESSAGE_TOO_LARGE", 1)]);
        assert_eq!(stats.apis.len(), 2);
    }

    #[test]
    fn traffic_of_deleted_topics_stays_in_the_sum() {
        let counts = ServerCounts::new();
        counts.topic(TopicId([1; 16]), |traffic| traffic.bytes_out += 7);
        let stats = counts.stats(&MetadataImage::default());
        assert_eq!((stats.topics.len(), stats.traffic.bytes_out), (0, 7));
        assert!(counts.topics.borrow().is_empty());
    }
}
