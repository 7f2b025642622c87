//! What one shard holds of the server: its connections, fetch sessions and memory for requests.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::ShardIndex;
use millrace_core::meta::ClientQuotas;
use millrace_rt::{ByteBudget, Moment, Signal, fs};
use millrace_shard::{PARTS, SERVER_PARTS, Shard, Turns};
use millrace_wire::ApiKey;
use rustc_hash::FxHashMap;
use tracing::{debug, warn};

use crate::broker_context::BrokerContext;
use crate::conn::connection::Connection;
use crate::conn::room::BLOCK_BYTES_MIN;
use crate::counts::{BrokerStats, RequestMemory, ServerCounts, ServerStats, ShardReport};
use crate::creations::Creations;
use crate::quota::{Held, Limits, Meter};
use crate::session::{FetchSession, SessionCache};
use crate::shard_probe::Question;
use crate::telemetry::ClientMetrics;
use crate::timings::Timings;

/// The least a shard grants to requests: a few of Kafka's default largest ones (1 MiB).
const REQUEST_BYTES_MIN: u64 = 8 * 1024 * 1024;

/// Of the memory for requests, what one request may have that is no produce request: its lists take many times their
/// bytes while it is decoded, carried out and answered (a hundred times, for names of groups that are not there). At
/// the least it names ten thousand partitions.
const CONTROL_SHARE: u64 = 64;
const CONTROL_BYTES_MIN: u64 = 512 * 1024;

/// And at the most, however much memory there is: a list is decoded, and its response encoded, in one turn of the
/// shard, which is a millisecond or two a mebibyte. At the least it names a hundred thousand partitions.
const CONTROL_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The same of what members of a group tell each other, and of metrics, which are taken as bytes.
const MEMBERS_SHARE: u64 = 8;

/// At the most: what of it a group keeps has to fit into a batch of the offsets topic, which is a mebibyte by default.
const MEMBERS_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Of a push of metrics, what is not metrics: its header, with the client's id.
const PUSH_HEADER_BYTES: usize = 64 * 1024;

/// What a setting with its synonyms takes of the memory for requests while it is described.
const DESCRIBED_ENTRY_BYTES: u64 = 256;

/// A connection that has held part of a request for this long is closed when others wait for its memory.
const PARTIAL_PATIENCE: Duration = Duration::from_secs(10);

/// A peer that has taken nothing of its responses for this long is closed when memory for responses is short.
const STUCK_PATIENCE: Duration = Duration::from_secs(30);

/// How often connections are looked at, at most and at least.
const UPKEEP_PERIOD_MIN: Duration = Duration::from_millis(20);
const UPKEEP_PERIOD_MAX: Duration = Duration::from_secs(5);

/// How often a broker that stops looks whether a connection's responses have left.
const CLOSE_PERIOD: Duration = Duration::from_millis(10);

/// Lives on one shard, shared by its connections.
pub(crate) struct ShardServer {
    pub(crate) broker: BrokerContext,
    pub(crate) shard: Shard,
    pub(crate) request_budget: Rc<ByteBudget>,
    pub(crate) sessions: RefCell<SessionCache>,
    pub(crate) creations: Creations,
    pub(crate) counts: ServerCounts,
    pub(crate) timings: Rc<Timings>,
    /// One push of metrics of the shard is read at a time: it may take some megabytes.
    pub(crate) pushes: Turns,
    frame_bytes_max: usize,
    control_bytes_max: usize,
    members_bytes_max: usize,
    connections: RefCell<FxHashMap<u64, Rc<Connection>>>,
    next_number: Cell<u64>,
    left: Signal,
    started: Moment,
}

