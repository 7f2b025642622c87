//! Writes under way: what is to become true, and who is to be told, once the offsets topic holds them.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::lane::{Fallen, Lane, Step};
use super::purpose::WritePurpose;
use crate::coord::action::Action;
use crate::coord::answer::Answer;
use crate::coord::error::WriteFault;
use crate::coord::ids::{GroupId, Token, WriteId};
use crate::coord::record::CoordinatorRecord;

/// A write that was asked for and not yet answered by the host.
#[derive(Debug, Clone)]
pub(in crate::coord) struct Write {
    pub(in crate::coord) id: WriteId,
    pub(in crate::coord) records: Arc<[CoordinatorRecord]>,
    pub(in crate::coord) purpose: WritePurpose,
    /// Who is told when it is in the log.
    pub(in crate::coord) replies: Vec<(Token, Answer)>,
    /// The group whose lane it came from.
    pub(in crate::coord) lane: Option<GroupId>,
    /// Where each step of the lane ends in `records`.
    ends: Vec<usize>,
}

/// All writes under way of one coordinator, oldest first.
#[derive(Debug, Clone, Default)]
pub(in crate::coord) struct Writes {
    under_way: VecDeque<Write>,
    /// Of groups of the consumer protocol that have changed what the log does not hold yet. What such a group
    /// writes once it is a classic one goes into its lane as long as there is one.
    lanes: FxHashMap<GroupId, Lane>,
    last: u64,
    /// Memory that is kept for what those under way bring.
    bytes: usize,
}

impl Writes {
    pub(in crate::coord) fn ask(
        &mut self,
        records: Vec<CoordinatorRecord>,
        purpose: WritePurpose,
        reply: Option<(Token, Answer)>,
        actions: &mut Vec<Action>,
    ) {
        let step = Step { records, purpose, replies: reply.into_iter().collect() };
        match self.lane_of(&step.purpose) {
            Some(group) => {
                self.lanes.entry(group.clone()).or_default().push(step);
                self.go_on(&group, actions);
            }
            None => self.send(step, None, Vec::new(), actions),
        }
    }

    /// The group whose lane a write has to take: it must not come before what the group has changed, nor must
    /// that, asked for again, come behind it.
    fn lane_of(&self, purpose: &WritePurpose) -> Option<GroupId> {
        let group = purpose.group()?;
        (purpose.is_owed() || self.is_behind(group.as_str())).then(|| group.clone())
    }

    fn send(&mut self, step: Step, lane: Option<GroupId>, ends: Vec<usize>, actions: &mut Vec<Action>) {
        self.last += 1;
        let id = WriteId(self.last);
        let Step { records, purpose, replies } = step;
        self.bytes += purpose.bytes();
        let records: Arc<[CoordinatorRecord]> = records.into();
        actions.push(Action::Write { id, records: Arc::clone(&records) });
        self.under_way.push_back(Write { id, records, purpose, replies, lane, ends });
    }

    /// Answers when everything that a consumer group has changed is in the log, at once if all is: an answer
    /// must not tell what a crash could take back.
    pub(in crate::coord) fn reply_behind(
        &mut self,
        group: &GroupId,
        token: Token,
        answer: Answer,
        actions: &mut Vec<Action>,
    ) {
        let Some(lane) = self.lanes.get_mut(group) else {
            actions.push(Action::Reply { token, answer });
            return;
        };
        if let Some(newest) = lane.newest() {
            newest.replies.push((token, answer));
            return;
        }
        match self.under_way.iter_mut().find(|write| write.is_of(group)) {
            Some(write) => write.replies.push((token, answer)),
            None => unreachable!("a group that is behind and has nothing to write has a write under way"),
        }
    }

    /// Asks for what a consumer group has yet to write, unless a write of it is under way.
    pub(in crate::coord) fn go_on(&mut self, group: &GroupId, actions: &mut Vec<Action>) {
        let Some(lane) = self.lanes.get_mut(group) else { return };
        if let Some((step, ends)) = lane.begin() {
            self.send(step, Some(group.clone()), ends, actions);
        } else if lane.is_idle() {
            self.lanes.remove(group);
        }
    }

    /// A write of a group's lane is in the log.
    pub(in crate::coord) fn lane_written(&mut self, group: &GroupId, actions: &mut Vec<Action>) {
        if let Some(lane) = self.lanes.get_mut(group) {
            lane.ended();
        }
        self.go_on(group, actions);
    }

