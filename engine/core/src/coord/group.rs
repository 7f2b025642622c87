//! A group as its coordinator holds it: its members and its offsets.

use std::collections::BTreeSet;

use super::classic::{ClassicGroup, GroupState};
use super::error::GroupError;
use super::ids::{GroupId, Now};
use super::offsets::{GroupOffsets, subscribed_topics};
use super::record::CommittedOffset;

/// The protocol type of consumers, whose metadata name topics.
const CONSUMER: &str = "consumer";

/// A group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) classic: ClassicGroup,
    pub(super) offsets: GroupOffsets,
}

impl Group {
    pub(super) fn new(id: GroupId, now: Now) -> Group {
        Group { classic: ClassicGroup::new(id, now), offsets: GroupOffsets::default() }
    }

    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_blank(&self) -> bool {
        self.offsets.is_empty() && self.classic.is_blank()
    }

    /// Whether it may be deleted.
    pub(super) fn check_deletion(&self) -> Result<(), GroupError> {
        match self.classic.state() {
            GroupState::Empty => Ok(()),
            GroupState::Dead => Err(GroupError::GroupIdNotFound),
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
        self.classic.protocol_type().is_some_and(|name| &**name == CONSUMER)
    }

    /// The topics that its members consume; `None` where they are consumers and do not say.
    pub(super) fn subscription(&self) -> Option<Subscription> {
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

    /// How its offsets expire (KIP-211): counted from when the group became empty, or, where there are no members to
    /// be counted on, from the commit; of a group at work only those of topics that it has left.
    pub(super) fn expiration(&self) -> Option<Expiration> {
        let subscription = self.subscription()?;
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

    /// Memory in use, without what clients themselves gave.
    pub(super) fn memory_bytes(&self) -> usize {
        self.classic.memory_bytes() + self.offsets.memory_bytes()
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
