//! A group as its coordinator holds it: its members and its offsets.

use std::collections::BTreeSet;

use super::answer::Answer;
use super::classic::{ClassicGroup, GroupState};
use super::consumer::ConsumerGroup;
use super::deadlines::Subject;
use super::error::GroupError;
use super::ids::{Epoch, GroupId, MonotonicMs, Now, Token};
use super::kip848::{ConsumerGroupState, Topics};
use super::migration;
use super::offsets::{GroupOffsets, subscribed_topics};
use super::record::{CommittedOffset, CoordinatorRecord};
use super::request::CommitRequest;
use super::turn::Turn;
use super::writing::purpose::WritePurpose;

/// The protocol type of consumers, whose metadata name topics.
const CONSUMER: &str = "consumer";

/// A group; of the consumer protocol where `consumer` is there, and then `classic` is blank.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) classic: ClassicGroup,
    pub(super) consumer: Option<Box<ConsumerGroup>>,
    pub(super) offsets: GroupOffsets,
    /// Bytes that it was last counted for.
    pub(super) counted: usize,
}

/// What a group is doing, whatever its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupStatus {
    Classic(GroupState),
    Consumer(ConsumerGroupState),
}

impl GroupStatus {
    /// The name that clients see.
    pub fn name(self) -> &'static str {
        match self {
            GroupStatus::Classic(state) => state.name(),
            GroupStatus::Consumer(state) => state.name(),
        }
    }

    /// The type that clients see.
    pub fn group_type(self) -> &'static str {
        match self {
            GroupStatus::Classic(_) => "classic",
            GroupStatus::Consumer(_) => "consumer",
        }
    }

    pub(super) fn is_empty(self) -> bool {
        matches!(
            self,
            GroupStatus::Classic(GroupState::Empty) | GroupStatus::Consumer(ConsumerGroupState::Empty)
        )
    }

    pub(super) fn is_dead(self) -> bool {
        matches!(
            self,
            GroupStatus::Classic(GroupState::Dead) | GroupStatus::Consumer(ConsumerGroupState::Dead)
        )
    }
}

impl Group {
    /// What always holds between two events.
    pub(super) fn check(&self) {
        self.classic.check();
        if let Some(consumer) = &self.consumer {
            consumer.check();
            assert_eq!(
                self.classic.members().count(),
                0,
                "a group of the consumer protocol has no classic members"
            );
        }
    }

    pub(super) fn new(id: GroupId, now: Now) -> Group {
        let classic = ClassicGroup::new(id, now);
        Group { classic, consumer: None, offsets: GroupOffsets::default(), counted: 0 }
    }

    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_blank(&self) -> bool {
        self.offsets.is_empty() && self.consumer.is_none() && self.classic.is_blank()
    }

    pub(super) fn status(&self) -> GroupStatus {
        match &self.consumer {
            Some(consumer) => GroupStatus::Consumer(consumer.state()),
            None => GroupStatus::Classic(self.classic.state()),
        }
    }

    pub(super) fn member_count(&self) -> usize {
        self.consumer.as_ref().map_or(self.classic.members().len(), |consumer| consumer.members().len())
    }

    /// Whether no timeout, member or id given away keeps an empty group.
    pub(super) fn is_unused(&self) -> bool {
        self.status().is_empty() && !self.classic.has_pending_members()
    }

    /// Its deletion is asked for; answers the tombstones of the group itself.
    pub(super) fn begin_deletion(&mut self, id: &GroupId, now: Now) -> Vec<CoordinatorRecord> {
        match &mut self.consumer {
            Some(consumer) => {
                consumer.begin_deletion();
                consumer.tombstones()
            }
            None => {
                self.classic.begin_deletion(now);
                vec![CoordinatorRecord::Group { group: id.clone(), value: None }]
            }
        }
    }

    /// Its deletion failed.
    pub(super) fn undo_deletion(&mut self) {
        match &mut self.consumer {
            Some(consumer) => consumer.undo_deletion(),
            None => self.classic.undo_deletion(),
        }
    }