    /// A write is larger than a batch may be. One that is owed goes again at once, in parts,
    /// and nobody hears of it; answers any other.
    pub(in crate::coord) fn part(&mut self, write: Write, actions: &mut Vec<Action>) -> Option<Write> {
        let group = match &write.lane {
            Some(group) if write.purpose.is_owed() && write.records.len() > 1 => group.clone(),
            _ => return Some(write),
        };
        let lane = self.lanes.entry(group.clone()).or_default();
        let Write { records, purpose, replies, ends, .. } = write;
        lane.part(Step { records: records.to_vec(), purpose, replies }, &ends);
        self.go_on(&group, actions);
        None
    }

    /// A write failed. What of it is owed is to be asked for again before anything else of its group, unless
    /// it never fits; answers what fails with it.
    pub(in crate::coord) fn lane_failed(&mut self, write: &Write, fault: WriteFault) -> Fallen {
        let Some(lane) = write.lane.as_ref().and_then(|group| self.lanes.get_mut(group)) else {
            return Fallen::default();
        };
        if write.purpose.is_owed() && fault != WriteFault::TooLarge {
            return lane.failed(&write.records, &write.ends, &write.purpose);
        }
        lane.ended();
        // Behind a record that is given up nobody is to believe that all of a change is in the log.
        let replies = if write.purpose.is_owed() { lane.take_replies() } else { Vec::new() };
        Fallen { purposes: Vec::new(), replies }
    }

    /// Whether a group has changed, as one of the consumer protocol, what the log does not hold yet.
    pub(in crate::coord) fn is_behind(&self, group: &str) -> bool {
        self.lanes.contains_key(group)
    }

    /// Whether the last write of those changes failed.
    pub(in crate::coord) fn is_stalled(&self, group: &str) -> bool {
        self.lanes.get(group).is_some_and(Lane::is_stalled)
    }

    /// Asks again for every one that failed.
    pub(in crate::coord) fn retry_all(&mut self, actions: &mut Vec<Action>) {
        let mut stalled: Vec<GroupId> =
            self.lanes.iter().filter(|(_, lane)| lane.is_stalled()).map(|(group, _)| group.clone()).collect();
        // The order of a map says nothing.
        stalled.sort_unstable();
        stalled.iter().for_each(|group| self.go_on(group, actions));
    }

    /// Takes a write that came into the log. They come in order.
    pub(in crate::coord) fn take_oldest(&mut self, id: WriteId) -> Write {
        let write = self.under_way.pop_front();
        match write {
            Some(write) if write.id == id => {
                self.bytes -= write.purpose.bytes();
                write
            }
            other => panic!("{id:?} was written before {:?}", other.map(|write| write.id)),
        }
    }

    /// Takes a write that failed; those before it may still be under way.
    pub(in crate::coord) fn take_failed(&mut self, id: WriteId) -> Write {
        let place = self.under_way.iter().position(|write| write.id == id);
        match place.and_then(|place| self.under_way.remove(place)) {
            Some(write) => {
                self.bytes -= write.purpose.bytes();
                write
            }
            None => panic!("{id:?} is not under way"),
        }
    }

    pub(in crate::coord) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Memory that will be taken when they are in the log.
    pub(in crate::coord) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those of one group.
    pub(in crate::coord) fn records_of<'a>(
        &'a self,
        group: &'a str,
    ) -> impl Iterator<Item = &'a CoordinatorRecord> {
        self.records().filter(move |record| record.group().as_str() == group)
    }

    /// All records under way, in the order in which they will stand in the log.
    pub(in crate::coord) fn records(&self) -> impl Iterator<Item = &CoordinatorRecord> {
        self.under_way.iter().flat_map(|write| write.records.iter())
    }

    /// Forgets all and returns who still waits.
    pub(in crate::coord) fn drain(&mut self) -> Vec<(Token, Answer)> {
        let under_way = std::mem::take(&mut self.under_way).into_iter().flat_map(|write| write.replies);
        let mut lanes: Vec<(GroupId, Lane)> = std::mem::take(&mut self.lanes).into_iter().collect();
        lanes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        under_way.chain(lanes.into_iter().flat_map(|(_, mut lane)| lane.take_replies())).collect()
    }
}

impl Write {
    fn is_of(&self, wanted: &GroupId) -> bool {
        self.lane.as_ref() == Some(wanted)
    }
}
