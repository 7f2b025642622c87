//! What all shards of one broker share: configuration, addresses, counts of connections, start and stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use millrace_core::base::ShardIndex;
use millrace_core::base::config::{BrokerConfig, ConfigLayers, ConfigMap};
use millrace_core::base::descriptors::DescriptorShares;
use millrace_core::meta::Endpoint;
use millrace_rt::Gate;
use millrace_shard::{Engine, EngineSettings, Planted};

use crate::addresses::{self, BoundListener, EndpointType};
use crate::counts::ShardReport;
use crate::loggers::Loggers;
use crate::per_address::AddressCounts;
use crate::quota::{AddressRates, Meters};
use crate::shard_probe::ShardProbe;
use crate::start_error::StartError;
use crate::telemetry::ClientMetrics;

/// What a broker needs to know before it starts.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    pub config: Arc<BrokerConfig>,
    /// Holds everything that survives a restart.
    pub data_dir: PathBuf,
    pub shards: u16,
    /// Bound of the process's memory.
    pub memory_bytes: u64,
    /// What clients are told where the advertised host is empty.
    pub host_name: String,
}

impl BrokerSettings {
    /// Whose disk commits wait for.
    pub(crate) fn journal_directory(&self) -> &Path {
        self.config.journal_dir().map_or(&self.data_dir, Path::new)
    }
}

/// Called once, on any shard, when every shard serves: with the addresses for clients, and that of metrics and health.
pub type OnReady = Box<dyn Fn(&[BoundListener], Option<SocketAddr>) + Send + Sync>;

/// One broker as its shards share it. Cheap to clone; made for one run and not used again.
#[derive(Clone)]
pub struct BrokerContext {
    shared: Arc<Shared>,
}

struct Shared {
    settings: BrokerSettings,
    /// The data directory as clients are told: absolute.
    log_dir: String,
    engine: Engine,
    wanted: Vec<BoundListener>,
    bound: OnceLock<Vec<BoundListener>>,
    on_ready: Option<OnReady>,
    /// Connections each shard serves or was dealt.
    connections: Vec<AtomicU32>,
    shards_open: AtomicU16,
    shards_quiet: AtomicU16,
    listening: Gate,
    ready: Gate,
    quiet: Gate,
    stop: Gate,
    failure: Mutex<Option<StartError>>,
    probe: ShardProbe<ShardReport>,
    /// Where metrics and health are to be served, and where they are.
    admin_wanted: Option<SocketAddr>,
    admin: OnceLock<SocketAddr>,
    log_lines_lost: OnceLock<Arc<AtomicU64>>,
    loggers: OnceLock<Loggers>,
    /// Connections that there are descriptors for.
    connections_max: AtomicU32,
    addresses: AddressCounts,
    address_rates: AddressRates,
    meters: Meters,
    client_metrics: ClientMetrics,
}

/// How far a broker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Opening and recovering; clients are not served.
    Starting,
    Serving,
    Stopping,
}

impl BrokerContext {
    /// Checks and resolves what can be known before anything is opened.
    pub fn new(settings: BrokerSettings, on_ready: Option<OnReady>) -> Result<BrokerContext, StartError> {
        let engine = Engine::new(engine_settings(&settings));
        BrokerContext::around(engine, settings, on_ready)
    }

    /// A broker with a fault, for tests that the fault is caught.
    #[doc(hidden)]
    pub fn with_planted(settings: BrokerSettings, planted: Planted) -> Result<BrokerContext, StartError> {
        let engine = Engine::with_planted(engine_settings(&settings), planted);
        BrokerContext::around(engine, settings, None)
    }