impl ShardServer {
    pub(crate) fn new(broker: BrokerContext, shard: Shard) -> Rc<ShardServer> {
        let shards = u64::from(shard.shards());
        let config = broker.config();
        let memory = broker.memory_bytes();
        let request_bytes = memory * SERVER_PARTS / PARTS - ClientMetrics::memory_of(memory);
        let request_bytes = (request_bytes / shards).max(REQUEST_BYTES_MIN);
        let frame_bytes_max = u64::try_from(config.socket_request_max_bytes()).unwrap_or(0);
        // A frame that is grown needs the old and the new memory; half of the budget always fits.
        let frame_bytes_max = frame_bytes_max.min(request_bytes / 2) as usize;
        let slots = usize::try_from(config.max_incremental_fetch_session_cache_slots()).unwrap_or(0);
        Rc::new(ShardServer {
            shard,
            request_budget: ByteBudget::new(request_bytes),
            sessions: RefCell::new(SessionCache::new(slots.div_ceil(shards as usize))),
            creations: Creations::default(),
            counts: ServerCounts::new(),
            timings: Rc::default(),
            pushes: Turns::default(),
            frame_bytes_max: frame_bytes_max.max(BLOCK_BYTES_MIN),
            control_bytes_max: (request_bytes / CONTROL_SHARE).clamp(CONTROL_BYTES_MIN, CONTROL_BYTES_MAX)
                as usize,
            members_bytes_max: (request_bytes / MEMBERS_SHARE).clamp(CONTROL_BYTES_MIN, MEMBERS_BYTES_MAX)
                as usize,
            connections: RefCell::default(),
            next_number: Cell::new(0),
            left: Signal::new(),
            started: millrace_rt::now(),
            broker,
        })
    }

    /// The longest request, without its length.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }

    /// The longest request of this API, header included.
    pub(crate) fn request_bytes_max(&self, api: ApiKey) -> usize {
        match api {
            ApiKey::Produce => self.frame_bytes_max,
            ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::PushTelemetry => self.members_bytes_max,
            _ => self.control_bytes_max,
        }
    }

    /// Most bytes of metrics in one push; what stands around them has room besides.
    pub(crate) fn telemetry_bytes_max(&self) -> usize {
        let wanted = usize::try_from(self.broker.config().telemetry_max_bytes()).unwrap_or(0);
        wanted.min(self.members_bytes_max - PUSH_HEADER_BYTES)
    }

    /// Settings that one response may describe.
    pub(crate) fn described_entries_max(&self) -> usize {
        (self.request_budget.bytes_max() / DESCRIBED_ENTRY_BYTES) as usize
    }

    /// What one response may say of groups or partitions that a request names again and again, in a few bytes each
    /// time.
    pub(crate) fn described_bytes_max(&self) -> usize {
        self.request_budget.bytes_max() as usize
    }

    /// Time since this shard began to serve.
    pub(crate) fn uptime(&self) -> Duration {
        millrace_rt::now() - self.started
    }

    pub(crate) fn enter(&self, connection: &Rc<Connection>) -> u64 {
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        self.connections.borrow_mut().insert(number, connection.clone());
        number
    }

    pub(crate) fn leave(&self, number: u64) {
        self.connections.borrow_mut().remove(&number);
        self.left.notify_all();
    }

    /// The connection has closed.
    pub(crate) fn count_out(&self, peer: SocketAddr) {
        self.broker.per_address().leave(peer.ip());
        self.broker.connection_closed(self.shard.index());
    }

    /// The connection goes to another shard.
    pub(crate) fn count_over(&self, to: ShardIndex) {
        self.counts.connections.moved_away.increment();
        self.broker.connection_closed(self.shard.index());
        self.broker.connection_opened(to);
    }

    /// What the client of a request is held to. Where no quotas are set that is one look; where some are, and none for
    /// this client, one more.
    pub(crate) fn limits(&self, connection: &Connection, client_id: &[u8]) -> Option<Rc<Limits>> {
        let find = |quotas: &Arc<ClientQuotas>| {
            let (meters, config) = (self.broker.meters(), self.broker.config());
            connection.limits(quotas, client_id, || Held::find(quotas, client_id, meters, config))
        };
        self.shard.with_client_quotas(find).flatten()
    }

    /// Takes over the rates of addresses that are set now.
    pub(crate) async fn learn_address_rates(&self) {
        loop {
            let quotas = Arc::clone(self.shard.image().client_quotas());
            self.broker.address_rates().learn(&quotas).await;
            if Arc::ptr_eq(&quotas, self.shard.image().client_quotas()) {
                return;
            }
        }
    }

    /// A connection rests because its client is over a quota.
    pub(crate) fn count_throttle(&self, meter: &Meter, rest: Duration) {
        meter.note_throttle(rest);
        self.counts.throttled(meter.key(), rest);
    }