    /// Lets a classic group with members be the consumer group that was made of it;
    /// answers the tombstone of what it was.
    pub(super) fn upgrade(&mut self, consumer: ConsumerGroup, turn: &mut Turn<'_>) -> CoordinatorRecord {
        let id = self.classic.id().clone();
        self.classic.dissolve(turn);
        self.classic = ClassicGroup::new(id.clone(), turn.now);
        self.consumer.insert(Box::new(consumer)).taken_over(turn);
        CoordinatorRecord::Group { group: id, value: None }
    }

    /// Ends a turn of a consumer group: writes `before`, records of what it was before, and what of it the
    /// log does not hold, or, where only classic members are left, what it becomes.
    /// Who waits is answered when the log holds that.
    pub(super) fn conclude(
        &mut self,
        mut before: Vec<CoordinatorRecord>,
        reply: Option<(Token, Answer)>,
        topics: &dyn Topics,
        turn: &mut Turn<'_>,
    ) {
        if let Some((classic, records)) = self.downgraded(topics, turn) {
            before.extend(records);
            (self.classic, self.consumer) = (classic, None);
            turn.write(before, WritePurpose::Consumer { group: self.classic.id().clone() }, reply);
            self.classic.begin_sessions(turn);
            // Even where all have what they are to have: of them none knows that it leads,
            // and watches the topics.
            return self.classic.rebalance_or_complete_join(turn);
        }
        if let Some(consumer) = &mut self.consumer {
            before.extend(consumer.take_records());
        }
        self.write(before, reply, turn);
    }

    /// The classic group that it is to become now, and the records of that.
    /// What fits into no batch goes on as it is.
    fn downgraded(
        &mut self,
        topics: &dyn Topics,
        turn: &Turn<'_>,
    ) -> Option<(ClassicGroup, Vec<CoordinatorRecord>)> {
        let consumer = self.consumer.as_mut().filter(|consumer| consumer.is_downgrading())?;
        let mut records = consumer.tombstones();
        let classic = migration::downgraded(consumer, topics, turn.now);
        records.push(classic.record());
        if CoordinatorRecord::encoded_bytes(&records) > turn.settings.batch_bytes_max {
            consumer.stay();
            return None;
        }
        Some((classic, records))
    }

    /// Writes what a group was or is of the consumer protocol; who waits is answered when the log holds that,
    /// and all that it changed before.
    pub(super) fn write(
        &mut self,
        records: Vec<CoordinatorRecord>,
        reply: Option<(Token, Answer)>,
        turn: &mut Turn<'_>,
    ) {
        match (records.first().map(|record| record.group().clone()), reply) {
            (Some(group), reply) => turn.write(records, WritePurpose::Consumer { group }, reply),
            (None, Some((token, answer))) => match &self.consumer {
                Some(consumer) => turn.writes.reply_behind(consumer.id(), token, answer, turn.actions),
                None => turn.reply(token, answer),
            },
            (None, None) => {}
        }
    }

    /// A timeout of this group came up.
    pub(super) fn came_up(&mut self, subject: &Subject, at: MonotonicMs, turn: &mut Turn<'_>) {
        match (&mut self.consumer, subject) {
            (Some(consumer), Subject::Session(_, id)) => consumer.session_came_up(id, at, turn),
            (Some(consumer), Subject::Revocation(_, id)) => consumer.revocation_came_up(id, at, turn),
            (None, Subject::Session(_, id)) => self.classic.session_came_up(id, at, turn),
            (None, Subject::Join(_)) => self.classic.join_came_up(at, turn),
            (None, Subject::Sync(_)) => self.classic.sync_came_up(at, turn),
            // Of the protocol that the group had before.
            _ => {}
        }
    }

    /// Whether an entry that was queued for `at` is of a timer of this group.
    pub(super) fn owns(&self, at: MonotonicMs, subject: &Subject) -> bool {
        match &self.consumer {
            Some(consumer) => consumer.owns(at, subject),
            None => self.classic.owns(at, subject),
        }
    }

    /// Whether the sender of a commit may commit.
    pub(super) fn check_commit(
        &mut self,
        request: &CommitRequest,
        topics: &dyn Topics,
        turn: &mut Turn<'_>,
    ) -> Result<(), GroupError> {
        match &self.consumer {
            Some(consumer) => consumer.check_commit(request, topics),
            None => self.classic.check_commit(request, turn),
        }
    }

