//! What all shards of one broker share, and the threads beside them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use millrace_core::base::ShardIndex;
use millrace_core::base::config::{BrokerConfig, ConfigLayers, ConfigMap};
use millrace_core::base::descriptors::DescriptorShares;
use millrace_rt::Gate;
use millrace_shard::{Engine, Planted};

use crate::broker::address_counts::AddressCounts;
use crate::broker::addresses::{BoundListener, EndpointType};
use crate::broker::lifecycle::{IsLast, Lifecycle, Phase};
use crate::broker::listeners::Listeners;
use crate::broker::loggers::Loggers;
use crate::broker::process_log::ProcessLog;
use crate::broker::settings::BrokerSettings;
use crate::broker::shard_loads::ShardLoads;
use crate::broker::start_error::StartError;
use crate::metrics::counts::ShardReport;
use crate::metrics::shard_probe::ShardProbe;
use crate::quota::{AddressRates, Meters};
use crate::telemetry::ClientMetrics;

/// Called once, on any shard, when every shard serves. It is given the addresses for clients,
/// and that of metrics and health.
pub type OnReady = Box<dyn Fn(&[BoundListener], Option<SocketAddr>) + Send + Sync>;

/// One broker as its shards share it. Cheap to clone; made for one run and not used again.
#[derive(Clone)]
pub struct BrokerContext {
    shared: Arc<Shared>,
}

struct Shared {
    settings: BrokerSettings,
    log_dir: String,
    engine: Engine,
    on_ready: Option<OnReady>,
    listeners: Listeners,
    life: Lifecycle,
    loads: ShardLoads,
    probe: ShardProbe<ShardReport>,
    log: ProcessLog,
    clients: Clients,
}

/// What is known of clients, whichever shard serves them.
struct Clients {
    address_counts: AddressCounts,
    address_rates: AddressRates,
    meters: Meters,
    metrics: ClientMetrics,
}

impl BrokerContext {
    /// Checks and resolves what can be known before anything is opened.
    pub fn new(settings: BrokerSettings, on_ready: Option<OnReady>) -> Result<BrokerContext, StartError> {
        let engine = Engine::new(settings.engine_settings());
        BrokerContext::around(engine, settings, on_ready)
    }

    /// A broker with a fault, for tests that the fault is caught.
    #[doc(hidden)]
    pub fn with_planted(settings: BrokerSettings, planted: Planted) -> Result<BrokerContext, StartError> {
        let engine = Engine::with_planted(settings.engine_settings(), planted);
        BrokerContext::around(engine, settings, None)
    }

    fn around(
        engine: Engine,
        settings: BrokerSettings,
        on_ready: Option<OnReady>,
    ) -> Result<BrokerContext, StartError> {
        assert!(settings.shards > 0, "a broker has at least one shard");
        let shared = Shared {
            log_dir: settings.log_dir(),
            engine,
            on_ready,
            listeners: Listeners::resolve(&settings)?,
            life: Lifecycle::new(settings.shards),
            loads: ShardLoads::new(settings.shards),
            probe: ShardProbe::new(settings.shards),
            log: ProcessLog::default(),
            clients: Clients::new(&settings),
            settings,
        };
        let broker = BrokerContext { shared: Arc::new(shared) };
        broker.limit_descriptors(u64::MAX);
        Ok(broker)
    }

    /// Says how many files and connections the process may have open. Called before any shard opens.
    pub fn limit_descriptors(&self, descriptors: u64) {
        let settings = &self.shared.settings;
        let shares = DescriptorShares::of(descriptors, settings.shards, settings.config.open_files());
        let files = usize::try_from(shares.segment_files_per_shard).unwrap_or(usize::MAX);
        self.shared.engine.limit_open_files(files);
        self.shared.loads.limit(u32::try_from(shares.connections).unwrap_or(u32::MAX));
    }

    /// Ends the broker cleanly; from any thread.
    pub fn stop(&self) {
        self.shared.life.stop.open();
    }

    /// The opened addresses, in the order of the configuration; empty before they are open.
    pub fn addresses(&self) -> &[BoundListener] {
        self.shared.listeners.bound()
    }

    /// Opened when every shard serves.
    pub fn ready(&self) -> Gate {
        self.shared.life.ready.clone()
    }

    /// The first error that ended the start of a shard.
    pub fn failure(&self) -> Option<StartError> {
        self.shared.life.failure()
    }

    /// The number of connections that each shard serves or was dealt.
    pub fn connections(&self) -> Vec<u32> {
        self.shared.loads.connections()
    }

