//! What members say of themselves when they join, and what their leader makes of it: ranges of each topic.

use std::collections::BTreeMap;

use bytes::Bytes;
use millrace_core::coord::records::consumer_protocol_assignment::{
    ConsumerProtocolAssignment, TopicPartition,
};
use millrace_core::coord::records::consumer_protocol_subscription::ConsumerProtocolSubscription;

use super::plan::{GroupsPlan, Place};

pub(crate) const PROTOCOL_TYPE: &str = "consumer";
pub(crate) const PROTOCOL: &str = "range";
/// Of subscriptions and assignments.
const VERSION: i16 = 1;

/// What a member of `group` offers.
pub(crate) fn subscription(plan: &GroupsPlan, group: usize) -> Vec<u8> {
    let topics = plan.groups[group].topics.iter().map(|&topic| plan.topics[topic].name.to_owned()).collect();
    let subscription = ConsumerProtocolSubscription { topics, ..ConsumerProtocolSubscription::default() };
    subscription.to_bytes(VERSION).unwrap_or_default()
}

/// A range of each topic for each member, in the order of their keys.
pub(crate) fn assign(plan: &GroupsPlan, group: usize, members: &[String]) -> BTreeMap<String, Vec<Place>> {
    let mut keys = members.to_vec();
    keys.sort_unstable();
    let mut assigned: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for &topic in &plan.groups[group].topics {
        let (count, members) = (plan.topics[topic].partitions as usize, keys.len());
        let mut next = 0;
        for (number, key) in keys.iter().enumerate() {
            let share = count / members + usize::from(number < count % members);
            let range = (next..next + share).map(|partition| Place { topic, partition: partition as i32 });
            assigned.entry(key.clone()).or_default().extend(range);
            next += share;
        }
    }
    assigned
}

pub(crate) fn encode(plan: &GroupsPlan, places: &[Place]) -> Vec<u8> {
    let mut by_topic: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
    for place in places {
        by_topic.entry(place.topic).or_default().push(place.partition);
    }
    let assigned_partitions = by_topic
        .into_iter()
        .map(|(topic, partitions)| TopicPartition { topic: plan.topics[topic].name.to_owned(), partitions });
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: assigned_partitions.collect(),
        user_data: Some(Bytes::new()),
    };
    assignment.to_bytes(VERSION).unwrap_or_default()
}

/// No bytes at all are an assignment of nothing.
pub(crate) fn decode(plan: &GroupsPlan, bytes: &[u8]) -> Result<Vec<Place>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let assignment = ConsumerProtocolAssignment::parse(bytes).map_err(|error| error.to_string())?;
    let mut places = Vec::new();
    for TopicPartition { topic, partitions } in assignment.assigned_partitions {
        for partition in partitions {
            places.push(
                plan.place(&topic, partition).ok_or_else(|| format!("{topic}-{partition} is assigned"))?,
            );
        }
    }
    places.sort_unstable();
    Ok(places)
}
