//! The part of clients' metrics that all shards share: a client may ask one shard and push to another.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millrace_core::base::config::{ClientAttribute, ClientMetricsSubscription, WantedMetrics};
use millrace_core::log::Codec;
use millrace_core::meta::NamedConfigs;
use millrace_rt::Moment;
use millrace_wire::{ErrorCode, Uuid};

use crate::metrics::labels::add_label;
use crate::telemetry::instances::{
    ClientInstanceId, InstanceAge, InstanceCounts, Instances, PushHeader, Terms,
};
use crate::telemetry::payload::Unreadable;
use crate::telemetry::samples::PushedSamples;

/// The share of the memory that all clients' metrics may take. It is part of the memory for requests.
const MEMORY_SHARE: u64 = 128;

/// The most bytes that one client's metrics may take: some two thousand values, at most a quarter of all.
const CLIENT_BYTES_MAX: usize = 256 * 1024;
const CLIENT_SHARE: usize = 4;

/// The longest name of a client, and of its software, that is shown.
const SHOWN_NAME_BYTES: usize = 255;

/// The name of a client's software if the client does not tell it.
const UNKNOWN: &str = "unknown";

/// The client behind a request.
pub(crate) struct PushedBy {
    instance: String,
    /// `None` if the client gives none.
    client_id: Option<Arc<str>>,
    software: Option<[Arc<str>; 2]>,
    address: String,
    port: String,
}

impl PushedBy {
    pub(crate) fn new(
        id: ClientInstanceId,
        client_id: Arc<str>,
        software: Option<[Arc<str>; 2]>,
        peer: Option<SocketAddr>,
    ) -> PushedBy {
        PushedBy {
            instance: URL_SAFE_NO_PAD.encode(id.0.0),
            client_id: Some(client_id).filter(|id| !id.is_empty()),
            software,
            address: peer.map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default(),
            port: peer.map(|peer| peer.port().to_string()).unwrap_or_default(),
        }
    }

    fn software(&self) -> [&str; 2] {
        self.software.as_ref().map_or([UNKNOWN; 2], |[name, version]| [name, version])
    }

    fn attribute(&self, attribute: ClientAttribute) -> Option<&str> {
        let [software_name, software_version] = self.software();
        match attribute {
            ClientAttribute::InstanceId => Some(&self.instance),
            ClientAttribute::Id => self.client_id.as_deref(),
            ClientAttribute::SoftwareName => Some(software_name),
            ClientAttribute::SoftwareVersion => Some(software_version),
            ClientAttribute::SourceAddress => Some(&self.address),
            ClientAttribute::SourcePort => Some(&self.port),
        }
    }

    /// Returns the labels of all values that it pushes.
    pub(crate) fn labels(&self) -> String {
        let [software_name, software_version] = self.software();
        let mut labels = String::new();
        for (name, value) in [
            ("client_instance_id", self.instance.as_str()),
            ("client_id", self.client_id.as_deref().unwrap_or_default()),
            ("client_software_name", software_name),
            ("client_software_version", software_version),
        ] {
            add_label(
                &mut labels,
                name,
                value.get(..value.floor_char_boundary(SHOWN_NAME_BYTES)).unwrap_or(value),
            );
        }
        labels
    }
}

/// The subscriptions of the metadata, parsed.
#[derive(Clone, Default)]
struct Subscriptions {
    settings: NamedConfigs,
    read: Arc<Vec<ClientMetricsSubscription>>,
    version: u64,
}

struct ClientMetricsState {
    subscriptions: Subscriptions,
    instances: Instances,
    pushes: PushCounts,
}

/// The outcomes of admitted pushes, since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PushCounts {
    pub(crate) taken: u64,
    pub(crate) unreadable: u64,
    /// As they came.
    pub(crate) bytes: u64,
    /// Values that found no room, or were too long.
    pub(crate) dropped: u64,
}

/// All of it at one moment.
#[derive(Debug, Default)]
pub(crate) struct ClientMetricsReport {
    pub(crate) connected: usize,
    pub(crate) instances: InstanceCounts,
    pub(crate) pushes: PushCounts,
    pub(crate) bytes: usize,
    pub(crate) bytes_max: usize,
    pub(crate) samples: Vec<Arc<PushedSamples>>,
}

/// A broker has one. Its lock is held only for a lookup.
pub(crate) struct ClientMetrics {
    state: Mutex<ClientMetricsState>,
    client_bytes_max: usize,
}

