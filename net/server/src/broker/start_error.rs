//! Why a broker does not start; each says what to do.

use std::io;
use std::net::SocketAddr;

use millrace_core::base::config::SecurityProtocol;
use millrace_shard::OpenError;
use thiserror::Error;

/// Returned by [`crate::Broker::run`] and [`crate::serve_shard`].
#[derive(Debug, Clone, Error)]
pub enum StartError {
    #[error("listener {listener}: {address} is in use by another process; stop it or choose another port")]
    PortInUse { listener: String, address: SocketAddr },
    #[error("listener {listener}: no permission to listen on {address}; choose a port from 1024 up")]
    PortNotPermitted { listener: String, address: SocketAddr },
    #[error(
        "listener {listener}: {address} is not an address of this machine; listen on 0.0.0.0 or one of its own"
    )]
    NotOurAddress { listener: String, address: SocketAddr },
    #[error("listener {listener}: cannot listen on {address}: {reason}")]
    Listen { listener: String, address: SocketAddr, reason: String },
    #[error("listener {listener}: the host {host} has no address: {reason}")]
    UnknownHost { listener: String, host: String, reason: String },
    #[error("listener {listener}: {protocol} is not served yet; use PLAINTEXT")]
    Protocol { listener: String, protocol: SecurityProtocol },
    #[error(transparent)]
    Open(#[from] OpenError),
    /// io_uring, memory or descriptors are missing; the message says which.
    #[error("{0}")]
    Runtime(String),
}

impl StartError {
    /// The error of opening a listener, by its cause.
    pub(crate) fn listen(listener: &str, address: SocketAddr, error: &io::Error) -> StartError {
        let listener = listener.to_owned();
        match error.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse { listener, address },
            io::ErrorKind::PermissionDenied => StartError::PortNotPermitted { listener, address },
            io::ErrorKind::AddrNotAvailable => StartError::NotOurAddress { listener, address },
            _ => StartError::Listen { listener, address, reason: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_listening_say_what_to_do() {
        for (kind, advice) in [
            (io::ErrorKind::AddrInUse, "choose another port"),
            (io::ErrorKind::PermissionDenied, "from 1024 up"),
            (io::ErrorKind::AddrNotAvailable, "listen on 0.0.0.0"),
            (io::ErrorKind::OutOfMemory, "cannot listen on 127.0.0.1:80"),
        ] {
            let error = StartError::listen("PLAINTEXT", SocketAddr::from(([127, 0, 0, 1], 80)), &kind.into());
            assert!(error.to_string().contains(advice), "{error}");
        }
    }
}
