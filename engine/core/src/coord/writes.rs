//! Writes under way: what is to become true, and who is to be told, once the offsets topic holds them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::action::Action;
use super::answer::Answer;
use super::ids::{Generation, GroupId, MemberId, Token, WriteId};
use super::record::CoordinatorRecord;
use super::request::{Protocol, SkipAssignment};

/// What a write is for, beside its records.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// The records say it all.
    Records,
    /// A leader's assignment for `generation` of `group`.
    Assignment { group: GroupId, generation: Generation },
    /// A static member of a stable group under another id.
    Replacement(Box<Replacement>),
    /// Changes of a group of the consumer protocol, which it has made already.
    Consumer { group: GroupId },
    /// These groups go, unless the write fails.
    Deletion { groups: Vec<GroupId> },
}

/// A static member that came back without its id, and what it was before.
#[derive(Debug, Clone)]
pub(super) struct Replacement {
    pub(super) group: GroupId,
    pub(super) token: Token,
    pub(super) old: MemberId,
    pub(super) new: MemberId,
    /// The group's leader before; a client that does not know how to skip its assignment is told of it.
    pub(super) leader: Option<MemberId>,
    pub(super) skip_assignment: SkipAssignment,
    pub(super) protocols: Vec<Protocol>,
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
}

/// A write that was asked for and not yet answered by the host.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) id: WriteId,
    pub(super) records: Arc<[CoordinatorRecord]>,
    pub(super) purpose: Purpose,
    /// Who is told when it is in the log.
    pub(super) replies: Vec<(Token, Answer)>,
}

/// All writes under way of one coordinator, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Writes {
    under_way: VecDeque<Write>,
    last: u64,
    /// Tombstones whose write failed, of groups that have another protocol since. They go in front of the next write of
    /// their group.
    owed: BTreeMap<GroupId, Vec<CoordinatorRecord>>,
}

impl Writes {
    pub(super) fn ask(
        &mut self,
        records: Vec<CoordinatorRecord>,
        purpose: Purpose,
        reply: Option<(Token, Answer)>,
        actions: &mut Vec<Action>,
    ) {
        self.last += 1;
        let id = WriteId(self.last);
        let records: Arc<[CoordinatorRecord]> = self.with_owed(records).into();
        actions.push(Action::Write { id, records: Arc::clone(&records) });
        let replies = reply.into_iter().collect();
        self.under_way.push_back(Write { id, records, purpose, replies });
    }

    pub(super) fn owe(&mut self, tombstone: CoordinatorRecord) {
        self.owed.entry(tombstone.group().clone()).or_default().push(tombstone);
    }

    fn with_owed(&mut self, records: Vec<CoordinatorRecord>) -> Vec<CoordinatorRecord> {
        if self.owed.is_empty() {
            return records;
        }
        let owed: Vec<CoordinatorRecord> =
            records.iter().filter_map(|record| self.owed.remove(record.group())).flatten().collect();
        owed.into_iter().chain(records).collect()
    }

    /// Answers when everything that was asked for is in the log, at once if nothing is under way: an answer must not
    /// tell what a crash could take back.
    pub(super) fn reply_behind(&mut self, token: Token, answer: Answer, actions: &mut Vec<Action>) {
        match self.under_way.back_mut() {
            Some(newest) => newest.replies.push((token, answer)),
            None => actions.push(Action::Reply { token, answer }),
        }
    }

    /// Takes a write that came into the log. They come in order.
    pub(super) fn take_oldest(&mut self, id: WriteId) -> Write {
        let write = self.under_way.pop_front();
        match write {
            Some(write) if write.id == id => write,
            other => panic!("{id:?} was written before {:?}", other.map(|write| write.id)),
        }
    }

    /// Takes a write that failed; those before it may still be under way.
    pub(super) fn take_failed(&mut self, id: WriteId) -> Write {
        let place = self.under_way.iter().position(|write| write.id == id);
        match place.and_then(|place| self.under_way.remove(place)) {
            Some(write) => write,
            None => panic!("{id:?} is not under way"),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Those of one group.
    pub(super) fn records_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a CoordinatorRecord> {
        self.records().filter(move |record| record.group().as_str() == group)
    }

    /// All records under way, in the order in which they will stand in the log.
    pub(super) fn records(&self) -> impl Iterator<Item = &CoordinatorRecord> {
        self.under_way.iter().flat_map(|write| write.records.iter())
    }

    /// Forgets all and returns who still waits.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Token, Answer)> {
        std::mem::take(&mut self.under_way).into_iter().flat_map(|write| write.replies)
    }
}
