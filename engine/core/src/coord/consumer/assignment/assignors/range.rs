//! Ranges of partitions, topic by topic.

use std::collections::BTreeMap;

use super::subscriber::Subscriber;
use crate::base::{PartitionIndex, PartitionKey, TopicId};
use crate::coord::ids::Epoch;
use crate::coord::kip848::Partitions;

pub(super) fn assign(subscribers: &[Subscriber<'_>]) -> Vec<Partitions> {
    let mut order: Vec<usize> = (0..subscribers.len()).collect();
    order.sort_by_key(|place| subscribers.get(*place).map(|subscriber| subscriber.order));
    // By topic: how many partitions it has, and who subscribes, in order.
    let mut topics: BTreeMap<TopicId, (i32, Vec<usize>)> = BTreeMap::new();
    for place in order {
        for topic in subscribers.get(place).into_iter().flat_map(|subscriber| &subscriber.topics) {
            topics.entry(topic.id).or_insert((topic.partitions, Vec::new())).1.push(place);
        }
    }
    let mut owned: Vec<Vec<PartitionKey>> = vec![Vec::new(); subscribers.len()];
    for (topic, (partitions, places)) in topics {
        let count = i32::try_from(places.len()).unwrap_or(i32::MAX).max(1);
        let (each, longer) = (partitions / count, partitions % count);
        let mut from = 0;
        for (rank, place) in (0..).zip(places) {
            let until = from + each + i32::from(rank < longer);
            if let Some(owned) = owned.get_mut(place) {
                owned.extend((from..until).map(|index| PartitionKey::new(topic, PartitionIndex(index))));
            }
            from = until;
        }
    }
    owned.into_iter().map(|keys| Partitions::of(keys, Epoch(0))).collect()
}