    pub(crate) fn adopt_session(&self, session: FetchSession) {
        let uptime = self.uptime();
        self.sessions.borrow_mut().adopt(session, uptime);
    }

    pub(crate) fn remove_session(&self, id: i32) -> Option<FetchSession> {
        self.sessions.borrow_mut().remove(id)
    }

    /// Replies to the probes of other threads. Never returns.
    pub(crate) async fn answer_probes(self: Rc<Self>) {
        loop {
            for question in self.broker.probe().next_questions(self.shard.index()).await {
                // Whoever asked may have gone.
                match question {
                    Question::Alive(response) => drop(response.send(())),
                    Question::Report(response) => drop(response.send(self.report().await)),
                }
            }
        }
    }

    async fn report(&self) -> ShardReport {
        let engine = self.shard.stats().await;
        let image = self.shard.image();
        let broker = match self.shard.index() {
            ShardIndex(0) => Some(BrokerStats {
                topics: image.topic_count() as u64,
                partitions: image.partition_count() as u64,
                data_available: fs::available_space(&self.broker.settings().data_dir).await.ok(),
            }),
            _ => None,
        };
        let sessions = self.sessions.borrow();
        let budget = &self.request_budget;
        let server = ServerStats {
            connections: self.connections.borrow().len() as u64,
            request_memory: RequestMemory {
                bytes: budget.bytes(),
                bytes_max: budget.bytes_max(),
                waits: budget.waits(),
            },
            timings: self.timings.stats(),
            fetch_sessions: sessions.len() as u64,
            fetch_session_partitions: sessions.partitions() as u64,
            fetch_session_evictions: sessions.evictions(),
            ..self.counts.stats(&image)
        };
        ShardReport { engine, server, broker }
    }

    /// Closes connections that are idle for too long, and those that hold memory others wait for. Never returns.
    pub(crate) async fn keep_up(self: Rc<Self>) {
        let idle_max = self.broker.config().connections_max_idle();
        let period = (idle_max / 10).clamp(UPKEEP_PERIOD_MIN, UPKEEP_PERIOD_MAX);
        loop {
            millrace_rt::sleep(period).await;
            self.close_overdue(idle_max);
            if self.shard.index() == ShardIndex(0) {
                self.broker.meters().forget_idle(millrace_rt::now());
                self.broker.client_metrics().forget_silent(millrace_rt::now());
            }
        }
    }

    fn close_overdue(&self, idle_max: Duration) {
        let now = millrace_rt::now();
        self.close_stuck(now);
        let short = self.request_budget.has_line();
        for connection in self.connections.borrow().values() {
            let is_idle = now - connection.last_active() >= idle_max;
            let is_stalled = connection.partial_since().is_some_and(|since| now - since >= PARTIAL_PATIENCE);
            if is_idle || (short && is_stalled) {
                let limits = &self.counts.limits;
                if is_idle {
                    limits.idle.increment()
                } else {
                    limits.stalled.increment()
                }
                debug!(is_idle, is_stalled, "a connection is closed for what it does not do");
                connection.hang_up();
            }
        }
    }

    fn close_stuck(&self, now: Moment) {
        let is_short = self.shard.egress().is_short();
        for connection in self.connections.borrow().values() {
            if !is_short {
                connection.forget_stuck();
            } else if connection.stuck_since().is_some_and(|since| now - since >= STUCK_PATIENCE) {
                self.counts.limits.stalled_peers.increment();
                warn!(
                    peer = connection.peer().map(tracing::field::display),
                    seconds = STUCK_PATIENCE.as_secs(),
                    "a peer takes nothing of its responses while others need the memory; it is closed"
                );
                connection.hang_up();
            }
        }
    }

    /// Ends every connection when its requests have been answered, and waits until all have left; after `patience`
    /// responses are waited for no more.
    pub(crate) async fn close_connections(&self, patience: Duration) {
        let deadline = millrace_rt::now() + patience;
        while !self.connections.borrow().is_empty() {
            if millrace_rt::now() >= deadline {
                self.connections.borrow().values().for_each(|connection| connection.hang_up());
                return;
            }
            self.connections.borrow().values().for_each(|connection| connection.retire());
            millrace_rt::timeout(CLOSE_PERIOD, self.left.wait()).await;
        }
    }
}
