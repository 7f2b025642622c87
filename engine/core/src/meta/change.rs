//! Changes: pure commands that check a request against the image and return the records that carry it out.
//!
//! Nothing is applied here; a request that is only to be validated is one whose records are thrown away.
//! Order of checks and messages are those of Kafka's controller (`ReplicationControlManager`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use thiserror::Error;

use super::image::{MetadataImage, PartitionImage};
use super::name::{CLUSTER_METADATA, check_topic_name, folded, may_collide};
use super::record::{ConfigResource, Endpoint, MetadataRecord};
use crate::base::config::{BrokerConfig, ConfigMap, TopicConfig, validate_topic};
use crate::base::ids::{BrokerId, LeaderEpoch, PartitionIndex, ProducerId, TopicId};

/// Producer ids that a broker takes at a time, as Kafka.
pub const PRODUCER_ID_BLOCK: i64 = 1000;

/// Most partitions that one request may create, as Kafka: a record of the metadata log holds them all.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// A topic that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewTopic {
    pub name: String,
    /// Drawn by the caller; becomes the topic's id if it is created.
    pub id: TopicId,
    /// -1: the broker's default.
    pub partitions: i32,
    /// -1: the broker's default.
    pub replication_factor: i16,
    /// Replicas of each partition, chosen by the client; then the two numbers above are -1.
    pub assignments: Vec<(PartitionIndex, Vec<BrokerId>)>,
    pub configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic with everything left to the broker.
    pub fn named(name: &str, id: TopicId) -> NewTopic {
        NewTopic { name: name.to_owned(), id, partitions: -1, replication_factor: -1, ..NewTopic::default() }
    }
}

/// A topic that was, or would be, created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    pub name: String,
    pub id: TopicId,
    pub partitions: i32,
    pub replication_factor: i16,
    /// The settings it was given.
    pub configs: ConfigMap,
}

/// Which of Kafka's errors a refused change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicErrorKind {
    InvalidTopic,
    TopicExists,
    InvalidPartitions,
    InvalidReplicationFactor,
    InvalidReplicaAssignment,
    InvalidConfig,
    InvalidRequest,
    PolicyViolation,
    UnknownTopic,
    UnknownTopicId,
    /// The client makes more changes than its quota allows.
    QuotaExceeded,
    /// The change could not be stored, or what it makes would find no space.
    Storage,
}

/// A refused change of topics, in Kafka's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct TopicError {
    pub kind: TopicErrorKind,
    pub message: String,
}

impl TopicError {
    pub(super) fn new(kind: TopicErrorKind, message: impl Into<String>) -> TopicError {
        TopicError { kind, message: message.into() }
    }

    /// Kafka says no more of it than its code does.
    pub fn quota_exceeded() -> TopicError {
        TopicError::new(TopicErrorKind::QuotaExceeded, "The throttling quota has been exceeded.")
    }

    pub fn storage(message: impl Into<String>) -> TopicError {
        TopicError::new(TopicErrorKind::Storage, message)
    }
}

/// What a request to create topics comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOutcome {
    /// In the order of the request.
    pub results: Vec<Result<CreatedTopic, TopicError>>,
    /// What creates those that were not refused; empty if all were.
    pub records: Vec<MetadataRecord>,
}

/// A request to create topics, checked topic by topic.
/// A topic of the request counts as existing for those after it.
pub struct TopicCreations<'a> {
    image: MetadataImage,
    broker: &'a BrokerConfig,
    asked: usize,
    duplicates: BTreeSet<&'a str>,
    folded_names: FoldedNames,
    outcome: CreateOutcome,
}

