//! A member as it sees itself, and what it assigns as a leader.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

use millrace_core::base::{PartitionIndex, PartitionKey, TopicId};
use millrace_core::coord::records::consumer_protocol_assignment::TopicPartition as AssignedPart;
use millrace_core::coord::records::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use millrace_core::coord::*;

/// What a client has asked for and not heard of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    Beat(Epoch),
    Join,
    Sync,
    Leave,
}

/// What a classic client does next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    Join,
    Sync,
    Heartbeat,
}

/// Whether a classic client keeps what it owns while it joins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Manner {
    Eager,
    Cooperative,
}

/// A member as it sees itself.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) protocol: MemberProtocol,
    pub(super) id: MemberId,
    pub(super) instance: Option<InstanceId>,
    /// Its epoch, or its generation.
    pub(super) epoch: i32,
    pub(super) next: Next,
    pub(super) owned: BTreeSet<i32>,
    /// What it said that it owned when it last joined; of the classic protocol.
    pub(super) told: BTreeSet<i32>,
    /// To be given up; of the consumer protocol.
    pub(super) revoking: BTreeSet<i32>,
    /// What it is to bring with its sync, as a leader.
    pub(super) assignments: Vec<(MemberId, Bytes)>,
    /// How many partitions it assigned, as a leader.
    pub(super) led: Option<i32>,
    pub(super) asked: Option<(Token, Asked)>,
    /// When it sent the last request that was answered well, or that waits.
    pub(super) heard_at: u64,
    pub(super) asked_at: u64,
    /// When it has to have given up; it may not know what yet. Of the consumer protocol.
    pub(super) revoked_by: Option<u64>,
}

pub(super) const CLIENTS: usize = 4;
pub(super) const SESSION_MS: i32 = 45_000;
/// Who has heard nothing for so long gives up what it owns.
pub(super) const REBALANCE_MS: u64 = 20_000;
pub(super) const TOPIC: TopicId = TopicId([b't'; 16]);

pub(super) fn key(index: i32) -> PartitionKey {
    PartitionKey::new(TOPIC, PartitionIndex(index))
}

/// A leader's assignment: everybody keeps what it owns up to its share;
/// what another still owns has to be given up first.
pub(super) fn assign(joined: &Joined, partitions: i32) -> Vec<(MemberId, Bytes)> {
    let share = (partitions as usize).div_ceil(joined.members.len());
    let mut owners: BTreeMap<i32, usize> = BTreeMap::new();
    let mut parts: Vec<Vec<i32>> = Vec::new();
    for (place, member) in joined.members.iter().enumerate() {
        let said = ConsumerProtocolSubscription::parse(&member.metadata).unwrap();
        let owned: Vec<i32> = said.owned_partitions.iter().flat_map(|part| part.partitions.clone()).collect();
        let owned: Vec<i32> = owned.into_iter().filter(|index| !owners.contains_key(index)).collect();
        owners.extend(owned.iter().map(|index| (*index, place)));
        parts.push(owned.into_iter().take(share).collect());
    }
    for index in (0..partitions).filter(|index| !owners.contains_key(index)) {
        if let Some(least) = parts.iter_mut().min_by_key(|part| part.len()) {
            least.push(index);
        }
    }
    let bytes = |partitions: Vec<i32>| {
        let assigned_partitions = vec![AssignedPart { topic: "t".to_owned(), partitions }];
        let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
        Bytes::from(assignment.to_bytes(1).unwrap())
    };
    let ids = joined.members.iter().map(|member| member.member.clone());
    ids.zip(parts.into_iter().map(bytes)).collect()
}
