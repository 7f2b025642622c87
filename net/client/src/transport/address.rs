//! Names of brokers become addresses.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::failure::Failure;

/// The first address of a `HOST:PORT`.
pub fn resolve(name: &str) -> Result<SocketAddr, Failure> {
    let mut found = name.to_socket_addrs().map_err(Failure::io(format!("resolving {name}")))?;
    found.next().ok_or_else(|| Failure::Usage(format!("{name} has no address")))
}
