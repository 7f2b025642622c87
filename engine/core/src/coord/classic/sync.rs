//! SyncGroup: the leader brings the assignment, it is written, and everybody gets its part.

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::group::ClassicGroup;
use super::member::SyncDuty;
use super::state::GroupState;
use crate::coord::answer::{Answer, Synced};
use crate::coord::error::{GroupError, WriteFault};
use crate::coord::ids::{Generation, MemberId, Token};
use crate::coord::record::{CoordinatorRecord, GroupMetadata};
use crate::coord::request::SyncRequest;
use crate::coord::turn::Turn;
use crate::coord::writing::purpose::WritePurpose;

impl ClassicGroup {
    /// A member asks for its assignment. Answered under `token`, at once or when the leader's is in the log.
    pub(in crate::coord) fn sync(&mut self, request: &SyncRequest, token: Token, turn: &mut Turn<'_>) {
        if let Err(error) = self.check_sync(request) {
            turn.reply(token, Answer::Sync(Err(error)));
            return;
        }
        match self.state {
            GroupState::CompletingRebalance => {
                self.wait_for_sync(&request.member, token, turn);
                self.note_sync(&request.member);
                if self.is_leader(request.member.as_str()) && self.assigning.is_none() {
                    self.take_assignment(request, turn);
                }
            }
            GroupState::Stable => {
                self.note_sync(&request.member);
                let synced = self.synced(&request.member);
                turn.reply(token, Answer::Sync(Ok(synced)));
            }
            GroupState::Empty | GroupState::PreparingRebalance | GroupState::Dead => {
                turn.reply(token, Answer::Sync(Err(GroupError::RebalanceInProgress)));
            }
        }
    }

    fn check_sync(&self, request: &SyncRequest) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let instance = request.instance.as_ref().map(|instance| instance.as_str());
        self.check_member(request.member.as_str(), instance)?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let is_other = |named: &Option<_>, own: &Option<_>| named.is_some() && own.is_some() && named != own;
        if is_other(&request.protocol_type, &self.protocol_type)
            || is_other(&request.protocol, &self.protocol)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn note_sync(&mut self, id: &MemberId) {
        if let Some(member) = self.members.get_mut(id)
            && member.sync_duty == SyncDuty::Owed
        {
            member.sync_duty = SyncDuty::Done;
            self.unsynced -= 1;
        }
        if self.unsynced == 0 {
            self.sync_timer.cancel();
        }
    }

    /// An assignment that there is no memory for is like one that cannot be written: all are told so, and
    /// join again. No error but those of a coordinator that is away makes clients do that.
    fn take_assignment(&mut self, request: &SyncRequest, turn: &mut Turn<'_>) {
        let bytes = self.growth_of_assignment(request);
        if turn.has_room_for(bytes) {
            return self.write_assignment(request, bytes, turn);
        }
        turn.tally.refusals += 1;
        self.give_up_assignment(GroupError::from(WriteFault::Unavailable), turn);
        self.rebalance_or_complete_join(turn);
    }

    /// Members that the leader leaves out get an empty assignment.
    fn write_assignment(&mut self, request: &SyncRequest, bytes: usize, turn: &mut Turn<'_>) {
        let assignments: FxHashMap<&MemberId, &Bytes> =
            request.assignments.iter().map(|(id, assignment)| (id, assignment)).collect();
        let mut metadata = self.metadata();
        for member in &mut metadata.members {
            let assignment = assignments.get(&member.id).map(|bytes| Bytes::copy_from_slice(bytes));
            member.assignment = assignment.unwrap_or_default();
        }
        self.assigning = Some(self.generation);
        let purpose = WritePurpose::Assignment { group: self.id.clone(), generation: self.generation, bytes };
        let record = CoordinatorRecord::Group { group: self.id.clone(), value: Some(metadata) };
        turn.write(vec![record], purpose, None);
    }

    /// The log holds the assignment. If the group has gone on meanwhile, the next one counts.
    pub(in crate::coord) fn assigned(
        &mut self,
        generation: Generation,
        metadata: &GroupMetadata,
        turn: &mut Turn<'_>,
    ) {
        if !self.is_assigning(generation) {
            return;
        }
        self.assigning = None;
        for assigned in &metadata.members {
            if let Some(member) = self.members.get_mut(&assigned.id) {
                member.assignment = assigned.assignment.clone();
                self.held.touched.push(assigned.id.clone());
            }
        }
        self.become_state(GroupState::Stable, turn.now);
        for assigned in &metadata.members {
            if self.members.get(&assigned.id).is_some_and(|member| member.syncing.is_some()) {
                let synced = self.synced(&assigned.id);
                self.answer_sync(&assigned.id, Ok(synced), turn);
                self.arm_session(&assigned.id, turn);
            }
        }
    }

    /// The log does not hold it: all are told why, and join again.
    pub(in crate::coord) fn not_assigned(
        &mut self,
        generation: Generation,
        fault: WriteFault,
        turn: &mut Turn<'_>,
    ) {
        if self.is_assigning(generation) {
            self.give_up_assignment(GroupError::from(fault), turn);
            self.rebalance_or_complete_join(turn);
        }
    }

    fn is_assigning(&self, generation: Generation) -> bool {
        self.state == GroupState::CompletingRebalance && self.assigning == Some(generation)
    }

    fn synced(&self, id: &MemberId) -> Synced {
        let assignment = self.members.get(id).map(|member| member.assignment.clone());
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: assignment.unwrap_or_default(),
        }
    }
}
