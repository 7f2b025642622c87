//! Reconciliation: a member gives up what it is not to own, then takes what others have given up (KIP-848).

use crate::coord::consumer::state::changes::Change;
use crate::coord::consumer::state::group::ConsumerGroup;
use crate::coord::ids::{Epoch, MemberId};
use crate::coord::kip848::ConsumerBeat;
use crate::coord::kip848::MemberState;
use crate::coord::kip848::Partitions;

/// Whether a heartbeat took a member a step further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coord::consumer) enum Step {
    /// It has just been told to give partitions up.
    Revoking,
    Moved,
    None,
}

/// What a member says that it owns.
#[derive(Debug, Clone, Copy)]
pub(in crate::coord::consumer) enum Owning<'a> {
    /// It joins, and owns nothing.
    Nothing,
    /// These, or, where it does not say, what it owned before. What it was told of may be on its way to it.
    AtLeast(Option<&'a Partitions>),
    /// These: a classic member says so when it joins, and gets others with its next sync.
    Exactly(&'a Partitions),
}

impl<'a> Owning<'a> {
    pub(in crate::coord::consumer) fn of(request: &'a ConsumerBeat) -> Owning<'a> {
        match request.epoch {
            Epoch::JOINING => Owning::Nothing,
            _ => Owning::AtLeast(request.owned.as_ref()),
        }
    }

    /// Whether it may still use some of `partitions`, which it knows that it has to give up.
    fn may_hold(self, partitions: &Partitions) -> bool {
        match self {
            Owning::Nothing => false,
            Owning::AtLeast(None) => true,
            Owning::AtLeast(Some(owned)) | Owning::Exactly(owned) => {
                partitions.keys().any(|key| owned.contains(key))
            }
        }
    }

    /// Whether it has to be told first that it is to give `partitions` up.
    fn must_be_told(self, partitions: &Partitions) -> bool {
        match self {
            Owning::Nothing => false,
            Owning::AtLeast(_) => !partitions.is_empty(),
            Owning::Exactly(_) => self.may_hold(partitions),
        }
    }
}

impl ConsumerGroup {
    /// Takes a member as far towards its target as it can come. Who joins
    /// owns nothing; a member that does not own what it was told of may have it any moment,
    /// and has to be told first.
    pub(in crate::coord::consumer) fn reconcile(&mut self, id: &MemberId, owning: Owning<'_>) -> Step {
        let assigned_epoch = self.assigned_epoch;
        let member = self.member(id);
        let is_waited_for =
            member.state == MemberState::UnrevokedPartitions && owning.may_hold(&member.revoking);
        if is_waited_for || member.has_reached(assigned_epoch) {
            return Step::None;
        }
        let kept = member.assigned.and(&member.target);
        let revoking = member.assigned.without(&member.target);
        if owning.must_be_told(&revoking) {
            member.state = MemberState::UnrevokedPartitions;
            self.claim(id, kept, revoking);
            self.changes.insert(Change::Current(id.clone()));
            return Step::Revoking;
        }
        let wanted = member.target.without(&kept);
        let free = wanted.filter(|key| !self.is_others(key, id));
        let state = match free.len() == wanted.len() {
            true => MemberState::Stable,
            false => MemberState::UnreleasedPartitions,
        };
        let taken = Partitions::of(free.keys(), assigned_epoch);
        let member = self.member(id);
        if member.state == state && member.epoch == assigned_epoch && taken.is_empty() {
            // It waits for others as before.
            return Step::None;
        }
        member.state = state;
        (member.previous_epoch, member.epoch) = (member.epoch, assigned_epoch);
        self.claim(id, kept.with(&taken), Partitions::default());
        self.changes.insert(Change::Current(id.clone()));
        Step::Moved
    }
}
