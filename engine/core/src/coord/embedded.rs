//! What consumers put as bytes into the classic protocol, by the ids of topics:
//! subscriptions and assignments.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use millrace_codec::Reader;

use super::cost::text_bytes;
use super::ids::Epoch;
use super::kip848::{Partitions, Topics};
use super::offsets::subscribed_topics;
use super::records::consumer_protocol_assignment::TopicPartition;
use super::records::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use crate::base::{PartitionIndex, PartitionKey, TopicId};

/// What a classic member says to its assignor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscribed {
    /// In order, without doubles.
    pub(super) topics: Vec<Arc<str>>,
    /// Partitions of topics that are gone are left out.
    pub(super) owned: Partitions,
    pub(super) rack: Option<Arc<str>>,
}

/// Why an assignment cannot be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Malformed,
    /// It holds data of the members' own assignor, which would be lost.
    HasUserData,
}

/// Names of topics by their ids.
pub(super) type TopicNames<'a> = BTreeMap<TopicId, &'a Arc<str>>;

/// `None` where the bytes are no subscription of consumers.
pub(super) fn subscribed(metadata: &[u8], topics: &dyn Topics) -> Option<Subscribed> {
    let said = ConsumerProtocolSubscription::parse(metadata).ok()?;
    let owned = said.owned_partitions.iter().map(|owned| (owned.topic.as_str(), owned.partitions.as_slice()));
    let owned = partitions(owned, topics, Epoch::JOINING);
    let mut names: Vec<Arc<str>> = said.topics.into_iter().map(Arc::from).collect();
    names.sort_unstable();
    names.dedup();
    Some(Subscribed { topics: names, owned, rack: said.rack_id.map(Arc::from) })
}

/// What the topics that the bytes name take where they are kept; nothing where they are no subscription.
pub(super) fn subscribed_bytes(metadata: &[u8]) -> usize {
    let topics = subscribed_topics(metadata).unwrap_or_default();
    topics.iter().map(|topic| size_of::<Arc<str>>() + text_bytes(topic.len())).sum()
}

/// What a leader assigned; no bytes are of a member that has not been assigned anything yet.
pub(super) fn assigned(bytes: &[u8], topics: &dyn Topics, since: Epoch) -> Result<Partitions, Unreadable> {
    if bytes.is_empty() {
        return Ok(Partitions::default());
    }
    let said = ConsumerProtocolAssignment::parse(bytes).map_err(|_| Unreadable::Malformed)?;
    if said.user_data.is_some_and(|data| !data.is_empty()) {
        return Err(Unreadable::HasUserData);
    }
    let named = said.assigned_partitions.iter().map(|it| (it.topic.as_str(), it.partitions.as_slice()));
    Ok(partitions(named, topics, since))
}

fn partitions<'a>(
    named: impl Iterator<Item = (&'a str, &'a [i32])>,
    topics: &dyn Topics,
    since: Epoch,
) -> Partitions {
    let known = named.filter_map(|(name, partitions)| Some((topics.topic(name)?.id, partitions)));
    let keys = known.flat_map(|(id, partitions)| {
        partitions.iter().map(move |index| PartitionKey::new(id, PartitionIndex(*index)))
    });
    Partitions::of(keys, since)
}

/// The bytes of an assignment, in the version in which its member spoke. Topics without a name are gone.
pub(super) fn assignment_bytes(partitions: &Partitions, names: &TopicNames<'_>, metadata: &[u8]) -> Bytes {
    let topics = partitions.by_topic().into_iter().filter_map(|(id, partitions)| {
        let topic = names.get(&id)?.to_string();
        Some(TopicPartition { topic, partitions: partitions.iter().map(|(index, _)| index.0).collect() })
    });
    let assignment =
        ConsumerProtocolAssignment { assigned_partitions: topics.collect(), ..Default::default() };
    match assignment.to_bytes(version_of(metadata)) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("names of topics fit: {error}"),
    }
}

/// As in Kafka, versions that are not known are taken for the nearest that is.
fn version_of(metadata: &[u8]) -> i16 {
    let version = Reader::of_record(metadata).i16().unwrap_or_default();
    version.clamp(ConsumerProtocolAssignment::MIN_VERSION, ConsumerProtocolAssignment::MAX_VERSION)
}
