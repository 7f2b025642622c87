//! Partitions added to topics that exist: CreatePartitions checked against the image,
//! and the records that carry it out.
//!
//! Order of checks and messages are those of Kafka's controller
//! (`ReplicationControlManager.createPartitions`).

use super::change::{
    PARTITIONS_PER_REQUEST_MAX, TopicError, TopicErrorKind, check_replicas, new_partition, spread,
};
use super::image::{MetadataImage, TopicImage};
use super::record::MetadataRecord;
use crate::base::config::BrokerConfig;
use crate::base::ids::BrokerId;

/// More partitions for one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MorePartitions {
    pub topic: String,
    /// How many it has afterwards.
    pub count: i32,
    /// Replicas of each new partition, where the client chose them.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// Checks a request for more partitions, each topic for itself: a result for each, and the records of those
/// that were not refused. No two of them name the same topic.
pub fn create_partitions(
    image: &MetadataImage,
    asked: &[MorePartitions],
    broker: &BrokerConfig,
) -> (Vec<Result<(), TopicError>>, Vec<MetadataRecord>) {
    let mut records = Vec::new();
    let mut grow = |more: &MorePartitions| {
        let room = PARTITIONS_PER_REQUEST_MAX.saturating_sub(records.len());
        grow_topic(image, more, broker, room).map(|of_topic| records.extend(of_topic))
    };
    (asked.iter().map(&mut grow).collect(), records)
}

/// The records of one topic's new partitions, at most `room` of them.
fn grow_topic(
    image: &MetadataImage,
    more: &MorePartitions,
    broker: &BrokerConfig,
    room: usize,
) -> Result<Vec<MetadataRecord>, TopicError> {
    let Some(topic) = image.topic(&more.topic) else {
        let message = "This server does not host this topic-partition.";
        return Err(TopicError::new(TopicErrorKind::UnknownTopic, message));
    };
    let before = topic.partitions.len();
    let additional = check_count(more, before)?;
    if let Some(assignments) = more.assignments.as_ref().filter(|chosen| chosen.len() != additional) {
        let message = format!(
            "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
            assignments.len()
        );
        return Err(TopicError::new(TopicErrorKind::InvalidReplicaAssignment, message));
    }
    if additional > room {
        let message = "Excessively large number of partitions per request.";
        return Err(TopicError::new(TopicErrorKind::PolicyViolation, message));
    }
    let factor = replication_factor(topic);
    let replicas = match &more.assignments {
        None => {
            let factor = i32::try_from(factor).unwrap_or(i32::MAX);
            spread(image, broker, factor, before..before + additional)?
        }
        Some(chosen) => {
            for replicas in chosen {
                check_replicas(image, replicas, Some(factor))
                    .map_err(|message| TopicError::new(TopicErrorKind::InvalidReplicaAssignment, message))?;
            }
            chosen.clone()
        }
    };
    let first = i32::try_from(before).unwrap_or(i32::MAX);
    let placed = (first..).zip(replicas);
    Ok(placed.map(|(index, replicas)| new_partition(topic.id, index, replicas)).collect())
}

/// How many partitions come to those that are there.
fn check_count(more: &MorePartitions, before: usize) -> Result<usize, TopicError> {
    let refuse = |message: String| Err(TopicError::new(TopicErrorKind::InvalidPartitions, message));
    match usize::try_from(more.count) {
        Ok(count) if count == before => refuse(format!("Topic already has {before} partition(s).")),
        Ok(count) if count > before => Ok(count - before),
        _ => refuse(format!(
            "The topic {} currently has {before} partition(s); {} would not be an increase.",
            more.topic, more.count
        )),
    }
}

