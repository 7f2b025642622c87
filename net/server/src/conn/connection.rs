//! One connection as its requests' handlers and the shard's upkeep see it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use millrace_core::base::ShardIndex;
use millrace_core::meta::ClientQuotas;
use millrace_rt::{Moment, Signal, Stream};

use crate::addresses::EndpointType;
use crate::conn::affinity::Affinity;
use crate::conn::responses::ResponseQueue;
use crate::quota::{Held, Limits};
use crate::telemetry::{InstanceId, Known};

/// Fetch sessions of a connection that go with it to another shard.
const SESSIONS_MAX: usize = 16;

/// What a client has told of itself on its connection; it moves with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    /// Name and version of its software.
    pub(crate) software: Option<[Arc<str>; 2]>,
    /// The instance of a client that this connection brought last, which leaves with it.
    pub(crate) instance: Option<InstanceId>,
}

/// Lives on the shard that serves the connection; shared by the connection's reader and the shard's upkeep.
pub(crate) struct Connection {
    /// Which of the broker's listeners accepted it.
    pub(crate) listener: usize,
    /// What this process is to the client there.
    pub(crate) endpoint_type: EndpointType,
    affinity: RefCell<Affinity>,
    /// Fetch sessions made on this connection; they go with it.
    sessions: RefCell<Vec<i32>>,
    pub(crate) identity: RefCell<Identity>,
    /// What the client is held to, since a request of it found quotas.
    limits: RefCell<Option<Held>>,
    last_active: Cell<Moment>,
    /// Since when part of a request is held; nothing between requests.
    partial_since: Cell<Option<Moment>>,
    /// What the peer had taken when a look found it at that for the first time, while memory for responses was short.
    stuck_at: Cell<Option<(u64, Moment)>>,
    stream: Weak<Stream>,
    responses: Rc<ResponseQueue>,
    is_retired: Cell<bool>,
    is_hung_up: Cell<bool>,
    hang_up_signal: Signal,
}

impl Connection {
    pub(crate) fn new(
        (listener, endpoint_type): (usize, EndpointType),
        stream: &Rc<Stream>,
        responses: Rc<ResponseQueue>,
        identity: Identity,
    ) -> Connection {
        Connection {
            listener,
            endpoint_type,
            affinity: RefCell::default(),
            sessions: RefCell::default(),
            identity: RefCell::new(identity),
            limits: RefCell::default(),
            last_active: Cell::new(millrace_rt::now()),
            partial_since: Cell::new(None),
            stuck_at: Cell::new(None),
            stream: Rc::downgrade(stream),
            responses,
            is_retired: Cell::new(false),
            is_hung_up: Cell::new(false),
            hang_up_signal: Signal::new(),
        }
    }

    /// Notes who owns all the data of a request, if one shard does.
    pub(crate) fn note_owner(&self, owner: Option<ShardIndex>) {
        self.affinity.borrow_mut().note(owner);
    }

    /// The shard this connection should move to from `home`.
    pub(crate) fn better_home(&self, home: ShardIndex) -> Option<ShardIndex> {
        self.affinity.borrow().verdict(home)
    }

    /// The newest are kept: a client uses one, and whoever makes more has them all the same, but they do not move with
    /// it.
    pub(crate) fn add_session(&self, id: i32) {
        let mut sessions = self.sessions.borrow_mut();
        if sessions.len() >= SESSIONS_MAX {
            sessions.remove(0);
        }
        sessions.push(id);
    }

    pub(crate) fn remove_session(&self, id: i32) {
        self.sessions.borrow_mut().retain(|held| *held != id);
    }

    pub(crate) fn take_sessions(&self) -> Vec<i32> {
        self.sessions.take()
    }

    /// What the client of a request is held to; `find` looks for it where quotas or client are not those of the request
    /// before.
    pub(crate) fn limits(
        &self,
        quotas: &Arc<ClientQuotas>,
        client_id: &[u8],
        find: impl FnOnce() -> Held,
    ) -> Option<Rc<Limits>> {
        let mut held = self.limits.borrow_mut();
        if !held.as_ref().is_some_and(|held| held.is_of(quotas, client_id)) {
            *held = Some(find());
        }
        held.as_ref()?.limits()
    }

    /// A request was of this instance of a client.
    pub(crate) fn note_instance(&self, id: InstanceId, known: Known) {
        if known == Known::AsOfNow {
            self.identity.borrow_mut().instance = Some(id);
        }
    }

    /// Bytes came or a response left.
    pub(crate) fn touch(&self) {
        self.last_active.set(millrace_rt::now());
    }

    pub(crate) fn last_active(&self) -> Moment {
        self.last_active.get()
    }

    pub(crate) fn note_partial(&self, is_partial: Partial) {
        self.partial_since.set(match is_partial {
            Partial::No => None,
            Partial::Yes => Some(self.partial_since.get().unwrap_or_else(millrace_rt::now)),
        });
    }

    pub(crate) fn partial_since(&self) -> Option<Moment> {
        self.partial_since.get()
    }

    /// Looks at the peer while memory for responses is short. Returns since when it has taken nothing of what is there
    /// for it. To be called again and again: a peer is stuck from the first look on that finds it where the next ones
    /// do.
    pub(crate) fn stuck_since(&self) -> Option<Moment> {
        let taken = self.stream.upgrade().filter(|_| self.responses.is_sending())?.taken_bytes();
        let since = match (taken, self.stuck_at.get()) {
            (Some(now), Some((before, since))) if now == before => since,
            _ => millrace_rt::now(),
        };
        self.stuck_at.set(taken.map(|taken| (taken, since)));
        taken.map(|_| since)
    }

    /// Memory for responses is not short: who takes nothing is in nobody's way.
    pub(crate) fn forget_stuck(&self) {
        self.stuck_at.set(None);
    }

    /// Nothing once the connection is gone.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.stream.upgrade().map(|stream| stream.peer_addr())
    }

    /// Takes no further request, and ends the connection unless responses are still to leave.
    pub(crate) fn retire(&self) {
        self.is_retired.set(true);
        if self.responses.pending() == 0 {
            self.hang_up();
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.get()
    }

    /// Ends the connection: whoever reads, writes or waits for it finds it closed.
    pub(crate) fn hang_up(&self) {
        self.is_hung_up.set(true);
        self.hang_up_signal.notify_all();
        if let Some(stream) = self.stream.upgrade() {
            stream.shutdown();
        }
    }

    /// Waits until the broker ends the connection.
    pub(crate) async fn hung_up(&self) {
        while !self.is_hung_up.get() {
            self.hang_up_signal.wait().await;
        }
    }
}

/// Whether a connection holds the beginning of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partial {
    No,
    Yes,
}