impl<'a> TopicCreations<'a> {
    /// Of these topics, which are to be added one by one.
    pub fn of(image: &MetadataImage, topics: &'a [NewTopic], broker: &'a BrokerConfig) -> TopicCreations<'a> {
        let asked = topics.iter().map(|topic| partitions_asked(topic, broker));
        TopicCreations {
            image: image.clone(),
            broker,
            asked: asked.fold(0usize, usize::saturating_add),
            duplicates: duplicate_names(topics),
            folded_names: FoldedNames::of(image, topics),
            outcome: CreateOutcome { results: Vec::with_capacity(topics.len()), records: Vec::new() },
        }
    }

    pub fn add(&mut self, topic: &NewTopic) {
        let result = if self.asked > PARTITIONS_PER_REQUEST_MAX {
            Err(TopicError::new(
                TopicErrorKind::PolicyViolation,
                "Excessively large number of partitions per request.",
            ))
        } else if self.duplicates.contains(topic.name.as_str()) {
            Err(TopicError::new(TopicErrorKind::InvalidRequest, "Duplicate topic name."))
        } else {
            create_topic(&self.image, &self.folded_names, topic, self.broker)
        };
        self.outcome.results.push(result.map(|(created, records)| {
            let applied = self.image.apply_all(&records);
            assert!(applied.is_ok(), "a checked topic does not fit: {applied:?}");
            self.outcome.records.extend(records);
            self.folded_names.add(&created.name);
            created
        }));
    }

    pub fn finish(self) -> CreateOutcome {
        self.outcome
    }
}

/// Checks a request to create topics at once.
pub fn create_topics(image: &MetadataImage, topics: &[NewTopic], broker: &BrokerConfig) -> CreateOutcome {
    let mut creations = TopicCreations::of(image, topics, broker);
    topics.iter().for_each(|topic| creations.add(topic));
    creations.finish()
}

/// Checks a request to delete topics: one result for each id, and the records.
pub fn delete_topics(
    image: &MetadataImage,
    ids: &[TopicId],
) -> (Vec<Result<(), TopicError>>, Vec<MetadataRecord>) {
    let mut seen = BTreeSet::new();
    let mut records = Vec::new();
    let mut delete = |id: TopicId| {
        if image.topic_by_id(id).is_none() || !seen.insert(id) {
            let message = "This server does not host this topic ID.";
            return Err(TopicError::new(TopicErrorKind::UnknownTopicId, message));
        }
        records.push(MetadataRecord::RemoveTopic { id });
        Ok(())
    };
    (ids.iter().map(|id| delete(*id)).collect(), records)
}

/// The first records of a cluster. As Kafka does when it formats a node, the default of `min.insync.replicas`
/// becomes a setting of the cluster, so that it changes for all brokers at once.
pub fn bootstrap(cluster_id: &str, broker: &BrokerConfig) -> Vec<MetadataRecord> {
    const KEY: &str = "min.insync.replicas";
    let value = TopicConfig::defaults(broker).min_insync_replicas.to_string();
    vec![
        MetadataRecord::Cluster { cluster_id: cluster_id.to_owned() },
        MetadataRecord::Config {
            resource: ConfigResource::BrokerDefault,
            key: KEY.to_owned(),
            value: Some(value),
        },
    ]
}

/// The record that registers a broker; `None` if it is registered just so.
pub fn register_broker(
    image: &MetadataImage,
    broker: &BrokerConfig,
    endpoints: &[Endpoint],
) -> Option<MetadataRecord> {
    let (id, rack) = (broker.node_id(), broker.rack());
    let same = image
        .broker(id)
        .is_some_and(|known| known.rack.as_deref() == rack && known.endpoints.as_slice() == endpoints);
    (!same).then(|| MetadataRecord::Broker {
        id,
        rack: rack.map(str::to_owned),
        endpoints: endpoints.to_vec(),
    })
}

/// A block of producer ids that nobody was given yet, and the record that takes it.
pub fn next_producer_ids(image: &MetadataImage) -> (std::ops::Range<i64>, MetadataRecord) {
    let first = image.next_producer_id().0;
    let next = first.saturating_add(PRODUCER_ID_BLOCK);
    (first..next, MetadataRecord::ProducerIds { next: ProducerId(next) })
}

/// After an unclean start: every partition that `broker` leads gets the next leader epoch, so that what an
/// earlier run may have shown under the old one cannot be confused with what is written now.
pub fn raise_leader_epochs(image: &MetadataImage, broker: BrokerId) -> Vec<MetadataRecord> {
    let raised = |topic: TopicId, partition: &PartitionImage| MetadataRecord::Partition {
        topic,
        index: partition.index,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
        leader: partition.leader,
        leader_epoch: LeaderEpoch(partition.leader_epoch.0.saturating_add(1)),
    };
    let led = |partition: &&PartitionImage| partition.leader == broker;
    image
        .topics()
        .flat_map(|topic| {
            topic.partitions.iter().filter(led).map(move |partition| raised(topic.id, partition))
        })
        .collect()
}

