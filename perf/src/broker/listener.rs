//! The process that listens on a port of this machine, found as the kernel lists sockets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::process::Process;
use crate::disk;

/// In the tables of /proc/net the state of a socket that listens, and where the fields stand.
const LISTENING: &str = "0A";
const LOCAL_FIELD: usize = 1;
const STATE_FIELD: usize = 3;
const INODE_FIELD: usize = 9;
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The process behind a loopback address; `None` for other machines,
/// and for processes that are not ours to look at.
pub(crate) fn listener_of(address: SocketAddr) -> Option<Process> {
    if !address.ip().is_loopback() {
        return None;
    }
    let tables = TABLES.iter().map(|table| disk::read_text(Path::new(table)).unwrap_or_default());
    let sockets: Vec<PathBuf> = tables.flat_map(|table| listening(&table, address.port())).collect();
    let processes = disk::list(Path::new("/proc"));
    processes.iter().find_map(|path| {
        let id = path.file_name()?.to_string_lossy().parse().ok()?;
        let descriptors = disk::list(&path.join("fd"));
        let listens = |descriptor: &PathBuf| {
            disk::link_target(descriptor).is_some_and(|target| sockets.contains(&target))
        };
        descriptors.iter().any(listens).then_some(Process { id })
    })
}

/// Sockets that listen on the port, as links to descriptors name them.
fn listening(table: &str, port: u16) -> Vec<PathBuf> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, listens_on) = fields.get(LOCAL_FIELD)?.rsplit_once(':')?;
        let is_it =
            u16::from_str_radix(listens_on, 16).ok()? == port && *fields.get(STATE_FIELD)? == LISTENING;
        is_it.then(|| PathBuf::from(format!("socket:[{}]", fields.get(INODE_FIELD).unwrap_or(&"-"))))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "a listener to be found")]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    const TABLE: &str = "\
    \x20 sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
    0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n\
    1: 0100007F:2384 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n\
    2: 0100007F:2385 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n";

    #[test]
    fn the_table_names_sockets_by_port_and_state() {
        assert_eq!(listening(TABLE, 0x2384), [PathBuf::from("socket:[4711]")]);
        assert!(listening(TABLE, 1).is_empty());
    }

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let found = listener_of(listener.local_addr().unwrap());
        assert_eq!(found.map(|process| process.id), Some(std::process::id()));
        assert_eq!(listener_of("192.0.2.1:9092".parse().unwrap()), None);
    }
}
