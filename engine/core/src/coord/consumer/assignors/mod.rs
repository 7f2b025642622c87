//! Assignors of the broker: who is to own which partition.

mod range;
mod uniform;

use super::partitions::Partitions;
use super::topics::TopicView;

/// An assignor that `group.consumer.assignors` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// As many partitions for each member as for the others, and no more of them moved than that takes.
    Uniform,
    /// Of each topic a range of partitions; members find the same numbers in topics of as many partitions.
    Range,
}

/// A member as assignors see it.
pub(super) struct Subscriber<'a> {
    /// What members are ordered by where that matters: a static member keeps its place under another id.
    pub(super) order: &'a str,
    /// That it subscribes to, in order of their ids.
    pub(super) topics: Vec<TopicView>,
    /// What it was to own before.
    pub(super) before: &'a Partitions,
}

impl Assignor {
    /// The names that `group.consumer.assignors` and clients use.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// `None` for names of classes, which Kafka would load.
    pub fn of_name(name: &str) -> Option<Assignor> {
        [Assignor::Uniform, Assignor::Range].into_iter().find(|assignor| assignor.name() == name)
    }

    /// What each of the subscribers is to own, in their order: of every topic with subscribers each partition once.
    pub(super) fn assign(self, subscribers: &[Subscriber<'_>]) -> Vec<Partitions> {
        match self {
            Assignor::Uniform => uniform::assign(subscribers),
            Assignor::Range => range::assign(subscribers),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::{PartitionIndex, PartitionKey, TopicId};
    use crate::coord::ids::Epoch;

    /// Members by line: a name, the topics it subscribes to, what it had. A topic is a letter and its count of
    /// partitions, a partition a letter and a number.
    pub(in crate::coord::consumer) fn check(assignor: Assignor, given: &str, expected: &str) {
        let rows: Vec<(&str, Vec<TopicView>, Partitions)> = given.trim().lines().map(row).collect();
        let subscribers: Vec<Subscriber<'_>> = rows
            .iter()
            .map(|(order, topics, before)| Subscriber { order, topics: topics.clone(), before })
            .collect();
        let lines = rows.iter().zip(assignor.assign(&subscribers)).map(|((name, ..), target)| {
            let keys: Vec<String> = target.keys().map(printed).collect();
            format!("{name}: {}", keys.join(" ")).trim_end().to_owned()
        });
        let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
        assert_eq!(lines.collect::<Vec<_>>(), expected, "{assignor:?} of {given}");
    }

    fn row(line: &str) -> (&str, Vec<TopicView>, Partitions) {
        let parts: Vec<&str> = line.trim().split('|').map(str::trim).collect();
        let topics = parts[1].split_whitespace().map(|topic| TopicView {
            id: TopicId([topic.as_bytes()[0]; 16]),
            partitions: topic[1..].parse().unwrap(),
        });
        let before = parts[2].split_whitespace().map(|partition| {
            let index = PartitionIndex(partition[1..].parse().unwrap());
            PartitionKey::new(TopicId([partition.as_bytes()[0]; 16]), index)
        });
        (parts[0], topics.collect(), Partitions::of(before, Epoch(0)))
    }

    fn printed(key: PartitionKey) -> String {
        format!("{}{}", char::from(key.topic.0[0]), key.partition.0)
    }
}