fn partitions_asked(topic: &NewTopic, broker: &BrokerConfig) -> usize {
    match (topic.assignments.len(), topic.partitions) {
        (0, -1) => usize::try_from(broker.num_partitions()).unwrap_or(0),
        (0, count) => usize::try_from(count).unwrap_or(0),
        (count, _) => count,
    }
}

fn duplicate_names(topics: &[NewTopic]) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    topics.iter().map(|topic| topic.name.as_str()).filter(|name| !seen.insert(*name)).collect()
}

/// Names of topics as metrics have them, with the first that has each.
struct FoldedNames(BTreeMap<String, String>);

impl FoldedNames {
    /// Nothing where no topic that is asked for may collide with another: gathered once for all of them.
    fn of(image: &MetadataImage, asked: &[NewTopic]) -> FoldedNames {
        let mut names = FoldedNames(BTreeMap::new());
        if asked.iter().any(|topic| may_collide(&topic.name)) {
            image.topics().for_each(|topic| names.add(&topic.name));
        }
        names
    }

    fn add(&mut self, name: &str) {
        if may_collide(name) {
            self.0.entry(folded(name)).or_insert_with(|| name.to_owned());
        }
    }

    fn collision(&self, name: &str) -> Option<&str> {
        may_collide(name).then(|| self.0.get(&folded(name)).map(String::as_str)).flatten()
    }
}

fn create_topic(
    image: &MetadataImage,
    folded_names: &FoldedNames,
    topic: &NewTopic,
    broker: &BrokerConfig,
) -> Result<(CreatedTopic, Vec<MetadataRecord>), TopicError> {
    check_name(image, folded_names, &topic.name)?;
    let configs = check_configs(image, topic, broker)?;
    let replicas = match topic.assignments.is_empty() {
        true => assign(image, topic, broker)?,
        false => check_assignments(image, topic)?,
    };
    let mut records = vec![MetadataRecord::Topic { id: topic.id, name: topic.name.clone() }];
    records.extend(configs.iter().map(|(key, value)| MetadataRecord::Config {
        resource: ConfigResource::Topic(topic.name.clone()),
        key: key.clone(),
        value: Some(value.clone()),
    }));
    let created = CreatedTopic {
        name: topic.name.clone(),
        id: topic.id,
        partitions: i32::try_from(replicas.len()).unwrap_or(i32::MAX),
        replication_factor: replicas
            .first()
            .map_or(0, |first| i16::try_from(first.len()).unwrap_or(i16::MAX)),
        configs,
    };
    records.extend((0..).zip(replicas).map(|(index, replicas)| new_partition(topic.id, index, replicas)));
    Ok((created, records))
}

/// A partition that begins: all its replicas are in sync, and the first leads.
pub(super) fn new_partition(topic: TopicId, index: i32, replicas: Vec<BrokerId>) -> MetadataRecord {
    MetadataRecord::Partition {
        topic,
        index: PartitionIndex(index),
        isr: replicas.clone(),
        leader: replicas.first().copied().unwrap_or(BrokerId::NONE),
        leader_epoch: LeaderEpoch(0),
        replicas,
    }
}

fn check_name(image: &MetadataImage, folded_names: &FoldedNames, name: &str) -> Result<(), TopicError> {
    if image.topic(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err(TopicError::new(TopicErrorKind::TopicExists, message));
    }
    if name == CLUSTER_METADATA {
        let message = format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.");
        return Err(TopicError::new(TopicErrorKind::InvalidRequest, message));
    }
    check_topic_name(name).map_err(|message| TopicError::new(TopicErrorKind::InvalidTopic, message))?;
    match folded_names.collision(name) {
        Some(other) => {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            Err(TopicError::new(TopicErrorKind::InvalidTopic, message))
        }
        None => Ok(()),
    }
}

fn check_configs(
    image: &MetadataImage,
    topic: &NewTopic,
    broker: &BrokerConfig,
) -> Result<ConfigMap, TopicError> {
    let refuse = |message: String| TopicError::new(TopicErrorKind::InvalidConfig, message);
    let unset: Vec<_> =
        topic.configs.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.as_str()).collect();
    if !unset.is_empty() {
        return Err(refuse(format!("Null value not supported for topic configs: {}", unset.join(","))));
    }
    let set = topic.configs.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
    let configs: ConfigMap = set.collect();
    let dynamic = image.config_layers(broker).dynamic();
    validate_topic(broker, &dynamic, &configs).map_err(|error| refuse(error.message))?;
    Ok(configs)
}

