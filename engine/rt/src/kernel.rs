//! The two kernels below the shared code: the real one and the simulated world. One branch per operation.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use crate::moment::Moment;
use crate::submission::operation::SocketHandle;
use crate::submission::slots::SlotId;
use crate::twin::port::Port;
use crate::uring::ring::Ring;
use crate::uring::tasks::HostedTasks;

pub(crate) enum Kernel {
    Uring(Box<Host>),
    World(Port),
}

/// The real kernel of one shard.
pub(crate) struct Host {
    pub(crate) ring: Ring,
    pub(crate) tasks: HostedTasks,
}

/// A listening socket and the address it got.
pub(crate) struct Bound {
    pub(crate) socket: SocketHandle,
    pub(crate) local: SocketAddr,
}

impl Kernel {
    pub(crate) fn submit(&self, id: SlotId) {
        match self {
            Kernel::Uring(host) => host.ring.submit(id),
            Kernel::World(port) => port.submit(id),
        }
    }

    /// What was submitted so far begins now.
    pub(crate) fn hand_over(&self) {
        match self {
            Kernel::Uring(host) => host.ring.hand_over(),
            Kernel::World(_) => {}
        }
    }

    pub(crate) fn cancel(&self, id: SlotId) {
        match self {
            Kernel::Uring(host) => host.ring.cancel(id),
            Kernel::World(port) => port.cancel(id),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        match self {
            Kernel::Uring(_) => process_now(),
            Kernel::World(port) => port.now(),
        }
    }

    pub(crate) fn wall_now_ms(&self) -> i64 {
        match self {
            Kernel::Uring(_) => process_wall_ms(),
            Kernel::World(port) => port.wall_now_ms(),
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        match self {
            Kernel::Uring(host) => host.tasks.spawn(task),
            Kernel::World(port) => port.spawn(Box::pin(task)),
        }
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<Bound> {
        match self {
            Kernel::Uring(_) => listen(address),
            Kernel::World(port) => port.bind(address).map(|(socket, local)| Bound { socket, local }),
        }
    }

    /// A socket for an outgoing connection; the simulated world makes it when it connects.
    pub(crate) fn outgoing(&self, to: SocketAddr) -> io::Result<Option<SocketHandle>> {
        match self {
            Kernel::Uring(_) => {
                let socket = new_socket(to)?;
                socket.set_tcp_nodelay(true)?;
                Ok(Some(SocketHandle::Uring(socket.into())))
            }
            Kernel::World(_) => Ok(None),
        }
    }

    /// Bytes that the peer of a connection has taken; nothing where it cannot be known.
    pub(crate) fn taken_bytes(&self, socket: &SocketHandle) -> Option<u64> {
        match (self, socket) {
            (Kernel::World(port), SocketHandle::World(socket)) => port.taken_bytes(socket.id),
            (Kernel::Uring(_), SocketHandle::Uring(fd)) => crate::uring::progress::acknowledged_bytes(fd),
            _ => panic!("a socket of the other kernel"),
        }
    }

    /// Whether the peer of a connection has closed its end.
    pub(crate) fn has_peer_ended(&self, socket: &SocketHandle) -> bool {
        match (self, socket) {
            (Kernel::World(port), SocketHandle::World(socket)) => port.has_peer_ended(socket.id),
            (Kernel::Uring(_), SocketHandle::Uring(fd)) => crate::uring::progress::has_peer_ended(fd),
            _ => panic!("a socket of the other kernel"),
        }
    }

    /// Ends both directions of a connection.
    pub(crate) fn shutdown(&self, socket: &SocketHandle) {
        match (self, socket) {
            (Kernel::World(port), SocketHandle::World(socket)) => port.shutdown(socket.id),
            (Kernel::Uring(_), SocketHandle::Uring(fd)) => {
                // A connection that the peer has reset is shut already.
                let _ = socket2::SockRef::from(fd).shutdown(std::net::Shutdown::Both);
            }
            _ => panic!("a socket of the other kernel"),
        }
    }
}

/// Connections that wait to be accepted, at most; the kernel caps it further.
const BACKLOG: i32 = 1024;

fn new_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let domain = socket2::Domain::for_address(address);
    socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))
}

fn listen(address: SocketAddr) -> io::Result<Bound> {
    let socket = new_socket(address)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    Ok(Bound { socket: SocketHandle::Uring(socket.into()), local })
}

#[expect(clippy::disallowed_methods, reason = "the clock of the real kernel is read here and nowhere else")]
pub(crate) fn process_now() -> Moment {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let since = Instant::now().saturating_duration_since(*ORIGIN.get_or_init(Instant::now));
    Moment::ZERO + since
}

#[expect(clippy::disallowed_methods, reason = "the clock of the real kernel is read here and nowhere else")]
fn process_wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Peer and local address of a connected socket of the real kernel.
pub(crate) fn addresses_of(socket: &SocketHandle) -> io::Result<(SocketAddr, SocketAddr)> {
    match socket {
        SocketHandle::Uring(fd) => crate::uring::ring::addresses(&socket2::SockRef::from(fd)),
        SocketHandle::World(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}
