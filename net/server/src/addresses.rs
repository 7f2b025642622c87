//! Where the broker listens: configured names become addresses before anything is opened.

use std::net::{SocketAddr, ToSocketAddrs};

use millrace_core::base::config::{Listener, SecurityProtocol};

use crate::start_error::StartError;

/// A listener and its address: as it is wanted, and once it is open as it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundListener {
    pub name: String,
    pub address: SocketAddr,
}

/// Where each configured listener is to listen. Resolves names, so it may block: called before any shard runs.
pub(crate) fn resolve(listeners: &[Listener]) -> Result<Vec<BoundListener>, StartError> {
    listeners.iter().map(resolve_one).collect()
}

/// Where metrics and health are to be served.
pub(crate) fn resolve_admin((host, port): (&str, u16)) -> Result<BoundListener, StartError> {
    look_up("millrace.admin.listener", host, port)
}

fn resolve_one(listener: &Listener) -> Result<BoundListener, StartError> {
    if listener.protocol != SecurityProtocol::Plaintext {
        return Err(StartError::Protocol { listener: listener.name.clone(), protocol: listener.protocol });
    }
    look_up(&listener.name, &listener.host, listener.port)
}

fn look_up(name: &str, host: &str, port: u16) -> Result<BoundListener, StartError> {
    let name = name.to_owned();
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let unknown =
        |reason: String| StartError::UnknownHost { listener: name.clone(), host: host.to_owned(), reason };
    let addresses: Vec<SocketAddr> =
        (host, port).to_socket_addrs().map_err(|error| unknown(error.to_string()))?.collect();
    let preferred = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let address = *preferred.ok_or_else(|| unknown("the name resolves to nothing".to_owned()))?;
    Ok(BoundListener { name, address })
}
