//! The state of a simulated world below its shards: nodes, events in virtual time,
//! and the carrying out of operations.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::moment::Moment;
use crate::submission::names::{ShardKey, SocketId};
use crate::submission::notes::Notes;
use crate::submission::operation::{
    Answer, Connected, DiskRequest, Operation, Outcome, SocketHandle, TwinSocket,
};
use crate::submission::slots::{SlotId, Slots};
use crate::twin::chance::Chance;
use crate::twin::disk::{Crash, Stop};
use crate::twin::network::{Network, Opened};
use crate::twin::storage::Storage;

/// Latencies of operations, in nanoseconds.
const DISK_NANOS: std::ops::Range<u64> = 20_000..400_000;
/// A computation on a thread of its own: as long as the largest that is given there, an inflated batch,
/// may take.
const WORK_NANOS: std::ops::Range<u64> = 20_000..20_000_000;
const SOCKET_NANOS: std::ops::Range<u64> = 1_000..20_000;
const BELL_NANOS: std::ops::Range<u64> = 500..60_000;

pub(crate) type Body = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Operation(ShardKey, SlotId),
    Cancel(ShardKey, SlotId),
    Attend(ShardKey),
    Arrival(SocketId),
}

/// One simulated machine.
pub(crate) struct Node {
    pub(crate) ip: Ipv4Addr,
    pub(crate) boot: u32,
    pub(crate) running: bool,
    /// Set by the node itself, carried out by the world.
    pub(crate) ending: Option<String>,
    pub(crate) end_reason: Option<String>,
    /// Main futures that have not ended.
    pub(crate) mains: u16,
    pub(crate) storage: Storage,
    pub(crate) slots: Vec<Rc<Slots>>,
}

impl Node {
    pub(crate) fn new(ip: Ipv4Addr) -> Node {
        Node {
            ip,
            boot: 0,
            running: false,
            ending: None,
            end_reason: None,
            mains: 0,
            storage: Storage::new(),
            slots: Vec::new(),
        }
    }
}

/// What an operation takes the time of.
enum Takes {
    Disk,
    Socket,
    Work,
}

/// What came of running an operation.
pub(crate) enum Performed {
    Answered(Answer),
    /// It waits for the network, or its shard is gone.
    Waiting,
    /// The planned crash comes before it.
    Crash(Crash),
}

pub(crate) struct Twin {
    pub(crate) now: Moment,
    pub(crate) chance: Chance,
    events: BTreeMap<(Moment, u64), Event>,
    issued: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) notes: Arc<Notes>,
    pub(crate) spawned: Vec<(ShardKey, Body)>,
    pub(crate) lines: Vec<String>,
}

impl Twin {
    pub(crate) fn new(seed: u64) -> Twin {
        Twin {
            now: Moment::ZERO,
            chance: Chance::new(seed),
            events: BTreeMap::new(),
            issued: 0,
            nodes: Vec::new(),
            network: Network::default(),
            notes: Arc::default(),
            spawned: Vec::new(),
            lines: Vec::new(),
        }
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.lines.push(format!("{:?} {text}", self.now));
    }

    pub(crate) fn node(&mut self, node: u32) -> &mut Node {
        match self.nodes.get_mut(node as usize) {
            Some(node) => node,
            None => panic!("this world has no node {node}"),
        }
    }

    /// The slots of a shard, unless its node has crashed since.
    pub(crate) fn slots(&self, key: ShardKey) -> Option<Rc<Slots>> {
        let node = self.nodes.get(key.node as usize)?;
        let alive = node.running && node.boot == key.boot;
        node.slots.get(usize::from(key.shard)).filter(|_| alive).cloned()
    }

    pub(crate) fn schedule(&mut self, after: Duration, event: Event) {
        self.schedule_at(self.now + after, event);
    }

    fn schedule_at(&mut self, moment: Moment, event: Event) {
        self.issued += 1;
        self.events.insert((moment, self.issued), event);
    }

    pub(crate) fn next_event(&self) -> Option<Moment> {
        self.events.first_key_value().map(|((moment, _), _)| *moment)
    }

    pub(crate) fn pop_event(&mut self) -> Option<Event> {
        self.events.pop_first().map(|(_, event)| event)
    }

    pub(crate) fn submit(&mut self, key: ShardKey, id: SlotId) {
        let Some(slots) = self.slots(key) else { return };
        let takes = slots.with(id, |operation| match operation {
            Operation::Outside => None,
            Operation::Recv { .. }
            | Operation::Send { .. }
            | Operation::Accept { .. }
            | Operation::Connect { .. } => Some(Takes::Socket),
            Operation::Disk(Some(DiskRequest::Work(_))) => Some(Takes::Work),
            _ => Some(Takes::Disk),
        });
        let after = match takes.flatten() {
            Some(Takes::Work) => self.chance.nanos(WORK_NANOS),
            Some(Takes::Disk) => {
                self.chance.nanos(DISK_NANOS) + self.node(key.node).storage.disk.faults.delay
            }
            Some(Takes::Socket) => self.chance.nanos(SOCKET_NANOS),
            None => return,
        };
        self.schedule(after, Event::Operation(key, id));
    }

