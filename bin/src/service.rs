//! Tells the service manager how far the process is (sd_notify): a datagram to the socket that it names.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Names the socket; a name that begins with `@` is in the abstract namespace.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// What the manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Clients are served.
    Ready,
    /// The stop has begun.
    Stopping,
}

/// Tells the manager, if there is one. A manager that does not listen changes nothing here.
pub(crate) fn notify(state: State) {
    let Ok(socket) = std::env::var(SOCKET_VARIABLE) else { return };
    let text = match state {
        State::Ready => "READY=1",
        State::Stopping => "STOPPING=1",
    };
    if let Err(error) = send(&socket, text) {
        tracing::warn!(%error, socket, "the service manager could not be told");
    }
}

fn send(socket: &str, text: &str) -> io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    // A shard may say this: it never waits.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(text.as_bytes(), &address).map(drop)
}
