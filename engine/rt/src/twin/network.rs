//! The simulated network: ordered streams with delays, partial transfers and resets.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::moment::Moment;
use crate::submission::names::{ShardKey, SocketId};
use crate::submission::operation::Pieces;
use crate::submission::slots::SlotId;
use crate::twin::chance::Chance;

/// Bytes that one direction holds before its sender waits.
const WINDOW_BYTES: usize = 256 << 10;
/// One way, in nanoseconds.
const DELAY_NANOS: std::ops::Range<u64> = 5_000..200_000;
const FIRST_EPHEMERAL_PORT: u16 = 32_768;

/// An operation that waits for the network.
pub(crate) type Waiting = (ShardKey, SlotId);

struct Listening {
    node: u32,
    address: SocketAddr,
    backlog: VecDeque<SocketId>,
    waiting: Vec<Waiting>,
}

struct End {
    node: u32,
    peer: SocketId,
    local: SocketAddr,
    remote: SocketAddr,
    inbound: VecDeque<(Moment, Vec<u8>)>,
    inbound_bytes: usize,
    /// Bytes that this end has read.
    taken_bytes: u64,
    /// When the end of the peer's data arrives.
    finished: Option<Moment>,
    reset: bool,
    /// Shut down from this side.
    shut: bool,
    receivers: Vec<Waiting>,
    /// The peer's sends that wait until this end is read.
    senders: Vec<Waiting>,
}

enum Socket {
    Listening(Listening),
    End(End),
}

/// What the world has to do after a change: run these operations again, or look at a socket later.
#[derive(Default)]
pub(crate) struct Stirred {
    pub(crate) retry: Vec<Waiting>,
    pub(crate) later: Vec<(Moment, SocketId)>,
}

#[derive(Default)]
pub(crate) struct Network {
    sockets: BTreeMap<SocketId, Socket>,
    issued: u64,
    ports: u16,
    pub(crate) stirred: Stirred,
}

pub(crate) struct Opened {
    pub(crate) id: SocketId,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
}

