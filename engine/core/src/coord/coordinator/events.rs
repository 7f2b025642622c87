//! What happens without a request: writes end, time passes, the partition goes elsewhere.

use super::machine::Coordinator;
use crate::coord::action::Action;
use crate::coord::answer::Answer;
use crate::coord::deadlines::{Fired, Subject};
use crate::coord::error::{GroupError, WriteFault};
use crate::coord::group::Group;
use crate::coord::ids::{GroupId, MonotonicMs, Now, WriteId};
use crate::coord::kip848::Topics;
use crate::coord::record::CoordinatorRecord;
use crate::coord::writing::purpose::WritePurpose;
use crate::coord::writing::writes::Write;

impl Coordinator {
    /// A write is in the log, as durable as the topic wants it, or it failed and nothing of it is. Writes
    /// that succeed come in the order in which they were asked for.
    pub fn written(
        &mut self,
        now: Now,
        id: WriteId,
        result: Result<(), WriteFault>,
        actions: &mut Vec<Action>,
    ) {
        match result {
            Ok(()) => {
                let mut write = self.writes.take_oldest(id);
                self.carry_out(now, &write, actions);
                self.check_classic_joins(now, &mut write, actions);
                let replies = write.replies.into_iter();
                actions.extend(replies.map(|(token, answer)| Action::Reply { token, answer }));
                if let Some(group) = &write.lane {
                    self.writes.lane_written(group, actions);
                }
            }
            Err(fault) => self.failed(now, id, fault, actions),
        }
    }

    fn failed(&mut self, now: Now, id: WriteId, fault: WriteFault, actions: &mut Vec<Action>) {
        let write = self.writes.take_failed(id);
        let write = match fault {
            WriteFault::TooLarge => self.writes.part(write, actions),
            WriteFault::Unavailable | WriteFault::NotLeader => Some(write),
        };
        let Some(write) = write else { return };
        let fallen = self.writes.lane_failed(&write, fault);
        for purpose in std::iter::once(&write.purpose).chain(&fallen.purposes) {
            self.take_back(now, purpose, fault, actions);
        }
        for (token, answer) in write.replies.into_iter().chain(fallen.replies) {
            let answer = answer.failed(GroupError::from(fault));
            actions.push(Action::Reply { token, answer });
        }
        let is_over = fault == WriteFault::TooLarge || !write.purpose.is_owed();
        if let Some(group) = write.lane.filter(|_| is_over) {
            self.writes.go_on(&group, actions);
        }
    }

    fn carry_out(&mut self, now: Now, write: &Write, actions: &mut Vec<Action>) {
        match &write.purpose {
            WritePurpose::Records
            | WritePurpose::Commit { .. }
            | WritePurpose::Emptied { .. }
            | WritePurpose::Consumer { .. }
            | WritePurpose::Deletion { .. } => {}
            WritePurpose::Assignment { group, generation, .. } => {
                let metadata = write.records.iter().find_map(|record| match record {
                    CoordinatorRecord::Group { value, .. } => value.as_ref(),
                    CoordinatorRecord::Offset { .. } | CoordinatorRecord::Consumer { .. } => None,
                });
                if let (Some(metadata), Some((group, mut turn))) =
                    (metadata, self.group_turn(group.as_str(), now, actions))
                {
                    group.classic.assigned(*generation, metadata, &mut turn);
                    self.tally.rebalances += 1;
                }
            }
            WritePurpose::Replacement(replacement) => {
                if let Some((group, mut turn)) = self.group_turn(replacement.group.as_str(), now, actions) {
                    group.classic.replaced(replacement, &mut turn);
                }
            }
        }
        for record in write.records.iter() {
            self.apply(now, record);
        }
        if let WritePurpose::Deletion { groups } = &write.purpose {
            groups.iter().for_each(|group| self.forget(group.as_str()));
        }
    }

    /// Classic members of a consumer group that hear now that they have joined have their times from now;
    /// those that are out of it since hear that instead.
    fn check_classic_joins(&mut self, now: Now, write: &mut Write, actions: &mut Vec<Action>) {
        let WritePurpose::Consumer { group } = &write.purpose else { return };
        for (_, answer) in &mut write.replies {
            let Answer::Join(Ok(joined)) = answer else { continue };
            let found = self.group_turn(group.as_str(), now, actions);
            let is_member = found.is_some_and(|(group, mut turn)| match &mut group.consumer {
                Some(consumer) => consumer.answered(&joined.member, &mut turn),
                None => group.classic.has_member(&joined.member),
            });
            if !is_member {
                *answer = Answer::join_refused(GroupError::UnknownMemberId, joined.member.clone());
            }
        }
    }

