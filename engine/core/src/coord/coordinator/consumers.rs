//! Members of the consumer protocol (KIP-848), and classic requests that meet a group of it.

use super::machine::Coordinator;
use crate::coord::action::Action;
use crate::coord::answer::Answer;
use crate::coord::classic::{ClassicGroup, GroupState};
use crate::coord::consumer::{ConsumerGroup, checks};
use crate::coord::error::GroupError;
use crate::coord::group::Group;
use crate::coord::ids::{Epoch, GroupId, MemberId, Now, Token};
use crate::coord::kip848::{BeatRefused, ConsumerBeat, Topics};
use crate::coord::migration;
use crate::coord::record::CoordinatorRecord;
use crate::coord::request::{JoinRequest, LeaveRequest, SyncRequest};

impl Coordinator {
    /// ConsumerGroupHeartbeat; answered with [`Answer::ConsumerHeartbeat`] once the log holds what it
    /// changed.
    pub fn consumer_heartbeat(
        &mut self,
        now: Now,
        request: &ConsumerBeat,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        let converted = match self.check_beat(request, topics) {
            Ok(converted) => converted,
            Err(refused) => {
                actions.push(Action::Reply { token, answer: Answer::ConsumerHeartbeat(Err(refused)) });
                return;
            }
        };
        if !self.admits(self.growth_of_beat(request)) {
            let refused = BeatRefused::from(GroupError::CoordinatorLoadInProgress);
            actions.push(Action::Reply { token, answer: Answer::ConsumerHeartbeat(Err(refused)) });
            return;
        }
        let id = &request.group;
        if self.writes.is_stalled(id.as_str()) {
            let member = (request.epoch > Epoch::JOINING).then_some(&request.member);
            self.hold_off(now, id, member, actions);
            let answer = Answer::ConsumerHeartbeat(Err(GroupError::CoordinatorNotAvailable.into()));
            actions.push(Action::Reply { token, answer });
            return;
        }
        let before = match request.epoch {
            Epoch::JOINING => self.become_consumer(now, id, converted, actions),
            _ => Vec::new(),
        };
        if let Some((group, mut turn)) = self.group_turn(id.as_str(), now, actions)
            && let Some(consumer) = &mut group.consumer
        {
            let beat = match request.epoch {
                Epoch::LEAVING | Epoch::AWAY => consumer.leave(request, turn.settings),
                _ => Ok(consumer.heartbeat(request, topics, &mut turn)),
            };
            let is_refused = beat.is_err();
            let answer = Answer::ConsumerHeartbeat(beat);
            match is_refused {
                true => turn.reply(token, answer),
                false => group.conclude(before, Some((token, answer)), topics, &mut turn),
            }
        }
        self.purge_deadlines();
    }

    /// A group whose changes cannot be written does not change any more, but it keeps those who are heard of.
    fn hold_off(&mut self, now: Now, group: &GroupId, member: Option<&MemberId>, actions: &mut Vec<Action>) {
        self.writes.go_on(group, actions);
        if let Some((group, mut turn)) = self.group_turn(group.as_str(), now, actions)
            && let Some(consumer) = &mut group.consumer
            && let Some(member) = member
        {
            consumer.hear_of(member, &mut turn);
        }
    }

    /// Whether a heartbeat is taken; with it the group that a classic one with members becomes.
    fn check_beat(
        &self,
        request: &ConsumerBeat,
        topics: &dyn Topics,
    ) -> Result<Option<ConsumerGroup>, BeatRefused> {
        checks::check_request(request, &self.settings)?;
        let id = &request.group;
        let not_found = |message: String| Err(BeatRefused::new(GroupError::GroupIdNotFound, message));
        let group = self.groups.get(id);
        let consumer = group.and_then(|group| group.consumer.as_deref());
        let converted = match (request.epoch, group, consumer) {
            (Epoch::JOINING, Some(group), None) => self.converted(id, &group.classic, topics)?,
            (Epoch::JOINING, _, _) => None,
            (_, Some(_), Some(consumer)) => {
                return match request.epoch {
                    // Leaving checks for itself.
                    Epoch::LEAVING | Epoch::AWAY => Ok(None),
                    _ => checks::check_member(consumer, request, &self.settings).map(|()| None),
                };
            }
            (_, Some(_), None) => return not_found(format!("Group {id} is not a consumer group.")),
            (Epoch::LEAVING | Epoch::AWAY, None, _) => return not_found(format!("Group {id} not found.")),
            (_, None, _) => return not_found(format!("Consumer group {id} not found.")),
        };
        checks::check_join(converted.as_ref().or(consumer), request, &self.settings)?;
        Ok(converted)
    }

    /// What a classic group with members becomes, if it may; `None` of one without.
    fn converted(
        &self,
        id: &GroupId,
        classic: &ClassicGroup,
        topics: &dyn Topics,
    ) -> Result<Option<ConsumerGroup>, BeatRefused> {
        match classic.state() {
            GroupState::Empty => Ok(None),
            GroupState::Dead => Err(GroupError::CoordinatorNotAvailable.into()),
            _ => migration::upgraded(id, classic, topics, &self.settings).map(Some),
        }
    }