    fn around(
        engine: Engine,
        settings: BrokerSettings,
        on_ready: Option<OnReady>,
    ) -> Result<BrokerContext, StartError> {
        assert!(settings.shards > 0, "a broker has at least one shard");
        let wanted = addresses::resolve(&settings.config)?;
        let admin_wanted = settings.config.admin_listener().map(addresses::resolve_admin).transpose()?;
        let probe = ShardProbe::new(settings.shards);
        let connections = (0..settings.shards).map(|_| AtomicU32::new(0)).collect();
        let nothing = ConfigMap::new();
        let overrides =
            ConfigLayers { broker: &settings.config, dynamic_broker: &nothing, dynamic_default: &nothing }
                .max_connections_per_ip_overrides();
        let log_dir = std::path::absolute(&settings.data_dir).unwrap_or_else(|_| settings.data_dir.clone());
        let client_metrics = ClientMetrics::new(settings.memory_bytes);
        let shared = Shared {
            settings,
            log_dir: log_dir.to_string_lossy().into_owned(),
            engine,
            wanted,
            bound: OnceLock::new(),
            on_ready,
            connections,
            shards_open: AtomicU16::new(0),
            shards_quiet: AtomicU16::new(0),
            listening: Gate::new(),
            ready: Gate::new(),
            quiet: Gate::new(),
            stop: Gate::new(),
            failure: Mutex::new(None),
            probe,
            admin_wanted,
            admin: OnceLock::new(),
            log_lines_lost: OnceLock::new(),
            loggers: OnceLock::new(),
            connections_max: AtomicU32::new(u32::MAX),
            addresses: AddressCounts::new(&overrides),
            address_rates: AddressRates::default(),
            meters: Meters::default(),
            client_metrics,
        };
        let broker = BrokerContext { shared: Arc::new(shared) };
        broker.limit_descriptors(u64::MAX);
        Ok(broker)
    }

    /// The process may have so many files and connections open; to be said before any shard opens.
    pub fn limit_descriptors(&self, descriptors: u64) {
        let settings = &self.shared.settings;
        let shares = DescriptorShares::of(descriptors, settings.shards, settings.config.open_files());
        let files = usize::try_from(shares.segment_files_per_shard).unwrap_or(usize::MAX);
        self.shared.engine.limit_open_files(files);
        let connections = u32::try_from(shares.connections).unwrap_or(u32::MAX);
        self.shared.connections_max.store(connections, Ordering::Relaxed);
    }

    /// Connections that there are descriptors for.
    pub(crate) fn connections_max(&self) -> u32 {
        self.shared.connections_max.load(Ordering::Relaxed)
    }

    /// Ends the broker cleanly; from any thread.
    pub fn stop(&self) {
        self.shared.stop.open();
    }

    /// The opened addresses, in the order of the configuration; empty before they are open.
    pub fn addresses(&self) -> &[BoundListener] {
        self.shared.bound.get().map_or(&[], Vec::as_slice)
    }

    /// Opened when every shard serves.
    pub fn ready(&self) -> Gate {
        self.shared.ready.clone()
    }

    /// The first error that ended a shard's start.
    pub fn failure(&self) -> Option<StartError> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections each shard serves or was dealt.
    pub fn connections(&self) -> Vec<u32> {
        self.shared.connections.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    pub(crate) fn phase(&self) -> Phase {
        match (self.shared.stop.is_open(), self.shared.ready.is_open()) {
            (true, _) => Phase::Stopping,
            (false, true) => Phase::Serving,
            (false, false) => Phase::Starting,
        }
    }

    /// Where metrics and health are served, if they are.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.shared.admin.get().copied()
    }

    pub(crate) fn admin_wanted(&self) -> Option<SocketAddr> {
        self.shared.admin_wanted
    }

    pub(crate) fn set_admin_address(&self, address: SocketAddr) {
        assert!(self.shared.admin.set(address).is_ok(), "the side thread is started once");
    }

    /// Lines that the process's log could not take; 0 where nobody counts them.
    pub(crate) fn log_lines_lost(&self) -> u64 {
        self.shared.log_lines_lost.get().map_or(0, |lost| lost.load(Ordering::Relaxed))
    }

    pub(crate) fn count_lost_log_lines(&self, lost: Arc<AtomicU64>) {
        assert!(self.shared.log_lines_lost.set(lost).is_ok(), "a process has one log");
    }

    /// Those of the process; nothing where it has not handed them over.
    pub(crate) fn loggers(&self) -> Option<&Loggers> {
        self.shared.loggers.get()
    }

    pub(crate) fn hand_over_loggers(&self, loggers: Loggers) {
        assert!(self.shared.loggers.set(loggers).is_ok(), "a process has one log");
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
        &self.shared.wanted
    }

    pub(crate) fn stop_gate(&self) -> Gate {
        self.shared.stop.clone()
    }

    pub(crate) fn listening_gate(&self) -> Gate {
        self.shared.listening.clone()
    }