/// As its first partition has it.
fn replication_factor(topic: &TopicImage) -> usize {
    topic.partitions.first().map_or(0, |partition| partition.replicas.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{LeaderEpoch, PartitionIndex, TopicId};
    use crate::meta::change::{NewTopic, bootstrap, create_topics, register_broker};

    /// One broker with id 1 and the topics `one`, of a partition, and `three`.
    fn cluster() -> MetadataImage {
        let broker = BrokerConfig::default();
        let mut image = MetadataImage::default();
        image.apply_all(&bootstrap("cluster", &broker)).unwrap();
        image.apply(&register_broker(&image, &broker, &[]).unwrap()).unwrap();
        let topics = [("one", 1), ("three", 3)].map(|(name, partitions)| NewTopic {
            partitions,
            ..NewTopic::named(name, TopicId([partitions as u8; 16]))
        });
        image.apply_all(&create_topics(&image, &topics, &broker).records).unwrap();
        image
    }

    /// "topic count [1,2 ...]"; `-` stands for an empty list of replicas, `none` for no lists.
    fn asked(text: &str) -> MorePartitions {
        let mut words = text.split(' ');
        let topic = words.next().unwrap().to_owned();
        let count = words.next().unwrap().parse().unwrap();
        let chosen: Vec<&str> = words.collect();
        let brokers = |list: &&str| list.split(',').filter_map(|id| id.parse().ok()).map(BrokerId).collect();
        let assignments = match chosen.as_slice() {
            [] => None,
            ["none"] => Some(Vec::new()),
            lists => Some(lists.iter().map(brokers).collect()),
        };
        MorePartitions { topic, count, assignments }
    }

    /// A request and what Apache Kafka 4.3.1 with one broker answered to it.
    const ANSWERS: &str = "
        one 2         | ok 1
        three 5       | ok 2
        three 5 1 1   | ok 2
        none 5        | UnknownTopic This server does not host this topic-partition.
        three 3       | InvalidPartitions Topic already has 3 partition(s).
        three 3 1     | InvalidPartitions Topic already has 3 partition(s).
        three 2       | InvalidPartitions The topic three currently has 3 partition(s); 2 would not be an increase.
        three 0       | InvalidPartitions The topic three currently has 3 partition(s); 0 would not be an increase.
        three -1      | InvalidPartitions The topic three currently has 3 partition(s); -1 would not be an increase.
        three 5 1     | InvalidReplicaAssignment Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.
        three 4 1 1   | InvalidReplicaAssignment Attempted to add 1 additional partition(s), but only 2 assignment(s) were specified.
        three 4 none  | InvalidReplicaAssignment Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified.
        three 4 7     | InvalidReplicaAssignment The manual partition assignment includes broker 7, but no such broker is registered.
        three 4 1,1   | InvalidReplicaAssignment The manual partition assignment includes the broker 1 more than once.
        three 4 -     | InvalidReplicaAssignment The manual partition assignment includes an empty replica list.
    ";

    #[test]
    fn topics_grow_or_are_refused_as_kafka_does() {
        let image = cluster();
        for line in ANSWERS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (request, answer) = line.split_once('|').unwrap();
            let (results, records) =
                create_partitions(&image, &[asked(request.trim())], &BrokerConfig::default());
            let ours = match &results[0] {
                Ok(()) => format!("ok {}", records.len()),
                Err(error) => format!("{:?} {error}", error.kind),
            };
            assert_eq!(ours, answer.trim(), "{request}");
            assert_eq!(records.is_empty(), results[0].is_err(), "{request}");
        }
    }

    #[test]
    fn new_partitions_stand_behind_the_old_and_begin_at_epoch_0() {
        let mut image = cluster();
        let raised = crate::meta::raise_leader_epochs(&image, BrokerId(1));
        image.apply_all(&raised).unwrap();
        let (results, records) = create_partitions(
            &image,
            &["none 4", "three 5", "one 1", "one 3"].map(asked),
            &BrokerConfig::default(),
        );
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false, true]);
        let before = image.clone();
        image.apply_all(&records).unwrap();
        let topic = image.topic("three").unwrap();
        let places: Vec<_> =
            topic.partitions.iter().map(|partition| (partition.index.0, partition.leader_epoch.0)).collect();
        assert_eq!(places, [(0, 1), (1, 1), (2, 1), (3, 0), (4, 0)]);
        assert_eq!(image.partition_count(), before.partition_count() + 4);
        let added = topic.partition(PartitionIndex(4)).unwrap();
        assert_eq!((added.leader, added.leader_epoch), (BrokerId(1), LeaderEpoch(0)));
        let mut rebuilt = MetadataImage::default();
        rebuilt.apply_all(&image.records()).unwrap();
        assert_eq!(rebuilt, image);
    }

    #[test]
    fn a_request_makes_so_many_partitions_and_no_more() {
        let image = cluster();
        let (results, records) = create_partitions(
            &image,
            &["three 10000", "one 5", "one 4"].map(asked),
            &BrokerConfig::default(),
        );
        let kinds: Vec<_> =
            results.iter().map(|result| result.as_ref().err().map(|error| error.kind)).collect();
        assert_eq!(kinds, [None, Some(TopicErrorKind::PolicyViolation), None]);
        assert_eq!(records.len(), PARTITIONS_PER_REQUEST_MAX);
        let (results, records) =
            create_partitions(&image, &[asked("one 2147483647")], &BrokerConfig::default());
        assert!(results[0].as_ref().is_err_and(|error| error.kind == TopicErrorKind::PolicyViolation));
        assert_eq!(records, []);
    }
}