    /// What a record in the log means for offsets. The members of a group are ahead of their records.
    fn apply(&mut self, now: Now, record: &CoordinatorRecord) {
        match record {
            CoordinatorRecord::Offset { group, topic, partition, value: Some(value) } => {
                let new = || Box::new(Group::new(group.clone(), now));
                self.room.touch(group);
                let group = self.groups.entry(group.clone()).or_insert_with(new);
                group.offsets.put(topic, *partition, value);
                self.tally.commits += 1;
            }
            CoordinatorRecord::Offset { group, topic, partition, value: None } => {
                self.room.touch(group);
                if let Some(group) = self.groups.get_mut(group) {
                    group.offsets.remove(topic.as_str(), *partition);
                    self.tally.removals += 1;
                }
            }
            CoordinatorRecord::Group { .. } | CoordinatorRecord::Consumer { .. } => {}
        }
    }

    /// What was to come about with a write that failed does not.
    fn take_back(&mut self, now: Now, purpose: &WritePurpose, fault: WriteFault, actions: &mut Vec<Action>) {
        match purpose {
            WritePurpose::Records
            | WritePurpose::Commit { .. }
            | WritePurpose::Emptied { .. }
            | WritePurpose::Consumer { .. } => {}
            WritePurpose::Assignment { group, generation, .. } => {
                if let Some((group, mut turn)) = self.group_turn(group.as_str(), now, actions) {
                    group.classic.not_assigned(*generation, fault, &mut turn);
                }
            }
            WritePurpose::Replacement(replacement) => {
                if let Some((group, mut turn)) = self.group_turn(replacement.group.as_str(), now, actions) {
                    group.classic.not_replaced(replacement, fault, &mut turn);
                }
            }
            WritePurpose::Deletion { groups } => {
                for id in groups {
                    if let Some(group) = self.groups.get_mut(id) {
                        group.undo_deletion();
                    }
                }
            }
        }
    }

    /// Lets every timeout fire that is over by `now`.
    pub fn expire(&mut self, now: Now, topics: &dyn Topics, actions: &mut Vec<Action>) {
        while let Some((at, subject)) = self.deadlines.pop(now.clock) {
            match subject {
                Subject::Search => {
                    let fired =
                        self.deadlines.fired(&mut self.search_timer, at, now.clock, || Subject::Search);
                    if fired == Fired::Now {
                        self.search(now, actions);
                    }
                }
                subject => self.expire_in_group((now, at), &subject, topics, actions),
            }
        }
    }

    fn expire_in_group(
        &mut self,
        (now, at): (Now, MonotonicMs),
        subject: &Subject,
        topics: &dyn Topics,
        actions: &mut Vec<Action>,
    ) {
        let Some(id) = subject.group() else { return };
        if let Some((group, mut turn)) = self.group_turn(id.as_str(), now, actions) {
            group.came_up(subject, at, &mut turn);
            group.conclude(Vec::new(), None, topics, &mut turn);
        }
        self.forget_if_blank(id.as_str());
    }

    /// The partition is led elsewhere, or the broker stops: all who wait are sent to look for the
    /// coordinator. Writes under way may or may not come to be.
    pub fn unload(mut self, actions: &mut Vec<Action>) {
        let error = GroupError::NotCoordinator;
        for (token, answer) in self.writes.drain() {
            actions.push(Action::Reply { token, answer: answer.failed(error) });
        }
        let mut ids: Vec<GroupId> = self.groups.keys().cloned().collect();
        ids.sort_unstable();
        for group in ids.iter().filter_map(|id| self.groups.get(id)) {
            for member in group.classic.members() {
                let joining =
                    member.joining.map(|token| (token, Answer::join_refused(error, member.id.clone())));
                let syncing = member.syncing.map(|token| (token, Answer::Sync(Err(error))));
                let waiting = joining.into_iter().chain(syncing);
                actions.extend(waiting.map(|(token, answer)| Action::Reply { token, answer }));
            }
        }
    }
}