/// Spreads partitions over the registered brokers: each starts at the next one.
fn assign(
    image: &MetadataImage,
    topic: &NewTopic,
    broker: &BrokerConfig,
) -> Result<Vec<Vec<BrokerId>>, TopicError> {
    if topic.replication_factor < -1 || topic.replication_factor == 0 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err(TopicError::new(TopicErrorKind::InvalidReplicationFactor, message));
    }
    if topic.partitions < -1 || topic.partitions == 0 {
        let message = "Number of partitions was set to an invalid non-positive value.";
        return Err(TopicError::new(TopicErrorKind::InvalidPartitions, message));
    }
    let factor = match topic.replication_factor {
        -1 => broker.default_replication_factor(),
        factor => i32::from(factor),
    };
    spread(image, broker, factor, 0..partitions_asked(topic, broker)).map_err(|error| TopicError {
        message: format!("Unable to replicate the partition {factor} time(s): {}", error.message),
        ..error
    })
}

/// Replicas of the partitions at these places, `factor` each. A broker whose directory is cordoned gets none.
pub(super) fn spread(
    image: &MetadataImage,
    own: &BrokerConfig,
    factor: i32,
    places: Range<usize>,
) -> Result<Vec<Vec<BrokerId>>, TopicError> {
    let is_cordoned = image.config_layers(own).is_cordoned();
    let takes_more = |id: &BrokerId| !is_cordoned || *id != own.node_id();
    let brokers: Vec<BrokerId> = image.brokers().map(|broker| broker.id).filter(takes_more).collect();
    match usize::try_from(factor) {
        Ok(factor) if (1..=brokers.len()).contains(&factor) => {
            let replicas = |at: usize| brokers.iter().cycle().skip(at % brokers.len()).take(factor).copied();
            Ok(places.map(|at| replicas(at).collect()).collect())
        }
        _ => {
            let message = match brokers.is_empty() && is_cordoned {
                true => {
                    "All brokers are currently fenced, or have all their log directories cordoned.".to_owned()
                }
                false => format!(
                    "The target replication factor of {factor} cannot be reached because only {} broker(s) are \
                     registered or some brokers have all their log directories cordoned.",
                    brokers.len()
                ),
            };
            Err(TopicError::new(TopicErrorKind::InvalidReplicationFactor, message))
        }
    }
}

/// Replicas that the client chose, in the order of the partitions.
fn check_assignments(image: &MetadataImage, topic: &NewTopic) -> Result<Vec<Vec<BrokerId>>, TopicError> {
    for (asked, name) in
        [(i32::from(topic.replication_factor), "replication factor"), (topic.partitions, "numPartitions")]
    {
        if asked != -1 {
            let message =
                format!("A manual partition assignment was specified, but {name} was not set to -1.");
            return Err(TopicError::new(TopicErrorKind::InvalidRequest, message));
        }
    }
    let refuse = |message: String| Err(TopicError::new(TopicErrorKind::InvalidReplicaAssignment, message));
    let mut placed = std::collections::BTreeMap::new();
    let mut factor = None;
    for (partition, replicas) in &topic.assignments {
        if placed.contains_key(partition) {
            return refuse(format!("Found multiple manual partition assignments for partition {partition}"));
        }
        if let Err(message) = check_replicas(image, replicas, factor) {
            return refuse(message);
        }
        factor = Some(replicas.len());
        placed.insert(*partition, replicas.clone());
    }
    match placed.keys().zip(0..).all(|(partition, expected)| partition.0 == expected) {
        true => Ok(placed.into_values().collect()),
        false => refuse("partitions should be a consecutive 0-based integer sequence".to_owned()),
    }
}

