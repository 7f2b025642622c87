//! Partitions in equal parts; what is assigned stays where that allows it.

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
            let is_wanted = |key: &PartitionKey| subscriber.topics.iter().any(|topic| topic.id == key.topic);
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
        let mut free = std::mem::take(&mut self.free);
        let subscribers = |key: &PartitionKey| self.places.get(&key.topic).map_or(0, Vec::len);
        free.sort_by_key(|key| (subscribers(key), key.partition, key.topic));
        for key in free {
            let least = self.places.get(&key.topic).and_then(|places| self.extreme(places).0);
            if let Some(owned) = least.and_then(|place| self.owned.get_mut(place)) {
                owned.insert(key);
            }
        }
    }

    /// Those of the places that have the least and the most; the first of equals.
    fn extreme(&self, places: &[usize]) -> (Option<usize>, Option<usize>) {
        let has = |place: &usize| self.owned.get(*place).map_or(0, BTreeSet::len);
        let least = places.iter().min_by_key(|place| has(place));
        let most = places.iter().rev().max_by_key(|place| has(place));
        (least.copied(), most.copied())
    }

    /// Moves partitions from who has at least two more than another subscriber. Each move makes the shares more equal,
    /// so this ends.
    fn level(&mut self) {
        let topics: Vec<TopicId> = self.places.keys().copied().collect();
        loop {
            let moved = topics.iter().filter(|topic| self.level_topic(**topic)).count();
            if moved == 0 {
                return;
            }
        }
    }

    fn level_topic(&mut self, topic: TopicId) -> bool {
        let Some(places) = self.places.get(&topic) else { return false };
        let of_topic = |place: usize| {
            let owned = self.owned.get(place)?;
            owned.iter().rev().find(|key| key.topic == topic).copied()
        };
        let owners: Vec<usize> = places.iter().copied().filter(|place| of_topic(*place).is_some()).collect();
        let ((Some(least), _), (_, Some(most))) = (self.extreme(places), self.extreme(&owners)) else {
            return false;
        };
        let count = |place: usize| self.owned.get(place).map_or(0, BTreeSet::len);
        let Some(key) = of_topic(most).filter(|_| count(most) >= count(least) + 2) else { return false };
        if let Some(owned) = self.owned.get_mut(most) {
            owned.remove(&key);
        }
        if let Some(owned) = self.owned.get_mut(least) {
            owned.insert(key);
        }
        true
    }
}
