//! An assignment of all partitions, by the assignor of a name.

use super::subscriber::Subscriber;
use super::{range, uniform};
use crate::coord::kip848::{Assignor, Partitions};

/// What each of the subscribers is to own, in their order:
/// of every topic with subscribers each partition once.
pub(in crate::coord::consumer) fn assign(
    assignor: Assignor,
    subscribers: &[Subscriber<'_>],
) -> Vec<Partitions> {
    match assignor {
        Assignor::Uniform => uniform::assign(subscribers),
        Assignor::Range => range::assign(subscribers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{PartitionIndex, PartitionKey, TopicId};
    use crate::coord::ids::Epoch;
    use crate::coord::kip848::TopicView;

    /// Members by line: a name, the topics it subscribes to, what it had. A topic is a letter and its count
    /// of partitions, a partition a letter and a number.
    fn check(assignor: Assignor, given: &str, expected: &str) {
        let rows: Vec<(&str, Vec<TopicView>, Partitions)> = given.trim().lines().map(row).collect();
        let subscribers: Vec<Subscriber<'_>> = rows
            .iter()
            .map(|(order, topics, before)| Subscriber { order, topics: topics.clone(), before })
            .collect();
        let lines = rows.iter().zip(assign(assignor, &subscribers)).map(|((name, ..), target)| {
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

    #[test]
    fn ranges_topic_by_topic() {
        for (given, expected) in [
            ("a | t3 |", "a: t0 t1 t2"),
            ("a | t3 |\nb | t3 |", "a: t0 t1\nb: t2"),
            ("b | t3 |\na | t3 |", "b: t2\na: t0 t1"),
            ("a | t2 u2 |\nb | t2 u2 |", "a: t0 u0\nb: t1 u1"),
            ("a | t1 |\nb | t1 |\nc | u2 |", "a: t0\nb:\nc: u0 u1"),
            ("a | |\nb | t1 |", "a:\nb: t0"),
        ] {
            check(Assignor::Range, given, expected);
        }
    }

    #[test]
    fn equal_parts_of_the_same_topics() {
        for (given, expected) in [
            ("a | t3 |", "a: t0 t1 t2"),
            ("a | t2 | t0 t1\nb | t2 |", "a: t0\nb: t1"),
            ("a | t4 |\nb | t4 |", "a: t0 t2\nb: t1 t3"),
            // Who is gone leaves its part to those with the least.
            ("a | t4 | t0\nb | t4 | t1 t3", "a: t0 t2\nb: t1 t3"),
            // The odd one stays where it is.
            ("a | t3 | t0\nb | t3 | t1 t2", "a: t0\nb: t1 t2"),
            ("a | t1 |\nb | t1 | t0\nc | t1 |", "a:\nb: t0\nc:"),
            // Partitions that are gone, topics that nobody subscribes to, and claims of two.
            ("a | t2 | t0 t5 u1\nb | t2 | t0 t1", "a: t0\nb: t1"),
            ("a | t2 u2 |\nb | t2 u2 |", "a: t0 t1\nb: u0 u1"),
            ("a | |", "a:"),
        ] {
            check(Assignor::Uniform, given, expected);
        }
    }

    #[test]
    fn parts_of_different_topics_are_as_equal_as_they_can_be() {
        for (given, expected) in [
            ("a | t4 |\nb | t4 u2 |", "a: t0 t1 t2\nb: t3 u0 u1"),
            ("a | t2 |\nb | u2 |", "a: t0 t1\nb: u0 u1"),
            ("a | t4 | t0 t1 t2 t3\nb | t4 u1 | u0", "a: t0 t1 t2\nb: t3 u0"),
            ("a | t1 u1 v1 | t0 u0 v0\nb | t1 | \nc | u1 |", "a: v0\nb: t0\nc: u0"),
        ] {
            check(Assignor::Uniform, given, expected);
        }
    }
}
