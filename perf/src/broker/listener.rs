//! The process that listens on a port of this machine, found as the kernel lists sockets.

use std::net::SocketAddr;

use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use procfs::process::{FDTarget, all_processes};

use super::process::Process;

/// The process behind a loopback address; `None` for other machines,
/// and for processes that are not ours to look at.
pub(crate) fn listener_of(address: SocketAddr) -> Option<Process> {
    if !address.ip().is_loopback() {
        return None;
    }
    let tables = [tcp(), tcp6()].into_iter().flatten();
    let sockets: Vec<u64> = tables.flat_map(|table| listening(&table, address.port())).collect();
    all_processes().ok()?.flatten().find_map(|process| {
        let mut descriptors = process.fd().ok()?.flatten();
        let listens = descriptors.any(|descriptor| match descriptor.target {
            FDTarget::Socket(inode) => sockets.contains(&inode),
            _ => false,
        });
        listens.then_some(Process { id: process.pid.unsigned_abs() })
    })
}

/// Inodes of the sockets that listen on the port.
fn listening(table: &[TcpNetEntry], port: u16) -> Vec<u64> {
    let sockets = table.iter().filter(|socket| socket.state == TcpState::Listen);
    sockets.filter(|socket| socket.local_address.port() == port).map(|socket| socket.inode).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "a listener to be found")]
mod tests {
    use super::*;
    use procfs::net::TcpNetEntries;
    use procfs::{FromBufReadSI, current_system_info};
    use std::net::{Ipv4Addr, TcpListener};

    const TABLE: &str = "\
    \x20 sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
    0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n\
    1: 0100007F:2384 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n\
    2: 0100007F:2385 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n";

    #[test]
    fn the_table_names_sockets_by_port_and_state() {
        let TcpNetEntries(table) =
            TcpNetEntries::from_buf_read(TABLE.as_bytes(), current_system_info()).unwrap();
        assert_eq!(listening(&table, 0x2384), [4711]);
        assert!(listening(&table, 1).is_empty());
    }

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let found = listener_of(listener.local_addr().unwrap());
        assert_eq!(found.map(|process| process.id), Some(std::process::id()));
        assert_eq!(listener_of("192.0.2.1:9092".parse().unwrap()), None);
    }
}
