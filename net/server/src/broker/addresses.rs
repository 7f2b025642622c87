//! Where the broker listens: configured names become addresses before anything is opened.

use std::net::{SocketAddr, ToSocketAddrs};

use millrace_core::base::config::{BrokerConfig, Listener, SecurityProtocol};

use crate::broker::start_error::StartError;

/// What this process is to the clients of a listener (KIP-919).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointType {
    Broker,
    Controller,
}

/// A listener and its address: the wanted one before it is open, and then the real one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundListener {
    pub name: String,
    pub endpoint_type: EndpointType,
    pub address: SocketAddr,
}

/// Returns the address of each configured listener, those of brokers first. Resolves names,
/// so it may block: called before any shard runs.
pub(crate) fn resolve(config: &BrokerConfig) -> Result<Vec<BoundListener>, StartError> {
    let brokers = config.listeners().iter().map(|listener| resolve_one(listener, EndpointType::Broker));
    let controllers =
        config.controller_listeners().iter().map(|listener| resolve_one(listener, EndpointType::Controller));
    brokers.chain(controllers).collect()
}

/// The key of the address of metrics and health.
pub(crate) const ADMIN_LISTENER: &str = "millrace.admin.listener";

/// Where metrics and health are to be served.
pub(crate) fn resolve_admin((host, port): (&str, u16)) -> Result<SocketAddr, StartError> {
    look_up(ADMIN_LISTENER, host, port)
}

fn resolve_one(listener: &Listener, endpoint_type: EndpointType) -> Result<BoundListener, StartError> {
    if listener.protocol != SecurityProtocol::Plaintext {
        return Err(StartError::Protocol { listener: listener.name.clone(), protocol: listener.protocol });
    }
    let address = look_up(&listener.name, &listener.host, listener.port)?;
    Ok(BoundListener { name: listener.name.clone(), endpoint_type, address })
}

fn look_up(name: &str, host: &str, port: u16) -> Result<SocketAddr, StartError> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let unknown =
        |reason: String| StartError::UnknownHost { listener: name.to_owned(), host: host.to_owned(), reason };
    let addresses: Vec<SocketAddr> =
        (host, port).to_socket_addrs().map_err(|error| unknown(error.to_string()))?.collect();
    let preferred = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    preferred.copied().ok_or_else(|| unknown("the name resolves to nothing".to_owned()))
}