    /// Whether the sender of a fetch of offsets may have them; of classic groups everybody may.
    pub(super) fn check_fetch(&self, member: Option<&str>, epoch: Epoch) -> Result<(), GroupError> {
        self.consumer.as_ref().map_or(Ok(()), |consumer| consumer.check_fetch(member, epoch))
    }

    /// Whether it may be deleted.
    pub(super) fn check_deletion(&self) -> Result<(), GroupError> {
        match self.status() {
            status if status.is_empty() => Ok(()),
            status if status.is_dead() => Err(GroupError::GroupIdNotFound),
            _ => Err(GroupError::NonEmptyGroup),
        }
    }

    /// Whether some of its offsets may be deleted: of members whose topics are not known none may.
    pub(super) fn check_offset_deletion(&self) -> Result<(), GroupError> {
        match self.check_deletion() {
            Err(GroupError::NonEmptyGroup) if self.is_of_consumers() => Ok(()),
            checked => checked,
        }
    }

    fn is_of_consumers(&self) -> bool {
        self.consumer.is_some() || self.classic.protocol_type().is_some_and(|name| &**name == CONSUMER)
    }

    /// The topics that its members consume; `None` where they are consumers and do not say.
    pub(super) fn subscription(&self) -> Option<Subscription> {
        if let Some(consumer) = &self.consumer {
            let topics = consumer.subscribed_names().into_iter().map(ToString::to_string);
            return Some(Subscription { topics: topics.collect() });
        }
        if !self.is_of_consumers() {
            return Some(Subscription::default());
        }
        let protocol: &str = self.classic.protocol().map_or("", |name| name);
        let mut topics = BTreeSet::new();
        for member in self.classic.members() {
            // Members mostly name the same topics.
            for topic in subscribed_topics(&member.metadata(protocol))? {
                if !topics.contains(topic.as_str()) {
                    topics.insert(topic);
                }
            }
        }
        Some(Subscription { topics })
    }

    /// How its offsets expire (KIP-211): counted from when the group became empty, or, where there are no
    /// members to be counted on, from the commit; of a group at work only those of topics that it has left.
    pub(super) fn expiration(&self) -> Option<Expiration> {
        let subscription = self.subscription()?;
        if self.consumer.is_some() {
            return Some(Expiration { subscription, emptied_ms: None });
        }
        let is_group = self.classic.protocol_type().is_some();
        match self.classic.state() {
            GroupState::Empty if is_group => {
                let emptied = self.classic.known_state_timestamp();
                Some(Expiration { subscription, emptied_ms: emptied.map(|at| at.0) })
            }
            GroupState::Empty => Some(Expiration { subscription, emptied_ms: None }),
            GroupState::Stable if self.is_of_consumers() => {
                Some(Expiration { subscription, emptied_ms: None })
            }
            _ => None,
        }
    }

    /// Counts what has changed; answers what all in it takes.
    pub(super) fn count_bytes(&mut self) -> usize {
        let consumer = self.consumer.as_mut().map_or(0, |consumer| consumer.count_bytes());
        self.classic.count_bytes() + consumer + self.offsets.held_bytes()
    }

    /// The same from nothing.
    pub(super) fn recount_bytes(&self) -> usize {
        let consumer = self.consumer.as_ref().map_or(0, |consumer| consumer.recount_bytes());
        self.classic.recount_bytes() + consumer + self.offsets.recount_bytes()
    }
}

/// The topics that a group consumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    topics: BTreeSet<String>,
}

impl Subscription {
    pub(super) fn contains(&self, topic: &str) -> bool {
        self.topics.contains(topic)
    }
}

/// When offsets of a group expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expiration {
    subscription: Subscription,
    /// `None`: each offset's own commit counts.
    emptied_ms: Option<i64>,
}

impl Expiration {
    pub(super) fn has_expired(
        &self,
        topic: &str,
        offset: &CommittedOffset,
        now_ms: i64,
        retention_ms: i64,
    ) -> bool {
        if self.subscription.contains(topic) {
            return false;
        }
        match offset.expire_timestamp {
            Some(at) => now_ms >= at.0,
            None => {
                let since = self.emptied_ms.unwrap_or(offset.commit_timestamp.0);
                now_ms.saturating_sub(since) >= retention_ms
            }
        }
    }
}