impl ClientMetrics {
    pub(crate) fn new(memory_bytes: u64) -> ClientMetrics {
        let bytes_max = usize::try_from(ClientMetrics::memory_of(memory_bytes)).unwrap_or(usize::MAX);
        let state = ClientMetricsState {
            subscriptions: Subscriptions::default(),
            instances: Instances::new(bytes_max),
            pushes: PushCounts::default(),
        };
        ClientMetrics {
            state: Mutex::new(state),
            client_bytes_max: CLIENT_BYTES_MAX.min(bytes_max / CLIENT_SHARE),
        }
    }

    /// Returns the part of the memory that it may take.
    pub(crate) fn memory_of(memory_bytes: u64) -> u64 {
        memory_bytes / MEMORY_SHARE
    }

    /// Returns the most bytes that one client's values may take.
    pub(crate) fn client_bytes_max(&self) -> usize {
        self.client_bytes_max
    }

    /// Returns what the settings ask of a client.
    pub(crate) async fn wanted(
        &self,
        settings: &NamedConfigs,
        id: ClientInstanceId,
        client: &PushedBy,
    ) -> (WantedMetrics, Terms) {
        let subscriptions = self.subscriptions(settings).await;
        let wanted = WantedMetrics::of(&*subscriptions.read, |attribute| client.attribute(attribute));
        let terms = Terms {
            subscription_id: wanted.subscription_id(id.number()),
            interval: Duration::from_millis(u64::try_from(wanted.interval_ms).unwrap_or_default()),
            version: subscriptions.version,
        };
        (wanted, terms)
    }

    /// Parses the settings if they have changed. It runs off the shard, since patterns have to be compiled.
    async fn subscriptions(&self, settings: &NamedConfigs) -> Subscriptions {
        let known = self.lock().subscriptions.clone();
        // Each shard has an image of its own.
        if Arc::ptr_eq(&known.settings, settings) || known.settings == *settings {
            return known;
        }
        let to_read = Arc::clone(settings);
        let read = millrace_rt::aside(move || {
            // The settings were checked when they were set, but perhaps by a newer release with other rules.
            to_read.values().filter_map(|settings| ClientMetricsSubscription::parse(settings).ok()).collect()
        });
        let read = Arc::new(read.await);
        let mut state = self.lock();
        let version = state.subscriptions.version + 1;
        state.subscriptions = Subscriptions { settings: Arc::clone(settings), read, version };
        state.subscriptions.clone()
    }

    pub(crate) fn ask(
        &self,
        id: ClientInstanceId,
        terms: Terms,
        now: Moment,
    ) -> (InstanceAge, Result<(), ErrorCode>) {
        self.lock().instances.ask(id, terms, now)
    }

    /// Admits a push. Returns how it is compressed and what the client pushed before, or why it is refused.
    pub(crate) fn push(
        &self,
        id: ClientInstanceId,
        terms: Terms,
        header: &PushHeader,
        bytes_max: usize,
        now: Moment,
    ) -> (InstanceAge, Result<(Codec, Arc<PushedSamples>), ErrorCode>) {
        self.lock().instances.push(id, terms, header, bytes_max, now)
    }

    /// Takes the outcome of an admitted push of `bytes` bytes.
    pub(crate) fn keep(
        &self,
        id: ClientInstanceId,
        bytes: usize,
        read: Result<(PushedSamples, u64), Unreadable>,
    ) -> Result<(), ErrorCode> {
        let mut state = self.lock();
        state.pushes.bytes += bytes as u64;
        match read {
            Ok((samples, dropped)) => {
                state.pushes.taken += 1;
                state.pushes.dropped += dropped;
                state.instances.keep(id, samples);
                Ok(())
            }
            Err(Unreadable) => {
                state.pushes.unreadable += 1;
                Err(ErrorCode::InvalidRecord)
            }
        }
    }

    /// The connection that brought an instance has closed.
    pub(crate) fn leave(&self, id: ClientInstanceId) {
        self.lock().instances.leave(id);
    }

    pub(crate) fn forget_silent(&self, now: Moment) {
        self.lock().instances.forget_silent(now);
    }

    pub(crate) fn report(&self) -> ClientMetricsReport {
        let state = self.lock();
        let instances = &state.instances;
        ClientMetricsReport {
            connected: instances.connected(),
            instances: instances.counts(),
            pushes: state.pushes,
            bytes: instances.bytes(),
            bytes_max: instances.bytes_max(),
            samples: instances.samples(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ClientMetricsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns an id for a client that has none: random (version 4), not reserved, and not beginning with a dash,
/// which tools would take for an option.
pub(crate) fn new_instance_id() -> ClientInstanceId {
    const DASH: u8 = 62;
    loop {
        let mut bytes = [0; 16];
        millrace_rt::fill_random(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        if bytes[0] >> 2 != DASH {
            return ClientInstanceId(Uuid(bytes));
        }
    }
}
