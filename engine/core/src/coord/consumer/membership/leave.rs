//! Members go: by their own wish, for a while, or because nothing was heard of them.

use super::makeup::Makeup;
use crate::coord::answer::LeftMember;
use crate::coord::consumer::state::changes::Change;
use crate::coord::consumer::state::group::{ConsumerGroup, Life};
use crate::coord::deadlines::{Fired, Subject};
use crate::coord::error::GroupError;
use crate::coord::ids::{Epoch, InstanceId, MemberId, MonotonicMs};
use crate::coord::kip848::MemberState;
use crate::coord::kip848::Partitions;
use crate::coord::kip848::{Beat, BeatRefused, ConsumerBeat};
use crate::coord::request::LeavingMember;
use crate::coord::settings::GroupSettings;
use crate::coord::turn::Turn;

impl ConsumerGroup {
    /// A member says that it leaves, or, as a static one, that it will be back.
    pub(in crate::coord) fn leave(
        &mut self,
        request: &ConsumerBeat,
        settings: &GroupSettings,
    ) -> Result<Beat, BeatRefused> {
        if self.life == Life::Dying {
            return Err(GroupError::CoordinatorNotAvailable.into());
        }
        let id = self.find(&request.member, request.instance.as_ref())?.id.clone();
        match request.epoch {
            Epoch::AWAY => self.go_away(&id),
            _ => self.dismiss(&id, settings),
        }
        Ok(Beat { member: id, epoch: request.epoch, interval_ms: 0, assignment: None })
    }

    /// A static member keeps what it owns until its session is over; it has stopped,
    /// so it revokes nothing any more.
    fn go_away(&mut self, id: &MemberId) {
        let member = self.member(id);
        member.rebalance.cancel();
        (member.previous_epoch, member.epoch) = (member.epoch, Epoch::AWAY);
        member.state = MemberState::Stable;
        let assigned = member.assigned.clone();
        self.claim(id, assigned, Partitions::default());
        self.changes.insert(Change::Current(id.clone()));
    }

    /// A member is out; the others are to share what it had.
    fn dismiss(&mut self, id: &MemberId, settings: &GroupSettings) {
        let before = self.makeup();
        self.take_out(id);
        self.go_on_without(before, settings);
    }

    /// Members are gone: those that are left share anew, here or as a classic group.
    fn go_on_without(&mut self, before: Makeup, settings: &GroupSettings) {
        match self.is_left_to_classic(before, settings) {
            true => self.life = Life::Downgrading,
            false => {
                if self.members.is_empty() {
                    // Nobody subscribes to anything: so Kafka's record says.
                    self.metadata_hash = 0;
                }
                self.bump();
            }
        }
    }

    /// LeaveGroup, by which classic members go and administrators remove members.
    pub(in crate::coord) fn leave_group(
        &mut self,
        leaving: &[LeavingMember],
        settings: &GroupSettings,
    ) -> Vec<LeftMember> {
        let before = self.makeup();
        let mut left = Vec::with_capacity(leaving.len());
        for LeavingMember { member, instance } in leaving {
            let found = self.find_leaving(member, instance.as_ref());
            if let Ok(id) = &found {
                self.take_out(id);
            }
            let (member, instance) = (member.clone(), instance.clone());
            left.push(LeftMember { member, instance, result: found.map(drop) });
        }
        if left.iter().any(|left| left.result.is_ok()) {
            self.go_on_without(before, settings);
        }
        left
    }

    fn find_leaving(&self, id: &MemberId, instance: Option<&InstanceId>) -> Result<MemberId, GroupError> {
        let found = match instance {
            Some(instance) if id.is_empty() => self.instance(instance.as_str()),
            _ => Some(self.find(id, instance).map_err(|refused| refused.error)?),
        };
        found.map(|member| member.id.clone()).ok_or(GroupError::UnknownMemberId)
    }

    /// The entry of a member's session, queued for `at`, came up.
    pub(in crate::coord) fn session_came_up(&mut self, id: &MemberId, at: MonotonicMs, turn: &mut Turn<'_>) {
        let subject = Subject::Session(self.id.clone(), id.clone());
        let Some(member) = self.members.get_mut(id) else { return };
        if turn.fired(&mut member.session, at, || subject) == Fired::Now {
            self.dismiss(id, turn.settings);
        }
    }

    /// The entry of the time that a member has for its next step came up.
    /// Its timer is cancelled when it has taken that.
    pub(in crate::coord) fn revocation_came_up(
        &mut self,
        id: &MemberId,
        at: MonotonicMs,
        turn: &mut Turn<'_>,
    ) {
        let subject = Subject::Revocation(self.id.clone(), id.clone());
        let Some(member) = self.members.get_mut(id) else { return };
        if turn.fired(&mut member.rebalance, at, || subject) == Fired::Now {
            self.dismiss(id, turn.settings);
        }
    }

    /// A group came out of the log: its members have a session from now, and those that are to give
    /// partitions up the time for that.
    pub(in crate::coord) fn loaded(&mut self, turn: &mut Turn<'_>) {
        self.settle();
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in &ids {
            self.arm_session(id, turn);
            if self.member(id).state == MemberState::UnrevokedPartitions {
                self.arm_rebalance(id, turn);
            }
        }
    }
}
