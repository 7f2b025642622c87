//! TCP: listeners and connections of the current shard, and connections on their way to another.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use crate::io::file::count_of;
use crate::io::fs::{request, unexpected};
use crate::memory::block::Block;
use crate::shard;
use crate::submission::operation::{
    Connected, DiskAnswer, DiskRequest, Operation, Outcome, Pieces, SocketHandle,
};

/// The addresses of a host, as the system's resolver knows them.
/// In a world hosts are named after theirs: `ip-10-0-0-1`.
pub async fn addresses_of(host: &str) -> io::Result<Vec<IpAddr>> {
    match request(DiskRequest::AddressesOf(host.to_owned())).await? {
        DiskAnswer::Addresses(addresses) => Ok(addresses),
        _ => Err(unexpected()),
    }
}

/// A bound and listening socket. A port in use is `AddrInUse`: SO_REUSEPORT is never set.
pub struct Listener {
    socket: Arc<SocketHandle>,
    local: SocketAddr,
}

impl Listener {
    /// Port 0 takes a free one; `local_addr` says which.
    pub async fn bind(address: SocketAddr) -> io::Result<Listener> {
        let bound = shard::current().kernel.bind(address)?;
        Ok(Listener { socket: Arc::new(bound.socket), local: bound.local })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next connection. If the future is dropped a connection that was just accepted is closed.
    pub async fn accept(&self) -> io::Result<DetachedStream> {
        let listener = Arc::clone(&self.socket);
        let (_, answer) = shard::current().start(Operation::Accept { listener }).await;
        match answer? {
            Outcome::Connected(connected) => Ok(DetachedStream { connected }),
            Outcome::Count(_) | Outcome::Disk(_) => Err(unexpected()),
        }
    }
}

/// A connection between two shards: nothing is in flight, any shard may attach it. Dropping it closes it.
pub struct DetachedStream {
    connected: Connected,
}

impl DetachedStream {
    pub fn peer_addr(&self) -> SocketAddr {
        self.connected.peer
    }
}

/// A connection of the current shard. One reader and one writer may share it in an `Rc`. Dropping it closes
/// the connection after the last operation in flight.
pub struct Stream {
    socket: Arc<SocketHandle>,
    peer: SocketAddr,
    local: SocketAddr,
}

impl Stream {
    pub fn attach(detached: DetachedStream) -> Stream {
        let Connected { socket, peer, local } = detached.connected;
        Stream { socket: Arc::new(socket), peer, local }
    }

    /// Takes the connection off this shard. No operation may be in flight,
    /// not even one whose future was dropped.
    pub fn detach(self) -> DetachedStream {
        let Ok(socket) = Arc::try_unwrap(self.socket) else {
            panic!("a connection was detached while an operation was in flight");
        };
        DetachedStream { connected: Connected { socket, peer: self.peer, local: self.local } }
    }

    /// TCP_NODELAY is always set.
    pub async fn connect(to: SocketAddr) -> io::Result<Stream> {
        let shard = shard::current();
        let socket = shard.kernel.outgoing(to)?.map(Arc::new);
        let connect = Operation::Connect { socket: socket.clone(), to, address: Box::new(to.into()) };
        let (_, answer) = shard.start(connect).await;
        match (answer?, socket) {
            (Outcome::Connected(connected), None) => Ok(Stream::attach(DetachedStream { connected })),
            (Outcome::Count(_), Some(socket)) => Stream::connected(socket),
            _ => Err(unexpected()),
        }
    }

    /// Receives into `block` from byte `from` on. 0: the peer sends no more. If the future is dropped, bytes
    /// that arrive meanwhile are lost: close the connection then.
    pub async fn recv(&self, block: Block, from: usize) -> (io::Result<usize>, Block) {
        let socket = Arc::clone(&self.socket);
        match shard::current().start(Operation::Recv { socket, block, from }).await {
            (Operation::Recv { block, .. }, answer) => (count_of(answer), block),
            _ => panic!("a slot changed its operation"),
        }
    }

    /// Sends all pieces in order, any number of them.
    /// If the future is dropped an unknown part was sent: close the connection then.
    pub async fn send(&self, pieces: Vec<Bytes>) -> io::Result<()> {
        let shard = shard::current();
        let mut pieces = Pieces::new(pieces);
        while !pieces.is_empty() {
            let socket = Arc::clone(&self.socket);
            let (Operation::Send { pieces: rest, .. }, answer) =
                shard.start(Operation::Send { socket, pieces }).await
            else {
                panic!("a slot changed its operation");
            };
            let sent = count_of(answer)?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            pieces = rest;
            pieces.advance(sent);
        }
        Ok(())
    }

    /// Ends both directions: a receive in flight ends with 0, a send with an error.
    pub fn shutdown(&self) {
        shard::current().kernel.shutdown(&self.socket);
    }

    /// Bytes that the peer has taken so far: a number that stands still while a send waits tells of a peer
    /// that reads nothing. Nothing where the kernel does not say.
    pub fn taken_bytes(&self) -> Option<u64> {
        shard::current().kernel.taken_bytes(&self.socket)
    }

    /// Whether the peer sends no more, or is gone: what a receive would tell, behind all that is still to be
    /// received. Looks once and waits for nothing.
    pub fn has_peer_ended(&self) -> bool {
        shard::current().kernel.has_peer_ended(&self.socket)
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn connected(socket: Arc<SocketHandle>) -> io::Result<Stream> {
        let (peer, local) = crate::kernel::addresses_of(&socket)?;
        Ok(Stream { socket, peer, local })
    }
}