/// Whether a client may choose these replicas; `factor` is how many its other partitions have.
pub(super) fn check_replicas(
    image: &MetadataImage,
    replicas: &[BrokerId],
    factor: Option<usize>,
) -> Result<(), String> {
    const SUBJECT: &str = "The manual partition assignment includes";
    if replicas.is_empty() {
        return Err(format!("{SUBJECT} an empty replica list."));
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut previous = None;
    for id in sorted {
        if image.broker(id).is_none() {
            return Err(format!("{SUBJECT} broker {id}, but no such broker is registered."));
        }
        if previous == Some(id) {
            return Err(format!("{SUBJECT} the broker {id} more than once."));
        }
        previous = Some(id);
    }
    match factor {
        Some(factor) if factor != replicas.len() => Err(format!(
            "{SUBJECT} a partition with {} replica(s), but this is not consistent with previous partitions, which \
             have {factor} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::{LoadedConfig, Properties};
    use crate::base::config::{SecurityProtocol, UnknownKeys};

    /// One broker with id 1 and the topics `a.b` and `old`.
    fn cluster(broker: &BrokerConfig) -> MetadataImage {
        let endpoint = Endpoint {
            name: "PLAINTEXT".to_owned(),
            host: "h".to_owned(),
            port: 9092,
            protocol: SecurityProtocol::Plaintext,
        };
        let mut image = MetadataImage::default();
        image.apply_all(&bootstrap("cluster", broker)).unwrap();
        image.apply(&register_broker(&image, broker, std::slice::from_ref(&endpoint)).unwrap()).unwrap();
        assert_eq!(register_broker(&image, broker, &[endpoint]), None, "it is registered just so");
        let topics = [NewTopic::named("a.b", TopicId([1; 16])), NewTopic::named("old", TopicId([2; 16]))];
        image.apply_all(&create_topics(&image, &topics, broker).records).unwrap();
        image
    }

    /// "name partitions replication-factor [key=value | 0:1,2 ...]"
    fn asked(text: &str) -> NewTopic {
        let mut words = text.split(' ');
        let mut topic = NewTopic::named(words.next().unwrap(), TopicId([9; 16]));
        topic.partitions = words.next().unwrap().parse().unwrap();
        topic.replication_factor = words.next().unwrap().parse().unwrap();
        for word in words {
            if let Some((key, value)) = word.split_once('=') {
                topic.configs.push((key.to_owned(), (value != "null").then(|| value.to_owned())));
            } else if let Some((partition, brokers)) = word.split_once(':') {
                let brokers = brokers.split(',').filter_map(|id| id.parse().ok()).map(BrokerId).collect();
                topic.assignments.push((PartitionIndex(partition.parse().unwrap()), brokers));
            }
        }
        topic
    }

    /// A request and what Apache Kafka 4.3.1 with one broker answered to it.
    const ANSWERS: &str = "
        new 2 1                 | ok 2
        new -1 -1               | ok 1
        new 1 1 retention.ms=1  | ok 1
        new -1 -1 0:1 1:1       | ok 2
        old 0 0 x=y             | TopicExists Topic 'old' already exists.
        a_b 1 1                 | InvalidTopic Topic 'a_b' collides with existing topic: a.b
        a/b 1 1 x=y             | InvalidTopic Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'
        __cluster_metadata 1 1  | InvalidRequest Creation of internal topic __cluster_metadata is prohibited.
        new 0 0 x=y             | InvalidConfig Unknown topic config name: x
        new 1 1 retention.ms=x  | InvalidConfig Invalid value x for configuration retention.ms: Not a number of type LONG
        new 1 1 retention.ms=null | InvalidConfig Null value not supported for topic configs: retention.ms
        new 0 0                 | InvalidReplicationFactor Replication factor must be larger than 0, or -1 to use the default value.
        new 1 -2                | InvalidReplicationFactor Replication factor must be larger than 0, or -1 to use the default value.
        new 0 1                 | InvalidPartitions Number of partitions was set to an invalid non-positive value.
        new -5 1                | InvalidPartitions Number of partitions was set to an invalid non-positive value.
        new 1 2                 | InvalidReplicationFactor Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.
        new 10001 1             | PolicyViolation Excessively large number of partitions per request.
        new -1 1 0:1            | InvalidRequest A manual partition assignment was specified, but replication factor was not set to -1.
        new 1 -1 0:1            | InvalidRequest A manual partition assignment was specified, but numPartitions was not set to -1.
        new -1 -1 0:1 0:1       | InvalidReplicaAssignment Found multiple manual partition assignments for partition 0
        new -1 -1 1:1           | InvalidReplicaAssignment partitions should be a consecutive 0-based integer sequence
        new -1 -1 0:1 2:1       | InvalidReplicaAssignment partitions should be a consecutive 0-based integer sequence
        new -1 -1 0:2           | InvalidReplicaAssignment The manual partition assignment includes broker 2, but no such broker is registered.
        new -1 -1 0:1,1         | InvalidReplicaAssignment The manual partition assignment includes the broker 1 more than once.
        new -1 -1 0:            | InvalidReplicaAssignment The manual partition assignment includes an empty replica list.
        new -1 -1 0:1 1:1,2     | InvalidReplicaAssignment The manual partition assignment includes broker 2, but no such broker is registered.
    ";

    #[test]
    fn topics_are_created_or_refused_as_kafka_does() {
        let broker = BrokerConfig::default();
        let image = cluster(&broker);
        for line in ANSWERS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (request, answer) = line.split_once('|').unwrap();
            let outcome = create_topics(&image, &[asked(request.trim())], &broker);
            let ours = match &outcome.results[0] {
                Ok(created) => format!("ok {}", created.partitions),
                Err(error) => format!("{:?} {error}", error.kind),
            };
            assert_eq!(ours, answer.trim(), "{request}");
            assert_eq!(outcome.records.is_empty(), outcome.results[0].is_err(), "{request}");
        }
    }

    #[test]
    fn a_request_is_checked_topic_by_topic() {
        let broker = BrokerConfig::default();
        let image = cluster(&broker);
        let mut topics = ["d1 1 1", "d1 1 1", "e.f 2 1", "e_f 1 1"].map(asked);
        topics[3].id = TopicId([8; 16]);
        let outcome = create_topics(&image, &topics, &broker);
        let kinds: Vec<_> =
            outcome.results.iter().map(|result| result.as_ref().err().map(|error| error.kind)).collect();
        let refused = Some(TopicErrorKind::InvalidRequest);
        assert_eq!(kinds, [refused, refused, None, Some(TopicErrorKind::InvalidTopic)]);
        let mut after = image.clone();
        after.apply_all(&outcome.records).unwrap();
        let made = after.topic("e.f").unwrap();
        assert_eq!(made.partitions.len(), 2);
        assert_eq!(made.partitions[1].leader, BrokerId(1));
        assert_eq!(made.partitions[1].leader_epoch, LeaderEpoch(0));

        let over = create_topics(&image, &["g1 9999 1", "g2 2 1"].map(asked), &broker);
        let is_policy = |error: &TopicError| error.kind == TopicErrorKind::PolicyViolation;
        assert!(over.results.iter().all(|result| result.as_ref().is_err_and(is_policy)));
    }

    #[test]
    fn topics_are_deleted_once() {
        let broker = BrokerConfig::default();
        let image = cluster(&broker);
        let ids = [TopicId([1; 16]), TopicId([1; 16]), TopicId([7; 16]), TopicId([2; 16])];
        let (results, records) = delete_topics(&image, &ids);
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
        let mut after = image.clone();
        after.apply_all(&records).unwrap();
        assert_eq!(after.topic_count(), 0);
    }

    #[test]
    fn producer_ids_come_in_blocks_that_never_overlap() {
        let mut image = MetadataImage::default();
        for expected in [0..1000, 1000..2000, 2000..3000] {
            let (block, record) = next_producer_ids(&image);
            assert_eq!(block, expected);
            image.apply(&record).unwrap();
        }
    }

    #[test]
    fn a_new_cluster_keeps_min_insync_replicas_as_its_own_setting() {
        let properties = Properties::parse("min.insync.replicas=2").unwrap();
        let broker = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap().broker;
        let image = cluster(&broker);
        assert_eq!(image.cluster_id(), "cluster");
        assert_eq!(image.broker_default_config().get("min.insync.replicas").map(String::as_str), Some("2"));
        assert_eq!(image.topic_config(&broker, image.topic("old").unwrap()).min_insync_replicas, 2);
    }

    #[test]
    fn epochs_rise_on_every_partition_that_the_broker_leads() {
        let broker = BrokerConfig::default();
        let mut image = cluster(&broker);
        let records = raise_leader_epochs(&image, broker.node_id());
        image.apply_all(&records).unwrap();
        let epochs: Vec<_> = image.topics().map(|topic| topic.partitions[0].leader_epoch.0).collect();
        assert_eq!(epochs, [1, 1]);
        assert_eq!(raise_leader_epochs(&image, BrokerId(5)), []);
    }
}
