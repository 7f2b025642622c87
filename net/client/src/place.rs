//! A partition by the name of its topic, and lists of such as requests have them.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// A partition by its topic's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
}

impl Place {
    pub fn new(topic: impl Into<String>, partition: i32) -> Place {
        Place { topic: topic.into(), partition }
    }
}

impl Display for Place {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.topic, self.partition)
    }
}

/// As a request names who asks: a consumer, not a replica.
pub(crate) const CONSUMER: i32 = -1;
/// As a request or a commit says that it names no leader epoch.
pub(crate) const NO_LEADER_EPOCH: i32 = -1;

/// The entries of a request, one list a topic.
pub(crate) fn by_topic<'a, V: 'a, T>(
    places: impl IntoIterator<Item = (&'a Place, V)>,
    entry: impl Fn(i32, V) -> T,
) -> BTreeMap<&'a str, Vec<T>> {
    let mut topics: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for (place, value) in places {
        topics.entry(&place.topic).or_default().push(entry(place.partition, value));
    }
    topics
}
