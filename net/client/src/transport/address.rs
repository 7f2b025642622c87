//! Names of brokers become addresses.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::error::ClientError;

/// The first address of a `HOST:PORT`.
pub fn resolve(name: &str) -> Result<SocketAddr, ClientError> {
    let mut found = name.to_socket_addrs().map_err(ClientError::io(format!("resolving {name}")))?;
    found.next().ok_or_else(|| ClientError::Usage(format!("{name} has no address")))
}
