//! ConsumerGroupHeartbeat of members that stay: one request says who lives, who wants what,
//! and who owns what.

use crate::coord::consumer::assignment::reconcile::{Owning, Step};
use crate::coord::consumer::state::group::ConsumerGroup;
use crate::coord::consumer::subscription::Subscribing;
use crate::coord::ids::{Epoch, MemberId};
use crate::coord::kip848::Topics;
use crate::coord::kip848::{Beat, ConsumerBeat};
use crate::coord::turn::Turn;

impl ConsumerGroup {
    /// A member joins, or is in the group and lives. All checks have passed;
    /// what the log is to hold of it stands in `changes`.
    pub(in crate::coord) fn heartbeat(
        &mut self,
        request: &ConsumerBeat,
        topics: &dyn Topics,
        turn: &mut Turn<'_>,
    ) -> Beat {
        let id = self.admit(request);
        let before = self.member(&id).assigned.clone();
        let patterns_changed = self.refresh_patterns(topics, turn.now, turn.settings);
        let mut subscribing = self.update(&id, request);
        if patterns_changed {
            subscribing = Subscribing::Anew;
        }
        let have_changed = self.have_topics_changed(subscribing, topics);
        if subscribing == Subscribing::Anew || have_changed {
            self.bump();
            turn.tally.consumer_rebalances += 1;
        }
        self.assign_if_due(topics, turn.now, turn.settings);
        let step = self.reconcile(&id, Owning::of(request));
        self.keep_alive(&id, step, turn);
        let interval_ms = turn.settings.of_group(self.id.as_str()).heartbeat_interval_ms;
        let member = self.member(&id);
        let is_told = request.epoch == Epoch::JOINING || request.is_full() || member.assigned != before;
        Beat {
            member: id.clone(),
            epoch: member.epoch,
            interval_ms,
            assignment: is_told.then(|| member.assigned.clone()),
        }
    }

    /// Its session begins anew; so does, where it is to give partitions up, the time that it has for that.
    fn keep_alive(&mut self, id: &MemberId, step: Step, turn: &mut Turn<'_>) {
        self.arm_session(id, turn);
        match step {
            Step::Revoking => self.arm_rebalance(id, turn),
            Step::Moved => self.member(id).rebalance.cancel(),
            Step::None => {}
        }
    }
}
