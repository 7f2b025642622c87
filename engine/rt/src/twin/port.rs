//! A shard's way into the simulated world.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::moment::Moment;
use crate::submission::names::{ShardKey, SocketId};
use crate::submission::operation::{SocketHandle, TwinSocket};
use crate::submission::slots::SlotId;
use crate::twin::state::{Body, Twin};

/// Wall clock of the world's first moment: a day in 2023, so that timestamps look like timestamps.
const WALL_ORIGIN_MS: i64 = 1_700_000_000_000;

pub(crate) struct Port {
    pub(crate) twin: Rc<RefCell<Twin>>,
    pub(crate) key: ShardKey,
}

impl Port {
    pub(crate) fn submit(&self, id: SlotId) {
        self.twin.borrow_mut().submit(self.key, id);
    }

    pub(crate) fn cancel(&self, id: SlotId) {
        self.twin.borrow_mut().cancel(self.key, id);
    }

    pub(crate) fn now(&self) -> Moment {
        self.twin.borrow().now
    }

    pub(crate) fn wall_now_ms(&self) -> i64 {
        WALL_ORIGIN_MS.saturating_add_unsigned(self.now().as_nanos() / 1_000_000)
    }

    pub(crate) fn spawn(&self, task: Body) {
        self.twin.borrow_mut().spawned.push((self.key, task));
    }

    /// The listening socket and its address.
    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<(SocketHandle, SocketAddr)> {
        let mut twin = self.twin.borrow_mut();
        let opened = twin.bind(self.key, address)?;
        let socket = TwinSocket { id: opened.id, notes: Arc::clone(&twin.notes) };
        Ok((SocketHandle::World(socket), opened.local))
    }

    pub(crate) fn shutdown(&self, id: SocketId) {
        let twin = &mut *self.twin.borrow_mut();
        twin.network.shutdown(id, twin.now, &mut twin.chance);
        twin.settle_network();
    }

    pub(crate) fn taken_bytes(&self, id: SocketId) -> Option<u64> {
        self.twin.borrow().network.taken_bytes(id)
    }

    pub(crate) fn has_peer_ended(&self, id: SocketId) -> bool {
        let twin = self.twin.borrow();
        twin.network.has_peer_ended(id, twin.now)
    }

    /// The node halts as soon as the task that calls this yields.
    pub(crate) fn end(&self, reason: String) {
        let mut twin = self.twin.borrow_mut();
        let node = twin.node(self.key.node);
        node.ending.get_or_insert(reason);
    }

    pub(crate) fn log(&self, text: &str) {
        let mut twin = self.twin.borrow_mut();
        let line = format!("node {} shard {}: {text}", self.key.node, self.key.shard);
        twin.line(&line);
    }
}
