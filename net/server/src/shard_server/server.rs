//! The part of the server that one shard has: its connections, fetch sessions and memory for requests.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::ShardIndex;
use millrace_core::meta::ClientQuotas;
use millrace_rt::{ByteBudget, Moment};
use millrace_shard::{Shard, Turns};
use millrace_wire::ApiKey;

use crate::broker::context::BrokerContext;
use crate::conn::connection::Connection;
use crate::metrics::counts::ServerCounts;
use crate::metrics::timings::Timings;
use crate::quota::{Held, Limits, Meter};
use crate::session::{FetchSession, SessionCache};
use crate::shard_server::bounds::RequestBounds;
use crate::shard_server::connections::ConnectionTable;
use crate::shard_server::creations::Creations;

/// Lives on one shard, shared by its connections.
pub(crate) struct ShardServer {
    pub(crate) broker: BrokerContext,
    pub(crate) shard: Shard,
    pub(crate) request_budget: Rc<ByteBudget>,
    pub(crate) sessions: RefCell<SessionCache>,
    pub(crate) creations: Creations,
    pub(crate) counts: ServerCounts,
    pub(crate) timings: Rc<Timings>,
    /// A shard reads one push of metrics at a time: it may take some megabytes.
    pub(crate) pushes: Turns,
    pub(super) connections: ConnectionTable,
    bounds: RequestBounds,
    started: Moment,
}

impl ShardServer {
    pub(crate) fn new(broker: BrokerContext, shard: Shard) -> Rc<ShardServer> {
        let shards = u64::from(shard.shards());
        let bounds = RequestBounds::new(broker.config(), broker.memory_bytes(), shards);
        let slots = usize::try_from(broker.config().max_incremental_fetch_session_cache_slots()).unwrap_or(0);
        Rc::new(ShardServer {
            shard,
            request_budget: ByteBudget::new(bounds.memory_bytes()),
            sessions: RefCell::new(SessionCache::new(slots.div_ceil(shards as usize))),
            creations: Creations::default(),
            counts: ServerCounts::new(),
            timings: Rc::default(),
            pushes: Turns::default(),
            connections: ConnectionTable::default(),
            bounds,
            started: millrace_rt::now(),
            broker,
        })
    }

    /// The longest request, without its length.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        self.bounds.frame_bytes_max()
    }

    /// The longest request of this API, header included.
    pub(crate) fn request_bytes_max(&self, api: ApiKey) -> usize {
        self.bounds.request_bytes_max(api)
    }

    /// The most bytes of metrics in one push.
    pub(crate) fn telemetry_bytes_max(&self) -> usize {
        self.bounds.telemetry_bytes_max(self.broker.config())
    }

    /// The number of settings that one response may describe.
    pub(crate) fn described_entries_max(&self) -> usize {
        self.bounds.described_entries_max()
    }

    /// The most bytes that one response may have about groups or partitions.
    pub(crate) fn described_bytes_max(&self) -> usize {
        self.bounds.described_bytes_max()
    }

    /// The time since this shard began to serve.
    pub(crate) fn uptime(&self) -> Duration {
        millrace_rt::now() - self.started
    }

    /// Adds a connection and returns its number.
    pub(crate) fn enter(&self, connection: &Rc<Connection>) -> u64 {
        self.connections.enter(connection)
    }

    pub(crate) fn leave(&self, number: u64) {
        self.connections.leave(number);
    }

    /// Counts a connection that has closed.
    pub(crate) fn count_out(&self, peer: SocketAddr) {
        self.broker.address_counts().leave(peer.ip());
        self.broker.connection_closed(self.shard.index());
    }

    /// Counts a connection that moves to another shard.
    pub(crate) fn count_over(&self, to: ShardIndex) {
        self.counts.connections.moved_away.increment();
        self.broker.connection_closed(self.shard.index());
        self.broker.connection_opened(to);
    }

    /// Returns the quotas of the client of a request. Without any quotas that is one look; with quotas,
    /// but none for this client, two.
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

    /// Counts a connection that rests because its client is over a quota.
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
}
