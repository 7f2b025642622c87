//! Partitions in equal parts; what is assigned stays where that allows it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::subscriber::Subscriber;
use crate::base::{PartitionIndex, PartitionKey, TopicId};
use crate::coord::ids::Epoch;
use crate::coord::kip848::Partitions;

pub(super) fn assign(subscribers: &[Subscriber<'_>]) -> Vec<Partitions> {
    let mut shares = Shares::keeping(subscribers);
    let is_same_for_all = subscribers.windows(2).all(|pair| match pair {
        [one, next] => one.topics == next.topics,
        _ => true,
    });
    if is_same_for_all {
        shares.trim();
        shares.hand_out_evenly();
    } else {
        shares.hand_out_to_the_least();
        shares.level();
    }
    shares.owned.into_iter().map(|keys| Partitions::of(keys, Epoch(0))).collect()
}

/// Rounds over all topics that level shares of members with different subscriptions. Kafka's constant.
const ROUNDS_MAX: usize = 16;

/// An assignment in the making.
struct Shares {
    /// By subscriber.
    owned: Vec<BTreeSet<PartitionKey>>,
    /// Nobody's yet, in the order of their numbers, so that a topic's partitions go to many.
    free: Vec<PartitionKey>,
    /// Who subscribes to a topic.
    places: BTreeMap<TopicId, Vec<usize>>,
}

impl Shares {
    /// Everybody has what it had, if it still subscribes to that; of two claims the first counts.
    fn keeping(subscribers: &[Subscriber<'_>]) -> Shares {
        let mut places: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
        let mut all = BTreeSet::new();
        for (place, subscriber) in subscribers.iter().enumerate() {
            for topic in &subscriber.topics {
                places.entry(topic.id).or_default().push(place);
                let keys =
                    (0..topic.partitions).map(|index| PartitionKey::new(topic.id, PartitionIndex(index)));
                if places.get(&topic.id).is_some_and(|places| places.len() == 1) {
                    all.extend(keys);
                }
            }
        }
        let keep = |subscriber: &Subscriber<'_>| {
            let is_wanted = |key: &PartitionKey| {
                subscriber.topics.binary_search_by_key(&key.topic, |topic| topic.id).is_ok()
            };
            subscriber.before.keys().filter(is_wanted).filter(|key| all.remove(key)).collect()
        };
        let owned = subscribers.iter().map(keep).collect();
        let mut free: Vec<PartitionKey> = all.into_iter().collect();
        free.sort_by_key(|key| (key.partition, key.topic));
        Shares { owned, free, places }
    }

    /// The size of the smaller shares, and how many may have one partition more.
    fn quota(&self) -> (usize, usize) {
        let all = self.free.len() + self.owned.iter().map(BTreeSet::len).sum::<usize>();
        let members = self.owned.len().max(1);
        (all / members, all % members)
    }

    /// Takes from everybody what is more than an equal share.
    fn trim(&mut self) {
        let (quota, mut larger) = self.quota();
        for owned in &mut self.owned {
            let mut room = quota;
            if owned.len() > quota && larger > 0 {
                larger -= 1;
                room += 1;
            }
            while owned.len() > room {
                self.free.extend(owned.pop_last());
            }
        }
        self.free.sort_by_key(|key| (key.partition, key.topic));
    }

    /// Fills all up to the quota by turns, then some by one more.
    fn hand_out_evenly(&mut self) {
        let (quota, _) = self.quota();
        let mut free = std::mem::take(&mut self.free).into_iter().peekable();
        for room in [quota, quota + 1] {
            while free.peek().is_some() && self.owned.iter().any(|owned| owned.len() < room) {
                for owned in self.owned.iter_mut().filter(|owned| owned.len() < room) {
                    owned.extend(free.next());
                }
            }
        }
    }

    /// Each to who has the least of those that subscribe to its topic; topics with few subscribers first.
    fn hand_out_to_the_least(&mut self) {
        let mut topics: BTreeMap<(usize, TopicId), Vec<PartitionKey>> = BTreeMap::new();
        for key in std::mem::take(&mut self.free) {
            let subscribers = self.places.get(&key.topic).map_or(0, Vec::len);
            topics.entry((subscribers, key.topic)).or_default().push(key);
        }
        for ((_, topic), free) in topics {
            let Some(places) = self.places.get(&topic) else { continue };
            let mut by_count: BTreeSet<(usize, usize)> =
                places.iter().map(|place| (self.count(*place), *place)).collect();
            for key in free {
                let Some((count, place)) = by_count.pop_first() else { break };
                if let Some(owned) = self.owned.get_mut(place) {
                    owned.insert(key);
                }
                by_count.insert((count + 1, place));
            }
        }
    }

    fn count(&self, place: usize) -> usize {
        self.owned.get(place).map_or(0, BTreeSet::len)
    }

    /// Moves partitions from who has at least two more than another subscriber, topic by topic. Each move
    /// makes the shares more equal; where they still are not after some rounds, that is good enough,
    /// as in Kafka.
    fn level(&mut self) {
        let topics: Vec<TopicId> = self.places.keys().copied().collect();
        for _ in 0..ROUNDS_MAX {
            let moved = topics.iter().filter(|topic| self.level_topic(**topic)).count();
            if moved == 0 {
                return;
            }
        }
    }

    /// Answers whether something was moved.
    fn level_topic(&mut self, topic: TopicId) -> bool {
        let Some(places) = self.places.get(&topic) else { return false };
        let mut all: BTreeSet<(usize, usize)> =
            places.iter().map(|place| (self.count(*place), *place)).collect();
        // Who has some of the topic; of equals the first comes last.
        let owners = all.iter().filter(|(_, place)| self.last_of(*place, topic).is_some());
        let mut owners: BTreeSet<(usize, Reverse<usize>)> =
            owners.map(|(count, place)| (*count, Reverse(*place))).collect();
        let mut has_moved = false;
        while let (Some((fewer, least)), Some((more, Reverse(most)))) =
            (all.first().copied(), owners.last().copied())
            && more >= fewer + 2
            && let Some(key) = self.last_of(most, topic)
        {
            self.hand_over(key, most, least);
            all.remove(&(fewer, least));
            all.remove(&(more, most));
            all.extend([(fewer + 1, least), (more - 1, most)]);
            owners.remove(&(fewer, Reverse(least)));
            owners.remove(&(more, Reverse(most)));
            owners.insert((fewer + 1, Reverse(least)));
            if self.last_of(most, topic).is_some() {
                owners.insert((more - 1, Reverse(most)));
            }
            has_moved = true;
        }
        has_moved
    }

    /// The last partition of a topic that somebody has.
    fn last_of(&self, place: usize, topic: TopicId) -> Option<PartitionKey> {
        let at = |index| PartitionKey::new(topic, PartitionIndex(index));
        self.owned.get(place)?.range(at(i32::MIN)..=at(i32::MAX)).next_back().copied()
    }

    fn hand_over(&mut self, key: PartitionKey, from: usize, to: usize) {
        if let Some(owned) = self.owned.get_mut(from) {
            owned.remove(&key);
        }
        if let Some(owned) = self.owned.get_mut(to) {
            owned.insert(key);
        }
    }
}
