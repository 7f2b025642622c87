//! How far the peer of a connection has come: what the kernel's TCP says of it.
#![allow(unsafe_code)]
// `unsafe` here: a socket option that neither socket2 nor libc's structure knows whole,
// read into plain words.

use std::os::fd::{AsRawFd, OwnedFd};

/// Where `tcpi_bytes_acked` stands in `struct tcp_info` (since Linux 4.1), in words of 8 bytes.
const BYTES_ACKED_WORD: usize = 15;

/// `tcpi_state` of a connection of which neither end has been closed (`TCP_ESTABLISHED`);
/// the structure's first byte.
const ESTABLISHED: u8 = 1;

/// Bytes that the peer has acknowledged; nothing where the kernel does not say.
pub(crate) fn acknowledged_bytes(socket: &OwnedFd) -> Option<u64> {
    tcp_info(socket).map(|words| words[BYTES_ACKED_WORD])
}

/// Whether the peer has closed its end, or the connection is gone; false where the kernel does not say.
pub(crate) fn has_peer_ended(socket: &OwnedFd) -> bool {
    let state = tcp_info(socket).map(|[first, ..]| first.to_ne_bytes()).map(|[state, ..]| state);
    state.is_some_and(|state| state != ESTABLISHED)
}

fn tcp_info(socket: &OwnedFd) -> Option<[u64; BYTES_ACKED_WORD + 1]> {
    let mut words = [0u64; BYTES_ACKED_WORD + 1];
    let mut length = u32::try_from(size_of_val(&words)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, all of which belong to `words`,
    // and any bytes are valid words.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            words.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let is_whole = usize::try_from(length).is_ok_and(|length| length == size_of_val(&words));
    (result == 0 && is_whole).then_some(words)
}