impl Network {
    pub(crate) fn bind(&mut self, node: u32, ip: Ipv4Addr, mut address: SocketAddr) -> io::Result<Opened> {
        if address.port() == 0 {
            address.set_port(self.next_port());
        }
        let own = |other: IpAddr| other.is_unspecified() || other.is_loopback() || other == IpAddr::V4(ip);
        if !own(address.ip()) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let in_use = self.sockets.values().any(|socket| match socket {
            Socket::Listening(other) => other.node == node && other.address.port() == address.port(),
            Socket::End(_) => false,
        });
        if in_use {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let listening = Listening { node, address, backlog: VecDeque::new(), waiting: Vec::new() };
        let id = self.add(Socket::Listening(listening));
        Ok(Opened { id, local: address, peer: address })
    }

    /// `target`: the node that has the address, if any.
    pub(crate) fn connect(
        &mut self,
        node: u32,
        ip: Ipv4Addr,
        to: SocketAddr,
        target: Option<u32>,
    ) -> io::Result<Opened> {
        let listener = self.sockets.iter().find_map(|(id, socket)| match socket {
            Socket::Listening(other) => {
                let there = Some(other.node) == target && other.address.port() == to.port();
                there.then_some(*id)
            }
            Socket::End(_) => None,
        });
        let Some((listener, target)) = listener.zip(target) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let local = SocketAddr::new(IpAddr::V4(ip), self.next_port());
        let client = self.add(Socket::End(End::new(node, local, to)));
        let server = self.add(Socket::End(End::new(target, to, local)));
        self.end_mut(client, |end| end.peer = server);
        self.end_mut(server, |end| end.peer = client);
        if let Some(Socket::Listening(listening)) = self.sockets.get_mut(&listener) {
            listening.backlog.push_back(server);
            self.stirred.retry.append(&mut listening.waiting);
        }
        Ok(Opened { id: client, local, peer: to })
    }

    /// None: nothing to accept yet, `waiting` will be run again.
    pub(crate) fn accept(&mut self, listener: SocketId, waiting: Waiting) -> Option<io::Result<Opened>> {
        let Some(Socket::Listening(listening)) = self.sockets.get_mut(&listener) else {
            return Some(Err(bad_descriptor()));
        };
        let Some(id) = listening.backlog.pop_front() else {
            listening.waiting.push(waiting);
            return None;
        };
        match self.sockets.get(&id) {
            Some(Socket::End(end)) => Some(Ok(Opened { id, local: end.local, peer: end.remote })),
            _ => Some(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }

    pub(crate) fn receive(
        &mut self,
        id: SocketId,
        target: &mut [u8],
        now: Moment,
        chance: &mut Chance,
        waiting: Waiting,
    ) -> Option<io::Result<usize>> {
        let Some(Socket::End(end)) = self.sockets.get_mut(&id) else { return Some(Err(bad_descriptor())) };
        if end.reset {
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if end.shut {
            return Some(Ok(0));
        }
        let arrived = end.inbound.front_mut().filter(|(arrival, _)| *arrival <= now);
        let Some((_, chunk)) = arrived else {
            if end.inbound.is_empty() && end.finished.is_some_and(|arrival| arrival <= now) {
                return Some(Ok(0));
            }
            end.receivers.push(waiting);
            return None;
        };
        let count = some_of(chunk.len().min(target.len()), chance);
        for (target, byte) in target.iter_mut().zip(chunk.drain(..count)) {
            *target = byte;
        }
        if chunk.is_empty() {
            end.inbound.pop_front();
        }
        end.inbound_bytes -= count;
        end.taken_bytes += count as u64;
        self.stirred.retry.append(&mut end.senders);
        Some(Ok(count))
    }

    pub(crate) fn send(
        &mut self,
        id: SocketId,
        pieces: &Pieces,
        now: Moment,
        chance: &mut Chance,
        waiting: Waiting,
    ) -> Option<io::Result<usize>> {
        let peer = match self.sockets.get(&id) {
            Some(Socket::End(end)) if end.reset => return Some(Err(io::ErrorKind::ConnectionReset.into())),
            Some(Socket::End(end)) if end.shut => return Some(Err(io::ErrorKind::BrokenPipe.into())),
            Some(Socket::End(end)) => end.peer,
            _ => return Some(Err(bad_descriptor())),
        };
        let Some(Socket::End(end)) = self.sockets.get_mut(&peer) else {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let room = WINDOW_BYTES - end.inbound_bytes;
        if room == 0 {
            end.senders.push(waiting);
            return None;
        }
        let count = some_of(pieces.byte_count().min(room), chance);
        let mut data = Vec::with_capacity(count);
        for piece in pieces.remaining() {
            let rest = count - data.len();
            data.extend_from_slice(piece.get(..piece.len().min(rest)).unwrap_or_default());
        }
        let arrival = end.next_arrival(now, chance);
        end.inbound.push_back((arrival, data));
        end.inbound_bytes += count;
        self.stirred.later.push((arrival, peer));
        Some(Ok(count))
    }

    /// What the peer of this end has read; nothing where there is none any more.
    pub(crate) fn taken_bytes(&self, id: SocketId) -> Option<u64> {
        let Some(Socket::End(end)) = self.sockets.get(&id) else { return None };
        match self.sockets.get(&end.peer) {
            Some(Socket::End(peer)) => Some(peer.taken_bytes),
            _ => None,
        }
    }

    /// Whether the end of the peer's data has arrived, read or not, or the connection is no more.
    pub(crate) fn has_peer_ended(&self, id: SocketId, now: Moment) -> bool {
        let Some(Socket::End(end)) = self.sockets.get(&id) else { return true };
        end.reset || end.shut || end.finished.is_some_and(|arrival| arrival <= now)
    }

    /// Both directions end; the peer sees the end of the data.
    pub(crate) fn shutdown(&mut self, id: SocketId, now: Moment, chance: &mut Chance) {
        let Some(Socket::End(end)) = self.sockets.get_mut(&id) else { return };
        end.shut = true;
        self.stirred.retry.append(&mut end.receivers);
        let peer = end.peer;
        self.finish(peer, now, chance);
        if let Some(Socket::End(peer)) = self.sockets.get_mut(&peer) {
            self.stirred.retry.append(&mut peer.senders);
        }
    }

    /// The last owner is gone. Unread data reset the connection, as in TCP.
    pub(crate) fn close(&mut self, id: SocketId, now: Moment, chance: &mut Chance) {
        match self.sockets.remove(&id) {
            Some(Socket::Listening(listening)) => {
                for waiting in listening.backlog {
                    self.close(waiting, now, chance);
                }
            }
            Some(Socket::End(mut end)) => {
                self.stirred.retry.append(&mut end.senders);
                if end.inbound.is_empty() {
                    self.finish(end.peer, now, chance);
                } else {
                    self.reset(end.peer);
                }
            }
            None => {}
        }
    }

    pub(crate) fn crash(&mut self, node: u32) {
        let of_node = |socket: &Socket| match socket {
            Socket::Listening(listening) => listening.node == node,
            Socket::End(end) => end.node == node,
        };
        let gone: Vec<SocketId> =
            self.sockets.iter().filter(|(_, socket)| of_node(socket)).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(Socket::End(mut end)) = self.sockets.remove(&id) {
                self.stirred.retry.append(&mut end.senders);
                self.reset(end.peer);
            }
        }
    }

    /// Data or the end of them have arrived.
    pub(crate) fn arrived(&mut self, id: SocketId) {
        if let Some(Socket::End(end)) = self.sockets.get_mut(&id) {
            self.stirred.retry.append(&mut end.receivers);
        }
    }

    /// Takes an operation off all waiting lists; false if it was on none.
    pub(crate) fn forget(&mut self, waiting: Waiting) -> bool {
        let mut found = false;
        let mut strike = |list: &mut Vec<Waiting>| {
            let before = list.len();
            list.retain(|other| *other != waiting);
            found |= list.len() < before;
        };
        for socket in self.sockets.values_mut() {
            match socket {
                Socket::Listening(listening) => strike(&mut listening.waiting),
                Socket::End(end) => {
                    strike(&mut end.receivers);
                    strike(&mut end.senders);
                }
            }
        }
        found
    }

    fn finish(&mut self, id: SocketId, now: Moment, chance: &mut Chance) {
        if let Some(Socket::End(end)) = self.sockets.get_mut(&id)
            && end.finished.is_none()
        {
            let arrival = end.next_arrival(now, chance);
            end.finished = Some(arrival);
            self.stirred.later.push((arrival, id));
        }
    }

    fn reset(&mut self, id: SocketId) {
        if let Some(Socket::End(end)) = self.sockets.get_mut(&id) {
            end.reset = true;
            self.stirred.retry.append(&mut end.receivers);
            self.stirred.retry.append(&mut end.senders);
        }
    }

    fn add(&mut self, socket: Socket) -> SocketId {
        self.issued += 1;
        let id = SocketId(self.issued);
        self.sockets.insert(id, socket);
        id
    }

    fn end_mut(&mut self, id: SocketId, change: impl FnOnce(&mut End)) {
        if let Some(Socket::End(end)) = self.sockets.get_mut(&id) {
            change(end);
        }
    }

    fn next_port(&mut self) -> u16 {
        self.ports = (self.ports + 1) % (u16::MAX - FIRST_EPHEMERAL_PORT);
        FIRST_EPHEMERAL_PORT + self.ports
    }
}

impl End {
    fn new(node: u32, local: SocketAddr, remote: SocketAddr) -> End {
        End {
            node,
            peer: SocketId(0),
            local,
            remote,
            inbound: VecDeque::new(),
            inbound_bytes: 0,
            taken_bytes: 0,
            finished: None,
            reset: false,
            shut: false,
            receivers: Vec::new(),
            senders: Vec::new(),
        }
    }

    /// In order: never before what was sent earlier.
    fn next_arrival(&self, now: Moment, chance: &mut Chance) -> Moment {
        let arrival = now + chance.nanos(DELAY_NANOS);
        self.inbound.back().map_or(arrival, |(last, _)| arrival.max(*last))
    }
}

/// All, or sometimes only a part: transfers may always be short.
fn some_of(count: usize, chance: &mut Chance) -> usize {
    if count > 1 && chance.one_in(4) { 1 + chance.index(count) } else { count }
}

fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}
