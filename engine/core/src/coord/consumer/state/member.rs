//! A member of a consumer group: what it subscribes to, what it owns, and what it is to own.

use std::sync::Arc;

use crate::base::PartitionKey;
use crate::coord::cost::{TIMER_BYTES, entry_bytes, protocols_bytes, text_bytes, texts_bytes};
use crate::coord::deadlines::Timer;
use crate::coord::ids::{Epoch, InstanceId, MemberId};
use crate::coord::kip848::Partitions;
use crate::coord::kip848::{ClassicMetadata, MemberProtocol, MemberState};

/// A member; owned by its group.
#[derive(Debug, Clone)]
pub(in crate::coord) struct ConsumerMember {
    pub(in crate::coord) id: MemberId,
    pub(in crate::coord) instance: Option<InstanceId>,
    pub(in crate::coord) rack: Option<Arc<str>>,
    pub(in crate::coord) client_id: Arc<str>,
    pub(in crate::coord) client_host: Arc<str>,
    /// How long it may take to give partitions up; -1 until it has said so.
    pub(in crate::coord) rebalance_timeout_ms: i32,
    /// In order, without doubles.
    pub(in crate::coord) topics: Vec<Arc<str>>,
    pub(in crate::coord) pattern: Option<Arc<str>>,
    pub(in crate::coord) assignor: Option<Arc<str>>,
    /// Of a member that goes on with the classic protocol.
    pub(in crate::coord) classic: Option<Box<ClassicMetadata>>,
    /// [`Epoch::AWAY`] while a static member is away.
    pub(in crate::coord) epoch: Epoch,
    pub(in crate::coord) previous_epoch: Epoch,
    pub(in crate::coord) state: MemberState,
    /// What it owns, or has been told to own.
    pub(in crate::coord) assigned: Partitions,
    /// What it has been told to give up and may still own.
    pub(in crate::coord) revoking: Partitions,
    /// What it is to own in the end.
    pub(in crate::coord) target: Partitions,
    pub(in crate::coord) session: Timer,
    /// For giving partitions up; of a classic member for its next join or sync.
    pub(in crate::coord) rebalance: Timer,
    /// Bytes that it was last counted for.
    pub(in crate::coord) counted: usize,
}

impl ConsumerMember {
    /// One that nothing is known of but its id.
    pub(in crate::coord) fn new(id: MemberId) -> ConsumerMember {
        ConsumerMember {
            id,
            instance: None,
            rack: None,
            client_id: Arc::from(""),
            client_host: Arc::from(""),
            rebalance_timeout_ms: -1,
            topics: Vec::new(),
            pattern: None,
            assignor: None,
            classic: None,
            epoch: Epoch::JOINING,
            previous_epoch: Epoch::JOINING,
            state: MemberState::Stable,
            assigned: Partitions::default(),
            revoking: Partitions::default(),
            target: Partitions::default(),
            session: Timer::default(),
            rebalance: Timer::default(),
            counted: 0,
        }
    }

    /// Takes in who it says it is; what it leaves out stays.
    pub(in crate::coord::consumer) fn introduce(
        &mut self,
        client_id: &Arc<str>,
        client_host: &Arc<str>,
        instance: Option<&InstanceId>,
        rack: Option<&Arc<str>>,
    ) {
        (self.client_id, self.client_host) = (Arc::clone(client_id), Arc::clone(client_host));
        if let Some(instance) = instance {
            self.instance = Some(instance.clone());
        }
        if let Some(rack) = rack {
            self.rack = Some(Arc::clone(rack));
        }
    }

    pub(in crate::coord) fn protocol(&self) -> MemberProtocol {
        if self.classic.is_some() { MemberProtocol::Classic } else { MemberProtocol::Consumer }
    }

    /// Whether it has what the assignment of `epoch` gives it.
    pub(in crate::coord::consumer) fn has_reached(&self, epoch: Epoch) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// Everything that nobody else may own.
    pub(in crate::coord::consumer) fn claims(&self) -> impl Iterator<Item = PartitionKey> + '_ {
        self.assigned.keys().chain(self.revoking.keys())
    }

    /// Memory that it takes in its group.
    pub(in crate::coord) fn held_bytes(&self) -> usize {
        let texts = [self.id.len(), self.client_id.len(), self.client_host.len()];
        let texts: usize = texts.into_iter().map(text_bytes).sum();
        let instance = self.instance.as_ref();
        let instance =
            instance.map_or(0, |it| text_bytes(it.len()) + entry_bytes::<(InstanceId, MemberId)>());
        let others = [&self.rack, &self.pattern, &self.assignor];
        let others: usize = others.into_iter().flatten().map(|text| text_bytes(text.len())).sum();
        let sets = [&self.assigned, &self.revoking, &self.target];
        let sets: usize = sets.iter().map(|set| set.held_bytes()).sum();
        let classic = self.classic.as_ref();
        let classic = classic.map_or(0, |it| size_of::<ClassicMetadata>() + protocols_bytes(&it.protocols));
        let owned = self.claims().count() * entry_bytes::<(PartitionKey, MemberId)>();
        let own = entry_bytes::<(MemberId, ConsumerMember)>() + 2 * TIMER_BYTES;
        own + texts + instance + others + texts_bytes(&self.topics) + sets + classic + owned
    }
}
