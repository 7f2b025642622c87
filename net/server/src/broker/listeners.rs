//! The listeners of a broker: where they are to be, where they are, and how clients reach them.

use std::net::SocketAddr;
use std::sync::OnceLock;

use crate::broker::addresses::{self, BoundListener, EndpointType};
use crate::broker::settings::BrokerSettings;
use crate::broker::start_error::StartError;

/// Shared by all shards. A listener has the place that it has in the configuration;
/// those of controllers come behind those of brokers.
pub(super) struct Listeners {
    wanted: Vec<BoundListener>,
    bound: OnceLock<Vec<BoundListener>>,
    /// Where metrics and health are to be served, and where they are.
    admin_wanted: Option<SocketAddr>,
    admin: OnceLock<SocketAddr>,
}

impl Listeners {
    /// Resolves the configured names, so it may block: called before any shard runs.
    pub(super) fn resolve(settings: &BrokerSettings) -> Result<Listeners, StartError> {
        Ok(Listeners {
            wanted: addresses::resolve(&settings.config)?,
            bound: OnceLock::new(),
            admin_wanted: settings.config.admin_listener().map(addresses::resolve_admin).transpose()?,
            admin: OnceLock::new(),
        })
    }

    pub(super) fn wanted(&self) -> &[BoundListener] {
        &self.wanted
    }

    /// The opened addresses; empty before they are open.
    pub(super) fn bound(&self) -> &[BoundListener] {
        self.bound.get().map_or(&[], Vec::as_slice)
    }

    pub(super) fn set_bound(&self, bound: Vec<BoundListener>) {
        assert!(self.bound.set(bound).is_ok(), "listeners are opened once");
    }

    pub(super) fn admin_wanted(&self) -> Option<SocketAddr> {
        self.admin_wanted
    }

    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.admin.get().copied()
    }

    pub(super) fn set_admin(&self, address: SocketAddr) {
        assert!(self.admin.set(address).is_ok(), "the side thread is started once");
    }

    pub(super) fn endpoint_type(&self, listener: usize) -> EndpointType {
        self.wanted.get(listener).map_or(EndpointType::Broker, |listener| listener.endpoint_type)
    }

    /// Where a listener is reached: what is advertised, with the real port for port 0.
    pub(super) fn advertised<'a>(&'a self, listener: usize, settings: &'a BrokerSettings) -> (&'a str, u16) {
        let config = &settings.config;
        let mut all = config.advertised_listeners().iter().chain(config.advertised_controller_listeners());
        let Some(advertised) = all.nth(listener) else {
            return (&settings.host_name, 0);
        };
        let host = if advertised.host.is_empty() { &settings.host_name } else { &advertised.host };
        let bound = self.bound().get(listener).map_or(0, |bound| bound.address.port());
        (host, if advertised.port == 0 { bound } else { advertised.port })
    }
}
