//! Members of the consumer protocol (KIP-848), and classic requests that meet a group of it.

use super::machine::Coordinator;
use crate::coord::action::Action;
use crate::coord::answer::{Answer, LeftMember};
use crate::coord::classic::{ClassicGroup, GroupState};
use crate::coord::consumer::{ConsumerGroup, checks};
use crate::coord::error::GroupError;
use crate::coord::group::Group;
use crate::coord::ids::{Epoch, GroupId, Now, Token};
use crate::coord::kip848::{BeatRefused, ConsumerBeat, Topics};
use crate::coord::record::CoordinatorRecord;
use crate::coord::request::{JoinRequest, LeaveRequest};

impl Coordinator {
    /// ConsumerGroupHeartbeat; answered with [`Answer::ConsumerHeartbeat`] once the log holds what it changed.
    pub fn consumer_heartbeat(
        &mut self,
        now: Now,
        request: &ConsumerBeat,
        topics: &dyn Topics,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        if let Err(refused) = self.check_beat(request) {
            actions.push(Action::Reply { token, answer: Answer::ConsumerHeartbeat(Err(refused)) });
            return;
        }
        let id = &request.group;
        if self.writes.is_stalled(id.as_str()) {
            self.hold_off(now, request, actions);
            let answer = Answer::ConsumerHeartbeat(Err(GroupError::CoordinatorNotAvailable.into()));
            actions.push(Action::Reply { token, answer });
            return;
        }
        let tombstones =
            if request.epoch == Epoch::JOINING { self.become_consumer(now, id) } else { Vec::new() };
        if let Some((group, mut turn)) = self.group_turn(id.as_str(), now, actions)
            && let Some(consumer) = &mut group.consumer
        {
            let beat = match request.epoch {
                Epoch::LEAVING | Epoch::AWAY => consumer.leave(request),
                _ => Ok(consumer.heartbeat(request, topics, &mut turn)),
            };
            let is_refused = beat.is_err();
            let answer = Answer::ConsumerHeartbeat(beat);
            if is_refused {
                turn.reply(token, answer);
            } else {
                let mut records = tombstones;
                records.extend(consumer.take_records());
                group.write(records, Some((token, answer)), &mut turn);
            }
        }
        self.purge_deadlines();
    }

    /// A group whose changes cannot be written does not change any more, but it keeps those who are heard of.
    fn hold_off(&mut self, now: Now, request: &ConsumerBeat, actions: &mut Vec<Action>) {
        self.writes.go_on(&request.group, actions);
        if let Some((group, mut turn)) = self.group_turn(request.group.as_str(), now, actions)
            && let Some(consumer) = &mut group.consumer
            && request.epoch > Epoch::JOINING
        {
            consumer.hear_of(&request.member, &mut turn);
        }
    }

    fn check_beat(&self, request: &ConsumerBeat) -> Result<(), BeatRefused> {
        checks::check_request(request, &self.settings)?;
        let id = &request.group;
        let not_found = |message: String| Err(BeatRefused::new(GroupError::GroupIdNotFound, message));
        let group = self.groups.get(id);
        let consumer = group.and_then(|group| group.consumer.as_deref());
        match (request.epoch, group, consumer) {
            (Epoch::JOINING, Some(group), None) => check_upgrade(id, &group.classic)?,
            (Epoch::JOINING, _, _) => {}
            (_, Some(_), Some(consumer)) => {
                return match request.epoch {
                    // Leaving checks for itself.
                    Epoch::LEAVING | Epoch::AWAY => Ok(()),
                    _ => checks::check_member(consumer, request),
                };
            }
            (_, Some(_), None) => return not_found(format!("Group {id} is not a consumer group.")),
            (Epoch::LEAVING | Epoch::AWAY, None, _) => return not_found(format!("Group {id} not found.")),
            (_, None, _) => return not_found(format!("Consumer group {id} not found.")),
        }
        checks::check_join(consumer, request, &self.settings)
    }

    /// Lets a group be one of the consumer protocol; answers the tombstones of what it was.
    fn become_consumer(&mut self, now: Now, id: &GroupId) -> Vec<CoordinatorRecord> {
        let group = self.groups.entry(id.clone()).or_insert_with(|| Box::new(Group::new(id.clone(), now)));
        if group.consumer.is_some() {
            return Vec::new();
        }
        group.consumer = Some(Box::new(ConsumerGroup::new(id.clone())));
        if group.classic.is_blank() {
            return Vec::new();
        }
        group.classic = ClassicGroup::new(id.clone(), now);
        vec![CoordinatorRecord::Group { group: id.clone(), value: None }]
    }

    /// Whether a classic member may join; an empty group of the consumer protocol becomes a classic one again.
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
        if consumer.members().len() > 0 {
            let is_known = consumer.members().any(|member| member.id == request.member);
            let is_other = !request.member.is_empty();
            return Err(match is_known || is_other {
                true => GroupError::UnknownMemberId,
                false => GroupError::InconsistentGroupProtocol,
            });
        }
        if !request.member.is_empty() {
            return Err(GroupError::UnknownMemberId);
        }
        if turn.writes.is_behind(request.group.as_str()) {
            // Records of the consumer protocol must not come behind those of the classic one.
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let tombstones = consumer.tombstones();
        group.consumer = None;
        group.write(tombstones, None, &mut turn);
        Ok(())
    }

    /// LeaveGroup of members of the consumer protocol; answered when the log holds it.
    pub(super) fn leave_consumers(
        &mut self,
        now: Now,
        request: &LeaveRequest,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        let Some((group, mut turn)) = self.group_turn(request.group.as_str(), now, actions) else { return };
        let Some(consumer) = &mut group.consumer else { return };
        let left = request.members.iter().map(|leaving| LeftMember {
            member: leaving.member.clone(),
            instance: leaving.instance.clone(),
            result: consumer.leave_classic(&leaving.member, leaving.instance.as_ref()),
        });
        let answer = Answer::Leave(Ok(left.collect()));
        group.write_changes(Some((token, answer)), &mut turn);
    }

    pub(super) fn is_of_consumers(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|group| group.consumer.is_some())
    }
}

/// A classic group becomes one of the consumer protocol while it has no members.
fn check_upgrade(id: &GroupId, classic: &ClassicGroup) -> Result<(), BeatRefused> {
    match classic.state() {
        GroupState::Empty if !classic.has_pending_members() => Ok(()),
        GroupState::Dead => Err(GroupError::CoordinatorNotAvailable.into()),
        _ => Err(BeatRefused::new(
            GroupError::GroupIdNotFound,
            format!(
                "Cannot upgrade classic group {id} to consumer group because online upgrade is disabled."
            ),
        )),
    }
}
