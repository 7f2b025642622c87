//! Listeners: opened by the first shard, which deals every accepted connection to the least loaded one.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::config;
use millrace_core::base::config::SecurityProtocol;
use millrace_rt::{DetachedStream, Either, Listener, select};
use tracing::warn;

use crate::conn::parcel::Parcel;
use crate::host::Host;
use crate::start_error::StartError;

/// How long to wait before accepting again when the process has no descriptor or memory left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener's address as it was really opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundListener {
    pub name: String,
    pub address: SocketAddr,
}

/// Where each configured listener is to listen. Resolves names, so it may block: called before any shard runs.
pub(crate) fn resolve(listeners: &[config::Listener]) -> Result<Vec<BoundListener>, StartError> {
    listeners.iter().map(resolve_one).collect()
}

fn resolve_one(listener: &config::Listener) -> Result<BoundListener, StartError> {
    let name = listener.name.clone();
    if listener.protocol != SecurityProtocol::Plaintext {
        return Err(StartError::Protocol { listener: name, protocol: listener.protocol });
    }
    let host = if listener.host.is_empty() { "0.0.0.0" } else { &listener.host };
    let unknown =
        |reason: String| StartError::UnknownHost { listener: name.clone(), host: host.to_owned(), reason };
    let addresses: Vec<SocketAddr> =
        (host, listener.port).to_socket_addrs().map_err(|error| unknown(error.to_string()))?.collect();
    let preferred = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let address = *preferred.ok_or_else(|| unknown("the name resolves to nothing".to_owned()))?;
    Ok(BoundListener { name, address })
}

/// Opens every listener or none. Port 0 is replaced by the port that the system chose.
pub(crate) async fn open(wanted: &[BoundListener]) -> Result<Vec<(Listener, BoundListener)>, StartError> {
    let mut opened = Vec::with_capacity(wanted.len());
    for BoundListener { name, address } in wanted {
        let error = |error: io::Error| StartError::listen(name, *address, &error);
        let listener = Listener::bind(*address).await.map_err(error)?;
        let address = listener.local_addr();
        opened.push((listener, BoundListener { name: name.clone(), address }));
    }
    Ok(opened)
}

/// Accepts connections until the broker stops. `number` is the listener's place in the configuration.
pub(crate) async fn accept(host: Rc<Host>, listener: Listener, number: usize) {
    let stop = host.node.stop_gate();
    loop {
        match select(listener.accept(), stop.wait()).await {
            Either::Left(Ok(stream)) => deal(&host, stream, number).await,
            Either::Left(Err(error)) => {
                warn!(%error, "a connection could not be accepted");
                millrace_rt::sleep(ACCEPT_PAUSE).await;
            }
            Either::Right(()) => return,
        }
    }
}

/// Gives a new connection to the shard with the fewest; past the broker's bound it is closed.
async fn deal(host: &Rc<Host>, stream: DetachedStream, listener: usize) {
    let Some(shard) = host.node.least_loaded() else {
        warn!("max.connections is reached; a connection is refused");
        return;
    };
    host.node.connection_opened(shard);
    let parcel = Parcel { stream, listener, leftover: Vec::new(), sessions: Vec::new() };
    host.shard.hand_over(shard, Box::new(parcel)).await;
}
