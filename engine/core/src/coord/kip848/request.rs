//! ConsumerGroupHeartbeat without the wire.

use std::sync::Arc;

use super::partitions::Partitions;
use crate::coord::error::GroupError;
use crate::coord::ids::{Epoch, GroupId, InstanceId, MemberId};

/// Who draws a member's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberIdOrigin {
    /// The member itself; from version 1.
    Member,
    /// The broker, where the member names none; version 0.
    Broker,
}

/// ConsumerGroupHeartbeat; `None` is what has not changed since the member's last one.
#[derive(Debug, Clone)]
pub struct ConsumerBeat {
    pub group: GroupId,
    pub member: MemberId,
    /// Drawn by the host for a member that names none.
    pub new_member: MemberId,
    pub id_origin: MemberIdOrigin,
    /// [`Epoch::JOINING`], [`Epoch::LEAVING`], [`Epoch::AWAY`], or the member's.
    pub epoch: Epoch,
    pub instance: Option<InstanceId>,
    pub rack: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// How long the member may take to give partitions up.
    pub rebalance_timeout_ms: Option<i32>,
    pub topics: Option<Vec<Arc<str>>>,
    /// Empty: the member subscribes to no pattern any more.
    pub pattern: Option<Arc<str>>,
    pub assignor: Option<Arc<str>>,
    /// What the member owns.
    pub owned: Option<Partitions>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    pub member: MemberId,
    pub epoch: Epoch,
    /// When the next one is expected; 0 for a member that leaves.
    pub interval_ms: i32,
    /// What the member is to own from now on; `None`: as before.
    pub assignment: Option<Partitions>,
}

/// A heartbeat that is refused, with Kafka's text where it has one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeatRefused {
    pub error: GroupError,
    pub message: Option<String>,
}

impl BeatRefused {
    pub(in crate::coord) fn new(error: GroupError, message: impl Into<String>) -> BeatRefused {
        BeatRefused { error, message: Some(message.into()) }
    }
}

impl From<GroupError> for BeatRefused {
    fn from(error: GroupError) -> BeatRefused {
        BeatRefused { error, message: None }
    }
}

impl ConsumerBeat {
    /// Everything is said, as after an answer that did not come.
    pub(in crate::coord) fn is_full(&self) -> bool {
        let is_subscribed = self.topics.is_some() || self.pattern.is_some();
        self.rebalance_timeout_ms.is_some() && is_subscribed && self.owned.is_some()
    }
}
