//! A member of a classic group: what it offered, what it was assigned, and the requests of it that wait.

use bytes::Bytes;
use std::sync::Arc;

use crate::coord::cost::{TIMER_BYTES, entry_bytes, protocols_bytes, text_bytes};
use crate::coord::deadlines::Timer;
use crate::coord::ids::{InstanceId, MemberId, MonotonicMs, Token};
use crate::coord::request::{JoinRequest, Protocol};

/// Whether a member has ever been in a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coord) enum Tenure {
    /// Its first join still waits, so it cannot send heartbeats.
    Joining,
    Settled,
}

/// Whether a member has asked for its assignment in this generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coord) enum SyncDuty {
    Owed,
    Done,
}

/// A member; owned by its group.
#[derive(Debug, Clone)]
pub(in crate::coord) struct Member {
    pub(in crate::coord) id: MemberId,
    pub(in crate::coord) instance: Option<InstanceId>,
    pub(in crate::coord) client_id: Arc<str>,
    pub(in crate::coord) client_host: Arc<str>,
    pub(in crate::coord) session_timeout_ms: i32,
    pub(in crate::coord) rebalance_timeout_ms: i32,
    /// Most wanted first.
    pub(in crate::coord) protocols: Vec<Protocol>,
    pub(in crate::coord) assignment: Bytes,
    pub(in crate::coord) tenure: Tenure,
    pub(in crate::coord) sync_duty: SyncDuty,
    /// The JoinGroup that waits.
    pub(in crate::coord) joining: Option<Token>,
    /// The SyncGroup that waits.
    pub(in crate::coord) syncing: Option<Token>,
    pub(in crate::coord) session: Timer,
    /// Bytes that it was last counted for.
    pub(in crate::coord) counted: usize,
}

/// An id that was given away and with which nobody has joined yet (KIP-394).
#[derive(Debug, Clone)]
pub(in crate::coord) struct PendingMember {
    /// Until then a rebalance waits for it.
    pub(in crate::coord) awaited_until: MonotonicMs,
    /// Until then the id is good.
    pub(in crate::coord) good_until: MonotonicMs,
    pub(in crate::coord) timer: Timer,
}

impl Member {
    pub(in crate::coord) fn of_join(request: &JoinRequest, id: MemberId) -> Member {
        Member {
            id,
            instance: request.instance.clone(),
            client_id: Arc::clone(&request.client_id),
            client_host: Arc::clone(&request.client_host),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            protocols: kept(&request.protocols),
            assignment: Bytes::new(),
            tenure: Tenure::Joining,
            sync_duty: SyncDuty::Done,
            joining: None,
            syncing: None,
            session: Timer::default(),
            counted: 0,
        }
    }

    /// What it says to a protocol; nothing if it does not offer it.
    pub(in crate::coord) fn metadata(&self, protocol: &str) -> Bytes {
        let offered = self.protocols.iter().find(|offered| &*offered.name == protocol);
        offered.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    /// Whether silence is no failure: the group owes it an answer. A member whose first join waits is the
    /// exception; its client may have gone long ago.
    pub(in crate::coord) fn is_excused(&self) -> bool {
        self.tenure == Tenure::Settled && (self.joining.is_some() || self.syncing.is_some())
    }

    /// Memory that it takes in its group.
    pub(in crate::coord) fn held_bytes(&self) -> usize {
        let texts = [self.id.len(), self.client_id.len(), self.client_host.len()];
        Member::bytes(texts, self.instance.as_ref())
            + protocols_bytes(&self.protocols)
            + self.assignment.len()
    }

    /// Memory that the member of a join will take.
    pub(in crate::coord) fn bytes_of_join(request: &JoinRequest, id: &MemberId) -> usize {
        let texts = [id.len(), request.client_id.len(), request.client_host.len()];
        Member::bytes(texts, request.instance.as_ref()) + protocols_bytes(&request.protocols)
    }

    fn bytes(texts: [usize; 3], instance: Option<&InstanceId>) -> usize {
        let texts: usize = texts.into_iter().map(text_bytes).sum();
        let instance =
            instance.map_or(0, |it| text_bytes(it.len()) + entry_bytes::<(InstanceId, MemberId)>());
        entry_bytes::<(MemberId, Member)>() + texts + instance + TIMER_BYTES
    }
}

/// Protocols to be kept: copied, since their bytes are parts of a request's block,
/// which they would hold whole.
pub(in crate::coord) fn kept(protocols: &[Protocol]) -> Vec<Protocol> {
    let copy = |offered: &Protocol| Protocol {
        name: Arc::clone(&offered.name),
        metadata: Bytes::copy_from_slice(&offered.metadata),
    };
    protocols.iter().map(copy).collect()
}