    /// Lets a group be one of the consumer protocol; answers the tombstones of what it was.
    fn become_consumer(
        &mut self,
        now: Now,
        id: &GroupId,
        converted: Option<ConsumerGroup>,
        actions: &mut Vec<Action>,
    ) -> Vec<CoordinatorRecord> {
        self.groups.entry(id.clone()).or_insert_with(|| Box::new(Group::new(id.clone(), now)));
        let Some((group, mut turn)) = self.group_turn(id.as_str(), now, actions) else { return Vec::new() };
        if let Some(converted) = converted {
            return vec![group.upgrade(converted, &mut turn)];
        }
        if group.consumer.is_some() {
            return Vec::new();
        }
        group.consumer = Some(Box::new(ConsumerGroup::new(id.clone())));
        let was_blank = group.classic.is_blank();
        group.classic = ClassicGroup::new(id.clone(), now);
        if was_blank { Vec::new() } else { vec![CoordinatorRecord::Group { group: id.clone(), value: None }] }
    }

    /// Whether a group of the consumer protocol has members.
    pub(super) fn has_consumers(&self, group: &str) -> bool {
        let consumer = self.groups.get(group).and_then(|group| group.consumer.as_ref());
        consumer.is_some_and(|consumer| consumer.members().len() > 0)
    }

    /// JoinGroup into a group of the consumer protocol with members;
    /// answered when the log holds what it changed.
    pub(super) fn join_consumers(
        &mut self,
        now: Now,
        request: &JoinRequest,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        if self.writes.is_stalled(request.group.as_str()) {
            self.hold_off(now, &request.group, Some(&request.member), actions);
            let answer = Answer::join_refused(GroupError::CoordinatorNotAvailable, request.member.clone());
            actions.push(Action::Reply { token, answer });
            return;
        }
        if let Some((group, mut turn)) = self.group_turn(request.group.as_str(), now, actions)
            && let Some(consumer) = &mut group.consumer
        {
            match consumer.join_classic(request, topics, &mut turn) {
                Err(refused) => turn.reply(token, Answer::Join(Err(refused))),
                Ok(joined) => {
                    let reply = (token, Answer::Join(Ok(joined)));
                    group.conclude(Vec::new(), Some(reply), topics, &mut turn);
                }
            }
        }
        self.purge_deadlines();
    }

    /// SyncGroup into a group of the consumer protocol;
    /// answered when the log holds all that was changed before.
    pub(super) fn sync_consumers(
        &mut self,
        now: Now,
        request: &SyncRequest,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        if self.writes.is_stalled(request.group.as_str()) {
            self.hold_off(now, &request.group, Some(&request.member), actions);
            let answer = Answer::Sync(Err(GroupError::CoordinatorNotAvailable));
            actions.push(Action::Reply { token, answer });
            return;
        }
        if let Some((group, mut turn)) = self.group_turn(request.group.as_str(), now, actions)
            && let Some(consumer) = &mut group.consumer
        {
            match consumer.sync_classic(request, topics, &mut turn) {
                Err(error) => turn.reply(token, Answer::Sync(Err(error))),
                Ok(synced) => {
                    let reply = (token, Answer::Sync(Ok(synced)));
                    group.conclude(Vec::new(), Some(reply), topics, &mut turn);
                }
            }
        }
    }

    /// Whether a classic member may join; an empty group of the consumer protocol becomes a classic one
    /// again.
    pub(super) fn make_way_for_classic(
        &mut self,
        now: Now,
        request: &JoinRequest,
        actions: &mut Vec<Action>,
    ) -> Result<(), GroupError> {
        let Some((group, mut turn)) = self.group_turn(request.group.as_str(), now, actions) else {
            return Ok(());
        };
        let Some(consumer) = &group.consumer else { return Ok(()) };
        if group.status().is_dead() {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        if !request.member.is_empty() {
            return Err(GroupError::UnknownMemberId);
        }
        if turn.writes.is_behind(request.group.as_str()) {
            // Records of the consumer protocol must not come behind those of the classic one. Nobody else may
            // ever ask again for what failed.
            turn.writes.go_on(&request.group, turn.actions);
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let tombstones = consumer.tombstones();
        group.consumer = None;
        group.write(tombstones, None, &mut turn);
        Ok(())
    }

    /// LeaveGroup from a group of the consumer protocol; answered when the log holds it.
    pub(super) fn leave_consumers(
        &mut self,
        now: Now,
        request: &LeaveRequest,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        let Some((group, mut turn)) = self.group_turn(request.group.as_str(), now, actions) else { return };
        let Some(consumer) = &mut group.consumer else { return };
        let left = consumer.leave_group(&request.members, turn.settings);
        group.conclude(Vec::new(), Some((token, Answer::Leave(Ok(left)))), topics, &mut turn);
    }

    pub(super) fn is_of_consumers(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|group| group.consumer.is_some())
    }
}
