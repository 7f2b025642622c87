//! What a group subscribes to, as the cluster has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::group::ConsumerGroup;
use super::state::member::ConsumerMember;
use crate::coord::kip848::{TopicView, Topics};

/// Whether what the group subscribes to is another than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscribing {
    Anew,
    AsBefore,
}

impl ConsumerGroup {
    /// The names that a member subscribes to, those of its pattern among them; some may be there twice.
    pub(super) fn names_of<'a>(
        &'a self,
        member: &'a ConsumerMember,
    ) -> impl Iterator<Item = &'a Arc<str>> + 'a {
        let watched = member.pattern.as_ref().and_then(|pattern| self.patterns.get(pattern));
        member.topics.iter().chain(watched.into_iter().flat_map(|watched| watched.topics()))
    }

    /// Every name that some member subscribes to.
    pub(in crate::coord) fn subscribed_names(&self) -> BTreeSet<&Arc<str>> {
        self.members.values().flat_map(|member| self.names_of(member)).collect()
    }

    /// The subscribed topics that there are, by name.
    pub(super) fn subscribed_topics(&self, topics: &dyn Topics) -> BTreeMap<&Arc<str>, TopicView> {
        let names = self.subscribed_names();
        names.into_iter().filter_map(|name| Some((name, topics.topic(name)?))).collect()
    }

    /// Compares the subscribed topics with what they were; answers whether they are others,
    /// or have other partitions.
    pub(super) fn have_topics_changed(&mut self, subscribing: Subscribing, topics: &dyn Topics) -> bool {
        if subscribing == Subscribing::AsBefore && self.seen_version == topics.version() {
            return false;
        }
        self.seen_version = topics.version();
        let hash = hash_of(&self.subscribed_topics(topics));
        std::mem::replace(&mut self.metadata_hash, hash) != hash
    }
}

/// 0 of no topics, as in Kafka; else any number will do that differs where topics do (FNV-1a).
fn hash_of(topics: &BTreeMap<&Arc<str>, TopicView>) -> i64 {
    if topics.is_empty() {
        return 0;
    }
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for (name, topic) in topics {
        take(name.as_bytes());
        take(&topic.id.0);
        take(&topic.partitions.to_be_bytes());
    }
    hash.cast_signed()
}
