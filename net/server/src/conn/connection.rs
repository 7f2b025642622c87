//! One connection as the handlers of its requests and the shard's upkeep see it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use millrace_core::base::ShardIndex;
use millrace_core::meta::ClientQuotas;
use millrace_rt::{Moment, Signal, Stream};

use crate::broker::addresses::EndpointType;
use crate::conn::affinity::Affinity;
use crate::conn::responses::ResponseQueue;
use crate::quota::{Held, Limits};
use crate::telemetry::{ClientInstanceId, InstanceAge};

/// Fetch sessions of a connection that go with it to another shard.
const SESSIONS_MAX: usize = 16;

/// What a client has told about itself. It moves with the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    /// Name and version of its software.
    pub(crate) software: Option<[Arc<str>; 2]>,
    /// The client instance that this connection brought last. It leaves with the connection.
    pub(crate) instance: Option<ClientInstanceId>,
}

/// Lives on the shard that serves the connection; shared by the connection's reader and the shard's upkeep.
pub(crate) struct Connection {
    /// Which of the broker's listeners accepted it.
    pub(crate) listener: usize,
    /// What this process is to the client there.
    pub(crate) endpoint_type: EndpointType,
    affinity: RefCell<Affinity>,
    /// Fetch sessions made on this connection; they move with it.
    sessions: RefCell<Vec<i32>>,
    pub(crate) identity: RefCell<Identity>,
    /// The quotas of the client, once a request has found some.
    limits: RefCell<Option<Held>>,
    activity: Activity,
    stream: Weak<Stream>,
    responses: Rc<ResponseQueue>,
    ending: Ending,
}

/// When the peer last did something.
struct Activity {
    last_active: Cell<Moment>,
    /// Since when part of a request is held; `None` between requests.
    partial_since: Cell<Option<Moment>>,
    /// The bytes that a stuck peer has taken, and since when it has taken no more.
    /// Looked at while memory for responses is short.
    stuck_at: Cell<Option<(u64, Moment)>>,
}

/// Whether the broker ends the connection.
#[derive(Default)]
struct Ending {
    is_retired: Cell<bool>,
    is_hung_up: Cell<bool>,
    hung_up: Signal,
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
            activity: Activity {
                last_active: Cell::new(millrace_rt::now()),
                partial_since: Cell::new(None),
                stuck_at: Cell::new(None),
            },
            stream: Rc::downgrade(stream),
            responses,
            ending: Ending::default(),
        }
    }

    /// Notes the shard that owns all data of a request, if there is one.
    pub(crate) fn note_owner(&self, owner: Option<ShardIndex>) {
        self.affinity.borrow_mut().note(owner);
    }

    /// The shard this connection should move to from `home`.
    pub(crate) fn better_home(&self, home: ShardIndex) -> Option<ShardIndex> {
        self.affinity.borrow().verdict(home)
    }

    /// Keeps the newest sessions. A client uses one; further ones work, too,
    /// but do not move with the connection.
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

    /// Returns the quotas of the client. Calls `find` if the quotas or the client have changed since the last
    /// request.
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

    /// Notes the client instance that sent a request. A new one leaves with this connection.
    pub(crate) fn note_instance(&self, id: ClientInstanceId, age: InstanceAge) {
        if age == InstanceAge::New {
            self.identity.borrow_mut().instance = Some(id);
        }
    }

    /// Notes that bytes came or a response left.
    pub(crate) fn touch(&self) {
        self.activity.last_active.set(millrace_rt::now());
    }

    pub(crate) fn last_active(&self) -> Moment {
        self.activity.last_active.get()
    }

    pub(crate) fn note_partial(&self, is_partial: Partial) {
        self.activity.partial_since.set(match is_partial {
            Partial::No => None,
            Partial::Yes => Some(self.activity.partial_since.get().unwrap_or_else(millrace_rt::now)),
        });
    }

    pub(crate) fn partial_since(&self) -> Option<Moment> {
        self.activity.partial_since.get()
    }

    /// Returns since when the peer has taken nothing of the responses that are ready for it. Called again and
    /// again while memory for responses is short: a peer is stuck since the first call that found as many
    /// bytes taken as the next.
    pub(crate) fn stuck_since(&self) -> Option<Moment> {
        let taken = self.stream.upgrade().filter(|_| self.responses.is_sending())?.taken_bytes();
        let since = match (taken, self.activity.stuck_at.get()) {
            (Some(now), Some((before, since))) if now == before => since,
            _ => millrace_rt::now(),
        };
        self.activity.stuck_at.set(taken.map(|taken| (taken, since)));
        taken.map(|_| since)
    }

    /// Memory for responses is not short: a peer that takes nothing does no harm.
    pub(crate) fn forget_stuck(&self) {
        self.activity.stuck_at.set(None);
    }

    /// Returns the peer's address, or `None` once the connection is gone.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.stream.upgrade().map(|stream| stream.peer_addr())
    }

    /// Accepts no further requests. Ends the connection now if no responses are left to send.
    pub(crate) fn retire(&self) {
        self.ending.is_retired.set(true);
        if self.responses.pending() == 0 {
            self.hang_up();
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.ending.is_retired.get()
    }

    /// Ends the connection. All tasks that read, write or wait for it find it closed.
    pub(crate) fn hang_up(&self) {
        self.ending.is_hung_up.set(true);
        self.ending.hung_up.notify_all();
        if let Some(stream) = self.stream.upgrade() {
            stream.shutdown();
        }
    }

    /// Waits until the broker ends the connection.
    pub(crate) async fn hung_up(&self) {
        while !self.ending.is_hung_up.get() {
            self.ending.hung_up.wait().await;
        }
    }
}

/// Whether a connection holds the beginning of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partial {
    No,
    Yes,
}
