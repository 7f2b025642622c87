//! Listeners. The first shard opens them and hands every accepted connection to the least loaded shard.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::ShardIndex;
use millrace_core::meta::QuotaKey;
use millrace_rt::{DetachedStream, Either, Listener, select};
use tracing::{info, warn};

use crate::broker::addresses::BoundListener;
use crate::broker::start_error::StartError;
use crate::conn::connection::Identity;
use crate::conn::moving_connection::MovingConnection;
use crate::shard_server::ShardServer;

/// The pause before the next accept when the process has no descriptor or memory left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The number of connections that are held before they are closed. Further ones are closed at once. Each
/// takes one of the descriptors that `DescriptorShares` leaves for the process itself.
const HELD_MAX: u32 = 16;

/// How long a port in use is tried again. The kernel frees the ring of a killed process, and the sockets in
/// it, some time after the process is gone (0.2 s on a busy machine).
/// A broker that is restarted at once must not fail because of that.
const PORT_PATIENCE: Duration = Duration::from_secs(2);
const PORT_PAUSE: Duration = Duration::from_millis(20);

/// Opens every listener or none. Port 0 is replaced by the port that the system chose.
pub(crate) async fn open(wanted: &[BoundListener]) -> Result<Vec<(Listener, BoundListener)>, StartError> {
    let mut opened = Vec::with_capacity(wanted.len());
    for listener in wanted {
        let BoundListener { name, address, .. } = listener;
        let error = |error: io::Error| StartError::listen(name, *address, &error);
        let open = bind(*address).await.map_err(error)?;
        let address = open.local_addr();
        opened.push((open, BoundListener { address, ..listener.clone() }));
    }
    Ok(opened)
}

async fn bind(address: SocketAddr) -> io::Result<Listener> {
    let end = millrace_rt::now() + PORT_PATIENCE;
    loop {
        match Listener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && millrace_rt::now() < end => {
                millrace_rt::sleep(PORT_PAUSE).await;
            }
            bound => return bound,
        }
    }
}

/// Accepts connections until the broker stops. `number` is the listener's place in the configuration.
pub(crate) async fn accept(server: Rc<ShardServer>, listener: Listener, number: usize) {
    let stop = server.broker.stop_gate();
    loop {
        match select(listener.accept(), stop.wait()).await {
            Either::Left(Ok(stream)) => deal(&server, stream, number).await,
            Either::Left(Err(error)) => {
                warn!(%error, "a connection could not be accepted");
                millrace_rt::sleep(ACCEPT_PAUSE).await;
            }
            Either::Right(()) => return,
        }
    }
}

/// Gives a new connection to the shard with the fewest connections.
/// Closes it if the broker or the address has too many.
async fn deal(server: &Rc<ShardServer>, stream: DetachedStream, listener: usize) {
    let (rates, meters) = (server.broker.address_rates(), server.broker.meters());
    let address = stream.peer_addr().ip();
    if let Err(rest) = rates.enter(address, meters, server.broker.config(), millrace_rt::now()) {
        server.counts.throttled(QuotaKey::ConnectionCreationRate, rest);
        hold(server, stream, rest);
        return;
    }
    let Some(shard) = admit(server, stream.peer_addr()) else { return };
    server.counts.connections.accepted.increment();
    server.broker.connection_opened(shard);
    let moving = MovingConnection {
        stream,
        listener,
        leftover: Vec::new(),
        sessions: Vec::new(),
        identity: Identity::default(),
    };
    server.shard.hand_over(shard, Box::new(moving)).await;
}

/// Closes a connection of an address that makes too many, but only when the address may connect again: until
/// then its client does not try again (KIP-612).
fn hold(server: &Rc<ShardServer>, stream: DetachedStream, rest: Duration) {
    if server.counts.held_connections.get() >= HELD_MAX {
        return;
    }
    server.counts.held_connections.set(server.counts.held_connections.get() + 1);
    let server = server.clone();
    millrace_rt::spawn(async move {
        select(millrace_rt::sleep(rest), server.broker.stop_gate().wait()).await;
        drop(stream);
        server.counts.held_connections.set(server.counts.held_connections.get() - 1);
    });
}

/// Returns the shard for a connection, or `None` if the connection is refused.
fn admit(server: &ShardServer, peer: SocketAddr) -> Option<ShardIndex> {
    let (image, limits) = (server.shard.image(), &server.counts.limits);
    let config = image.config_layers(server.broker.config());
    let configured = u32::try_from(config.max_connections()).unwrap_or(u32::MAX);
    let possible = server.broker.connections_max();
    let Some(shard) = server.broker.least_loaded(configured.min(possible)) else {
        if configured <= possible {
            limits.connections.increment();
            warn!(%peer, "max.connections is reached; a connection is refused");
        } else {
            limits.descriptors.increment();
            warn!(%peer, connections = possible, "no descriptor is left for a connection; raise LimitNOFILE");
        }
        return None;
    };
    if !server.broker.address_counts().enter(peer.ip(), &config) {
        limits.address_connections.increment();
        info!(%peer, "a connection is refused: its address has as many as max.connections.per.ip allows");
        return None;
    }
    Some(shard)
}