    /// Where metrics and health are served, if they are.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.shared.listeners.admin()
    }

    pub(crate) fn admin_wanted(&self) -> Option<SocketAddr> {
        self.shared.listeners.admin_wanted()
    }

    pub(crate) fn set_admin_address(&self, address: SocketAddr) {
        self.shared.listeners.set_admin(address);
    }

    /// The number of lines that the process's log could not take; 0 if they are not counted.
    pub(crate) fn log_lines_lost(&self) -> u64 {
        self.shared.log.lines_lost()
    }

    pub(crate) fn count_lost_log_lines(&self, lost: Arc<AtomicU64>) {
        self.shared.log.count_lost_lines(lost);
    }

    /// The loggers of the process; `None` if it has not handed them over.
    pub(crate) fn loggers(&self) -> Option<&Loggers> {
        self.shared.log.loggers()
    }

    pub(crate) fn hand_over_loggers(&self, loggers: Loggers) {
        self.shared.log.set_loggers(loggers);
    }

    /// Where other threads ask the shards.
    pub(crate) fn probe(&self) -> &ShardProbe<ShardReport> {
        &self.shared.probe
    }

    pub(crate) fn settings(&self) -> &BrokerSettings {
        &self.shared.settings
    }

    /// The data directory as clients are told.
    pub(crate) fn log_dir(&self) -> &str {
        &self.shared.log_dir
    }

    pub(crate) fn config(&self) -> &BrokerConfig {
        &self.shared.settings.config
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.shared.settings.memory_bytes
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn wanted_listeners(&self) -> &[BoundListener] {
        self.shared.listeners.wanted()
    }

    /// What this process is to the clients that a listener accepts.
    pub(crate) fn endpoint_type(&self, listener: usize) -> EndpointType {
        self.shared.listeners.endpoint_type(listener)
    }

    /// Where a listener is reached: what is advertised, with the real port for port 0.
    pub(crate) fn advertised(&self, listener: usize) -> (&str, u16) {
        self.shared.listeners.advertised(listener, &self.shared.settings)
    }

    pub(crate) fn set_listening(&self, bound: Vec<BoundListener>) {
        self.shared.listeners.set_bound(bound);
        self.shared.life.listening.open();
    }

    pub(crate) fn phase(&self) -> Phase {
        self.shared.life.phase()
    }

    pub(crate) fn stop_gate(&self) -> Gate {
        self.shared.life.stop.clone()
    }

    pub(crate) fn listening_gate(&self) -> Gate {
        self.shared.life.listening.clone()
    }

    pub(crate) fn quiet_gate(&self) -> Gate {
        self.shared.life.quiet.clone()
    }

    /// One more shard serves. The last one makes the broker ready.
    pub(crate) fn shard_opened(&self) {
        if self.shared.life.shard_opened() == IsLast::Yes
            && let Some(on_ready) = &self.shared.on_ready
        {
            on_ready(self.addresses(), self.admin_address());
        }
    }

    /// One more shard has no connections any more. After the last one no shard is asked anything.
    pub(crate) fn shard_quiet(&self) {
        self.shared.life.shard_quiet();
    }

    /// Keeps the first error and ends the start of the other shards.
    pub(crate) fn fail(&self, error: &StartError) {
        self.shared.life.fail(error);
    }

    /// The connections of each address.
    pub(crate) fn address_counts(&self) -> &AddressCounts {
        &self.shared.clients.address_counts
    }

    /// The rate at which each address may make connections.
    pub(crate) fn address_rates(&self) -> &AddressRates {
        &self.shared.clients.address_rates
    }

    /// What clients with quotas have spent of them.
    pub(crate) fn meters(&self) -> &Meters {
        &self.shared.clients.meters
    }

    /// The metrics that clients push.
    pub(crate) fn client_metrics(&self) -> &ClientMetrics {
        &self.shared.clients.metrics
    }

    /// The number of connections that there are descriptors for.
    pub(crate) fn connections_max(&self) -> u32 {
        self.shared.loads.connections_max()
    }

    pub(crate) fn connection_opened(&self, shard: ShardIndex) {
        self.shared.loads.opened(shard);
    }

    pub(crate) fn connection_closed(&self, shard: ShardIndex) {
        self.shared.loads.closed(shard);
    }

    /// Returns the shard for a new connection; `None` when the broker has `connections_max` of them.
    pub(crate) fn least_loaded(&self, connections_max: u32) -> Option<ShardIndex> {
        self.shared.loads.least_loaded(connections_max)
    }
}

impl Clients {
    /// Resolves the names of hosts with limits of their own, so it may block: called before any shard runs.
    fn new(settings: &BrokerSettings) -> Clients {
        let nothing = ConfigMap::new();
        let layers =
            ConfigLayers { broker: &settings.config, dynamic_broker: &nothing, dynamic_default: &nothing };
        Clients {
            address_counts: AddressCounts::new(&layers.max_connections_per_ip_overrides()),
            address_rates: AddressRates::default(),
            meters: Meters::default(),
            metrics: ClientMetrics::new(settings.memory_bytes),
        }
    }
}
