//! Sets of partitions, each with the epoch since which it is held.

use std::cmp::Ordering;

use crate::base::{PartitionIndex, PartitionKey, TopicId};
use crate::coord::ids::Epoch;

/// Partitions in order, without doubles. 24 bytes each,
/// which is less than a tree takes for the few that a member has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partitions(Vec<Held>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    key: PartitionKey,
    since: Epoch,
}

impl Partitions {
    /// All held since `since`; in any order, doubles count once.
    pub fn of(keys: impl IntoIterator<Item = PartitionKey>, since: Epoch) -> Partitions {
        Partitions::held(keys.into_iter().map(|key| (key, since)))
    }

    /// Each with its own epoch; of doubles the first counts.
    pub fn held(partitions: impl IntoIterator<Item = (PartitionKey, Epoch)>) -> Partitions {
        let mut held: Vec<Held> = partitions.into_iter().map(|(key, since)| Held { key, since }).collect();
        held.sort_by_key(|held| held.key);
        held.dedup_by_key(|held| held.key);
        held.shrink_to_fit();
        Partitions(held)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn keys(&self) -> impl Iterator<Item = PartitionKey> + '_ {
        self.0.iter().map(|held| held.key)
    }

    pub fn contains(&self, key: PartitionKey) -> bool {
        self.since(key).is_some()
    }

    /// The epoch since which a partition is held; `None` if it is not.
    pub fn since(&self, key: PartitionKey) -> Option<Epoch> {
        let place = self.0.binary_search_by_key(&key, |held| held.key).ok()?;
        self.0.get(place).map(|held| held.since)
    }

    pub fn is_subset_of(&self, other: &Partitions) -> bool {
        self.keys().all(|key| other.contains(key))
    }

    /// Those that are in `other` too, since when they are here.
    pub fn and(&self, other: &Partitions) -> Partitions {
        self.filter(|key| other.contains(key))
    }

    /// Those that are not in `other`.
    pub fn without(&self, other: &Partitions) -> Partitions {
        self.filter(|key| !other.contains(key))
    }

    pub fn filter(&self, mut keep: impl FnMut(PartitionKey) -> bool) -> Partitions {
        Partitions(self.0.iter().copied().filter(|held| keep(held.key)).collect())
    }

    /// These and those of `other`.
    pub fn with(&self, other: &Partitions) -> Partitions {
        let both = self.0.iter().chain(&other.0);
        Partitions::held(both.map(|held| (held.key, held.since)))
    }

    /// The same partitions, whatever since.
    pub fn is_same_as(&self, other: &Partitions) -> bool {
        self.len() == other.len() && self.keys().cmp(other.keys()) == Ordering::Equal
    }

    /// By topic: its partitions, and since when each is held.
    pub fn by_topic(&self) -> Vec<(TopicId, Vec<(PartitionIndex, Epoch)>)> {
        let mut topics: Vec<(TopicId, Vec<(PartitionIndex, Epoch)>)> = Vec::new();
        for Held { key, since } in &self.0 {
            match topics.last_mut() {
                Some((topic, partitions)) if *topic == key.topic => partitions.push((key.partition, *since)),
                _ => topics.push((key.topic, vec![(key.partition, *since)])),
            }
        }
        topics
    }

    pub(in crate::coord) fn held_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Held>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Partitions {
        let key = |name: &str| {
            let number: u8 = name.parse().unwrap();
            PartitionKey::new(TopicId([number / 10; 16]), PartitionIndex(i32::from(number % 10)))
        };
        Partitions::of(text.split_whitespace().map(key), Epoch(1))
    }

    #[test]
    fn sets_are_sets() {
        // a, b, a and b, a without b, a with b, a is a subset of b
        let cases = [
            ("", "", "", "", "", true),
            ("1 2", "", "", "1 2", "1 2", false),
            ("", "1 2", "", "", "1 2", true),
            ("2 1 2", "11 2", "2", "1", "1 2 11", false),
            ("11 3", "3 4 11", "3 11", "", "3 4 11", true),
        ];
        for (a, b, and, without, with, is_subset) in cases {
            let (left, right) = (set(a), set(b));
            assert_eq!(left.and(&right), set(and), "{a} and {b}");
            assert_eq!(left.without(&right), set(without), "{a} without {b}");
            assert_eq!(left.with(&right), set(with), "{a} with {b}");
            assert_eq!(left.is_subset_of(&right), is_subset, "{a} in {b}");
        }
    }

    #[test]
    fn what_is_held_keeps_its_epoch() {
        let (old, new) = (set("1 2"), Partitions::of(set("2 3").keys(), Epoch(7)));
        let both = old.with(&new);
        let since: Vec<i32> = both.keys().filter_map(|key| both.since(key)).map(|since| since.0).collect();
        assert_eq!(since, [1, 1, 7]);
        assert!(both.is_same_as(&set("1 2 3")));
        assert_ne!(both, set("1 2 3"));
    }
}