    pub(crate) fn quiet_gate(&self) -> Gate {
        self.shared.quiet.clone()
    }

    /// What this process is to those whom a listener accepts.
    pub(crate) fn endpoint_type(&self, listener: usize) -> EndpointType {
        self.shared.wanted.get(listener).map_or(EndpointType::Broker, |listener| listener.endpoint_type)
    }

    /// Where a listener is reached: what is advertised, with the real port for port 0. They count on from those of
    /// brokers to those of controllers.
    pub(crate) fn advertised(&self, listener: usize) -> (&str, u16) {
        let settings = &self.shared.settings;
        let config = &settings.config;
        let mut all = config.advertised_listeners().iter().chain(config.advertised_controller_listeners());
        let Some(advertised) = all.nth(listener) else {
            return (&settings.host_name, 0);
        };
        let host = if advertised.host.is_empty() { &settings.host_name } else { &advertised.host };
        let bound = self.addresses().get(listener).map_or(0, |bound| bound.address.port());
        (host, if advertised.port == 0 { bound } else { advertised.port })
    }

    pub(crate) fn set_listening(&self, bound: Vec<BoundListener>) {
        assert!(self.shared.bound.set(bound).is_ok(), "listeners are opened once");
        self.shared.listening.open();
    }

    /// One more shard serves; the last one makes the broker ready.
    pub(crate) fn shard_opened(&self) {
        if self.shared.shards_open.fetch_add(1, Ordering::AcqRel) + 1 < self.shared.settings.shards {
            return;
        }
        self.shared.ready.open();
        if let Some(on_ready) = &self.shared.on_ready {
            on_ready(self.addresses(), self.admin_address());
        }
    }

    /// One more shard has no connections any more; after the last one no shard is asked anything.
    pub(crate) fn shard_quiet(&self) {
        if self.shared.shards_quiet.fetch_add(1, Ordering::AcqRel) + 1 == self.shared.settings.shards {
            self.shared.quiet.open();
        }
    }

    /// Keeps the first error and ends the other shards' start.
    pub(crate) fn fail(&self, error: &StartError) {
        let mut failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| error.clone());
        drop(failure);
        self.stop();
    }

    /// The connections of each address.
    pub(crate) fn per_address(&self) -> &AddressCounts {
        &self.shared.addresses
    }

    /// How many connections each address may make.
    pub(crate) fn address_rates(&self) -> &AddressRates {
        &self.shared.address_rates
    }

    /// What clients with quotas have spent of them.
    pub(crate) fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    /// What clients push of their own metrics.
    pub(crate) fn client_metrics(&self) -> &ClientMetrics {
        &self.shared.client_metrics
    }

    pub(crate) fn connection_opened(&self, shard: ShardIndex) {
        if let Some(count) = self.shared.connections.get(usize::from(shard.0)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn connection_closed(&self, shard: ShardIndex) {
        if let Some(count) = self.shared.connections.get(usize::from(shard.0)) {
            let before = count.fetch_sub(1, Ordering::Relaxed);
            assert!(before > 0, "a connection closes once");
        }
    }

    /// The shard for a new connection; nothing when the broker has as many as `connections_max`.
    pub(crate) fn least_loaded(&self, connections_max: u32) -> Option<ShardIndex> {
        let counts = self.connections();
        if counts.iter().sum::<u32>() >= connections_max {
            return None;
        }
        counts.into_iter().zip(0u16..).min().map(|(_, shard)| ShardIndex(shard))
    }
}

fn engine_settings(settings: &BrokerSettings) -> EngineSettings {
    let config = &settings.config;
    let endpoints = config.advertised_listeners().iter().map(|listener| Endpoint {
        name: listener.name.clone(),
        host: if listener.host.is_empty() { settings.host_name.clone() } else { listener.host.clone() },
        port: listener.port,
        protocol: listener.protocol,
    });
    EngineSettings {
        data_dir: settings.data_dir.clone(),
        journal_dir: config.journal_dir().map(PathBuf::from),
        shm_dir: PathBuf::from(config.shm_dir()),
        journal_bytes: config.journal_bytes(),
        memory_bytes: settings.memory_bytes,
        broker: config.clone(),
        endpoints: endpoints.collect(),
        shards: settings.shards,
    }
}