    pub(crate) fn cancel(&mut self, key: ShardKey, id: SlotId) {
        let after = self.chance.nanos(SOCKET_NANOS);
        self.schedule(after, Event::Cancel(key, id));
    }

    pub(crate) fn ring(&mut self, key: ShardKey) {
        let after = self.chance.nanos(BELL_NANOS);
        self.schedule(after, Event::Attend(key));
    }

    /// Carries the operation out, on the memory that its slot owns at this moment.
    pub(crate) fn perform(&mut self, key: ShardKey, id: SlotId) -> Performed {
        let Some(slots) = self.slots(key) else { return Performed::Waiting };
        let performed = slots.with(id, |operation| self.perform_on(key, id, operation));
        self.settle_network();
        performed.unwrap_or(Performed::Waiting)
    }

    /// True if the operation was waiting and has to be answered as cancelled.
    pub(crate) fn forget(&mut self, key: ShardKey, id: SlotId) -> bool {
        self.network.forget((key, id))
    }

    /// Turns what the network stirred up into events.
    pub(crate) fn settle_network(&mut self) {
        let stirred = std::mem::take(&mut self.network.stirred);
        for (key, id) in stirred.retry {
            let after = self.chance.nanos(SOCKET_NANOS);
            self.schedule(after, Event::Operation(key, id));
        }
        for (moment, socket) in stirred.later {
            self.schedule_at(moment, Event::Arrival(socket));
        }
    }

    fn perform_on(&mut self, key: ShardKey, id: SlotId, operation: &mut Operation) -> Performed {
        match operation {
            Operation::Read { .. }
            | Operation::Write { .. }
            | Operation::SyncData { .. }
            | Operation::Allocate { .. }
            | Operation::Disk(_) => match self.node(key.node).storage.perform(operation) {
                Ok(outcome) => Performed::Answered(Ok(outcome)),
                Err(Stop::Error(error)) => Performed::Answered(Err(error)),
                Err(Stop::Crash(kind)) => Performed::Crash(kind),
            },
            Operation::Outside => Performed::Waiting,
            _ => match self.on_network(key, id, operation) {
                Some(answer) => Performed::Answered(answer),
                None => Performed::Waiting,
            },
        }
    }

    fn on_network(&mut self, key: ShardKey, id: SlotId, operation: &mut Operation) -> Option<Answer> {
        let (now, waiting) = (self.now, (key, id));
        match operation {
            Operation::Recv { socket, block, from } => {
                let target = block.as_mut_slice().get_mut(*from..).unwrap_or_default();
                let network = &mut self.network;
                let received = network.receive(socket_of(socket), target, now, &mut self.chance, waiting)?;
                Some(received.map(Outcome::Count))
            }
            Operation::Send { socket, pieces } => {
                let network = &mut self.network;
                let sent = network.send(socket_of(socket), pieces, now, &mut self.chance, waiting)?;
                Some(sent.map(Outcome::Count))
            }
            Operation::Accept { listener } => {
                let opened = self.network.accept(socket_of(listener), waiting)?;
                Some(opened.map(|opened| Outcome::Connected(self.connected(opened))))
            }
            Operation::Connect { to, .. } => {
                let (ip, target) = (self.node(key.node).ip, self.node_at(key.node, to.ip()));
                let opened = self.network.connect(key.node, ip, *to, target);
                Some(opened.map(|opened| Outcome::Connected(self.connected(opened))))
            }
            _ => Some(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    fn connected(&self, opened: Opened) -> Connected {
        let socket = TwinSocket { id: opened.id, notes: Arc::clone(&self.notes) };
        Connected { socket: SocketHandle::World(socket), peer: opened.peer, local: opened.local }
    }

    fn node_at(&self, from: u32, ip: IpAddr) -> Option<u32> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(from);
        }
        let index = self.nodes.iter().position(|node| IpAddr::V4(node.ip) == ip)?;
        u32::try_from(index).ok()
    }

    pub(crate) fn bind(&mut self, key: ShardKey, address: SocketAddr) -> io::Result<Opened> {
        let ip = self.node(key.node).ip;
        self.network.bind(key.node, ip, address)
    }

    pub(crate) fn lose_power(&mut self, node: u32) {
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.storage.lose_power(&mut self.chance);
        }
    }

    /// What becomes of the writes that were in flight when a process ended.
    pub(crate) fn end_writes(&mut self, node: u32, torn: bool) {
        let Some(node) = self.nodes.get_mut(node as usize) else { return };
        for slots in std::mem::take(&mut node.slots) {
            for id in slots.in_flight() {
                slots.with(id, |operation| node.storage.end_write(operation, torn, &mut self.chance));
            }
        }
    }
}

fn socket_of(handle: &SocketHandle) -> SocketId {
    match handle {
        SocketHandle::World(socket) => socket.id,
        SocketHandle::Uring(_) => panic!("a real socket reached the simulated kernel"),
    }
}
