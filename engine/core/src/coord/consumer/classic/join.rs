//! JoinGroup into a consumer group: its member goes on with the classic protocol, and nobody waits for
//! anybody. The answer is the member's epoch as a generation; what it is to own it fetches with SyncGroup.

use std::sync::Arc;

use crate::coord::answer::{JoinRefused, Joined};
use crate::coord::classic::kept;
use crate::coord::consumer::assignment::reconcile::Owning;
use crate::coord::consumer::state::group::{ConsumerGroup, Life};
use crate::coord::consumer::subscription::Subscribing;
use crate::coord::embedded::{Subscribed, subscribed};
use crate::coord::error::GroupError;
use crate::coord::ids::{Generation, MemberId};
use crate::coord::kip848::{ClassicMetadata, MigrationPolicy, Topics};
use crate::coord::request::{JoinRequest, MemberIdHandshake, Protocol};
use crate::coord::settings::GroupSettings;
use crate::coord::turn::Turn;

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

impl ConsumerGroup {
    /// A classic member comes, or takes its next step. What the log is to hold of it stands in `changes`.
    pub(in crate::coord) fn join_classic(
        &mut self,
        request: &JoinRequest,
        topics: &dyn Topics,
        turn: &mut Turn<'_>,
    ) -> Result<Joined, JoinRefused> {
        let refuse = |error| JoinRefused { error, member: MemberId::none() };
        self.check_classic_join(request, turn.settings).map_err(refuse)?;
        let is_new = request.member.is_empty();
        if is_new && request.instance.is_none() && request.handshake == MemberIdHandshake::Required {
            let member = request.new_consumer.clone();
            return Err(JoinRefused { error: GroupError::MemberIdRequired, member });
        }
        let said = request.protocols.first().and_then(|first| subscribed(&first.metadata, topics));
        let said = said.ok_or_else(|| refuse(GroupError::UnknownServerError))?;
        let before = self.makeup();
        let is_replacement = request.instance.as_ref().is_some_and(|instance| {
            self.static_members.get(instance).is_some_and(|known| *known != request.member)
        });
        let id = if is_new { &request.new_consumer } else { &request.member };
        self.seat(id, request.instance.as_ref());
        let subscribing = self.update_classic(id, request, &said);
        if self.have_topics_changed(subscribing, topics) || subscribing == Subscribing::Anew {
            self.bump();
        }
        self.assign_if_due(topics, turn.now, turn.settings);
        self.reconcile(id, Owning::Exactly(&said.owned));
        self.arm_session(id, turn);
        self.arm_rebalance(id, turn);
        if is_replacement && self.is_left_to_classic(before, turn.settings) {
            self.life = Life::Downgrading;
        }
        Ok(self.joined_classic(id, request))
    }

    /// A member hears of its join only now, so its times begin now. Answers whether it is one still.
    pub(in crate::coord) fn answered(&mut self, id: &MemberId, turn: &mut Turn<'_>) -> bool {
        let Some(member) = self.members.get(id) else { return false };
        if member.classic.is_some() && member.rebalance.is_armed() {
            self.arm_session(id, turn);
            self.arm_rebalance(id, turn);
        }
        true
    }

    fn joined_classic(&mut self, id: &MemberId, request: &JoinRequest) -> Joined {
        Joined {
            member: id.clone(),
            generation: Generation(self.member(id).epoch.0),
            protocol_type: Some(Arc::from(CONSUMER)),
            protocol: request.protocols.first().map(|first| Arc::clone(&first.name)),
            leader: None,
            skip_assignment: false,
            members: Vec::new(),
        }
    }

    /// In Kafka's order. A dynamic member may bring any id;
    /// one that names its instance with an id has to be that instance's.
    fn check_classic_join(&self, request: &JoinRequest, settings: &GroupSettings) -> Result<(), GroupError> {
        if settings.consumer_migration == MigrationPolicy::Disabled {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        let instance = request.instance.as_ref().map(|instance| self.instance(instance.as_str()));
        let has_place = self.members.contains_key(&request.member) || matches!(instance, Some(Some(_)));
        if !has_place && self.members.len() >= settings.consumer_max_size {
            return Err(GroupError::GroupMaxSizeReached);
        }
        if &*request.protocol_type != CONSUMER || !self.classic.supports(&request.protocols) {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        let bytes = |offered: &Protocol| offered.name.len() + offered.metadata.len();
        if request.protocols.iter().map(bytes).sum::<usize>() >= settings.batch_bytes_max {
            return Err(GroupError::UnknownServerError);
        }
        match instance {
            Some(None) if !request.member.is_empty() => Err(GroupError::UnknownMemberId),
            Some(Some(owner)) if !request.member.is_empty() && owner.id != request.member => {
                Err(GroupError::FencedInstanceId)
            }
            _ => Ok(()),
        }
    }

    /// Takes in what a join says of its member.
    fn update_classic(&mut self, id: &MemberId, request: &JoinRequest, said: &Subscribed) -> Subscribing {
        let member = self.member(id);
        let before = member.clone();
        member.introduce(
            &request.client_id,
            &request.client_host,
            request.instance.as_ref(),
            said.rack.as_ref(),
        );
        if request.rebalance_timeout_ms >= 0 || member.rebalance_timeout_ms < 0 {
            member.rebalance_timeout_ms = request.rebalance_timeout_ms.max(0);
        }
        member.topics.clone_from(&said.topics);
        member.pattern = None;
        let session_timeout_ms = request.session_timeout_ms;
        self.set_classic(
            id,
            Some(ClassicMetadata { session_timeout_ms, protocols: kept(&request.protocols) }),
        );
        self.note_update(id, before)
    }
}
