//! A member of a classic group: what it offered, what it was assigned, and the requests of it that wait.

use bytes::Bytes;
use std::sync::Arc;

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
        }
    }

    /// What it says to a protocol; nothing if it does not offer it.
    pub(in crate::coord) fn metadata(&self, protocol: &str) -> Bytes {
        let offered = self.protocols.iter().find(|offered| &*offered.name == protocol);
        offered.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    /// Whether silence is no failure: the group owes it an answer. A member whose first join waits is the exception;
    /// its client may have gone long ago.
    pub(in crate::coord) fn is_excused(&self) -> bool {
        self.tenure == Tenure::Settled && (self.joining.is_some() || self.syncing.is_some())
    }

    /// Memory that it holds beside itself.
    pub(in crate::coord) fn held_bytes(&self) -> usize {
        let names: usize = self.protocols.iter().map(|offered| offered.name.len() + COUNTS_OF_AN_ARC).sum();
        let texts = self.id.len() + self.client_id.len() + self.client_host.len() + 3 * COUNTS_OF_AN_ARC;
        let instance = self.instance.as_ref().map_or(0, |instance| instance.len() + COUNTS_OF_AN_ARC);
        self.protocols.capacity() * size_of::<Protocol>() + names + texts + instance
    }
}

/// A shared text begins with two counts.
const COUNTS_OF_AN_ARC: usize = 16;

/// Protocols to be kept: copied, since their bytes are parts of a request's block, which they would hold whole.
pub(in crate::coord) fn kept(protocols: &[Protocol]) -> Vec<Protocol> {
    let copy = |offered: &Protocol| Protocol {
        name: Arc::clone(&offered.name),
        metadata: Bytes::copy_from_slice(&offered.metadata),
    };
    protocols.iter().map(copy).collect()
}
