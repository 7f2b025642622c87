//! `MetadataImage`: the state that the metadata records add up to; immutable once published, cheap to clone.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use super::features::{FinalizedFeatures, UnsupportedLevel};
use super::quota::ClientQuotas;
use super::record::{ConfigResource, Endpoint, MetadataRecord};
use crate::base::config::{BrokerConfig, ConfigLayers, ConfigMap, TopicConfig};
use crate::base::ids::{BrokerId, LeaderEpoch, PartitionIndex, PartitionKey, ProducerId, TopicId};

/// A broker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistration {
    pub id: BrokerId,
    pub rack: Option<String>,
    pub endpoints: Vec<Endpoint>,
}

/// One partition's place in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    pub index: PartitionIndex,
    pub replicas: Vec<BrokerId>,
    pub isr: Vec<BrokerId>,
    pub leader: BrokerId,
    pub leader_epoch: LeaderEpoch,
}

/// One topic. Partition `n` stands at place `n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    pub name: Arc<str>,
    pub id: TopicId,
    pub partitions: Vec<PartitionImage>,
    /// What was set for this topic.
    pub configs: ConfigMap,
}

impl TopicImage {
    pub fn partition(&self, index: PartitionIndex) -> Option<&PartitionImage> {
        self.partitions.get(usize::try_from(index.0).ok()?)
    }

    /// The keys of its partitions, in order.
    pub fn keys(&self) -> impl Iterator<Item = PartitionKey> + '_ {
        self.partitions.iter().map(|partition| PartitionKey::new(self.id, partition.index))
    }
}

/// A record that does not fit the image: the log it comes from is not a log of this cluster.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImageFault {
    #[error("a record names topic {0}, which does not exist")]
    UnknownTopic(TopicId),
    #[error("topic {0} is created twice")]
    TopicExists(String),
    #[error("partition {1} of topic {0} does not follow the one before")]
    PartitionGap(TopicId, PartitionIndex),
    #[error("a setting names topic {0}, which does not exist")]
    UnknownTopicName(String),
    #[error(transparent)]
    UnsupportedLevel(#[from] UnsupportedLevel),
}

/// Cluster state at one point of the metadata log. Every shard holds the newest one it has seen.
/// Clones share their topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataImage {
    cluster_id: String,
    brokers: BTreeMap<BrokerId, BrokerRegistration>,
    topics: Arc<BTreeMap<Arc<str>, Arc<TopicImage>>>,
    names: Arc<BTreeMap<TopicId, Arc<str>>>,
    broker_configs: BTreeMap<BrokerId, ConfigMap>,
    broker_default_config: ConfigMap,
    /// No group has an empty map.
    group_configs: NamedConfigs,
    /// No subscription has an empty map.
    client_metrics: NamedConfigs,
    client_quotas: Arc<ClientQuotas>,
    features: Arc<FinalizedFeatures>,
    next_producer_id: ProducerId,
    partition_count: usize,
}

/// Settings of what need not be there, by name.
pub type NamedConfigs = Arc<BTreeMap<Arc<str>, ConfigMap>>;

static NO_CONFIG: ConfigMap = ConfigMap::new();

impl MetadataImage {
    /// Adds one record. On a fault the image is as it was.
    pub fn apply(&mut self, record: &MetadataRecord) -> Result<(), ImageFault> {
        match record {
            MetadataRecord::Cluster { cluster_id } => self.cluster_id.clone_from(cluster_id),
            MetadataRecord::Broker { id, rack, endpoints } => {
                let registration =
                    BrokerRegistration { id: *id, rack: rack.clone(), endpoints: endpoints.clone() };
                self.brokers.insert(*id, registration);
            }
            MetadataRecord::Topic { id, name } => self.add_topic(*id, name)?,
            MetadataRecord::Partition { topic, index, replicas, isr, leader, leader_epoch } => {
                let partition = PartitionImage {
                    index: *index,
                    replicas: replicas.clone(),
                    isr: isr.clone(),
                    leader: *leader,
                    leader_epoch: *leader_epoch,
                };
                self.set_partition(*topic, partition)?;
            }
            MetadataRecord::RemoveTopic { id } => self.remove_topic(*id)?,
            MetadataRecord::Config { resource, key, value } => {
                self.set_config(resource, key, value.as_ref())?;
            }
            MetadataRecord::ProducerIds { next } => self.next_producer_id = *next,
            MetadataRecord::ClientQuota { entity, key, value } => {
                Arc::make_mut(&mut self.client_quotas).set(entity, *key, *value);
            }
            MetadataRecord::Features { epoch, levels } => {
                self.features = Arc::new(FinalizedFeatures::of_record(*epoch, levels)?);
            }
        }
        Ok(())
    }

    /// Adds records in order.
    pub fn apply_all<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a MetadataRecord>,
    ) -> Result<(), ImageFault> {
        records.into_iter().try_for_each(|record| self.apply(record))
    }

    /// Records that build this image from an empty one: the content of a snapshot.
    pub fn records(&self) -> Vec<MetadataRecord> {
        let mut records = vec![MetadataRecord::Cluster { cluster_id: self.cluster_id.clone() }];
        records.extend(self.brokers.values().map(|broker| MetadataRecord::Broker {
            id: broker.id,
            rack: broker.rack.clone(),
            endpoints: broker.endpoints.clone(),
        }));
        records.extend(config_records(&ConfigResource::BrokerDefault, &self.broker_default_config));
        for (id, configs) in &self.broker_configs {
            records.extend(config_records(&ConfigResource::Broker(*id), configs));
        }
        for (name, configs) in self.group_configs.iter() {
            records.extend(config_records(&ConfigResource::Group(name.to_string()), configs));
        }
        for (name, configs) in self.client_metrics.iter() {
            records.extend(config_records(&ConfigResource::ClientMetrics(name.to_string()), configs));
        }
        for topic in self.topics() {
            records.push(MetadataRecord::Topic { id: topic.id, name: topic.name.to_string() });
            records.extend(config_records(&ConfigResource::Topic(topic.name.to_string()), &topic.configs));
            records.extend(topic.partitions.iter().map(|partition| partition.record(topic.id)));
        }
        records.push(self.features.record());
        records.push(MetadataRecord::ProducerIds { next: self.next_producer_id });
        for (entity, values) in self.client_quotas.iter() {
            records.extend(values.iter().map(|(key, value)| MetadataRecord::ClientQuota {
                entity: entity.clone(),
                key: *key,
                value: Some(*value),
            }));
        }
        records
    }

    /// 22 characters; empty before the first record.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    pub fn brokers(&self) -> impl Iterator<Item = &BrokerRegistration> {
        self.brokers.values()
    }

    pub fn broker(&self, id: BrokerId) -> Option<&BrokerRegistration> {
        self.brokers.get(&id)
    }

    /// All topics, sorted by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.values()
    }

    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.names.get(&id)?)
    }

    pub fn partition(&self, key: PartitionKey) -> Option<&PartitionImage> {
        self.topic_by_id(key.topic)?.partition(key.partition)
    }

    /// The level of each feature.
    pub fn features(&self) -> &FinalizedFeatures {
        &self.features
    }

    /// The producer id that the next block begins with.
    pub fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// Dynamic settings of one broker.
    pub fn broker_config(&self, id: BrokerId) -> &ConfigMap {
        self.broker_configs.get(&id).unwrap_or(&NO_CONFIG)
    }

    /// Dynamic settings of all brokers.
    pub fn broker_default_config(&self) -> &ConfigMap {
        &self.broker_default_config
    }

    /// Settings of one group; a group need not be there to have some.
    pub fn group_config(&self, group: &str) -> &ConfigMap {
        self.group_configs.get(group).unwrap_or(&NO_CONFIG)
    }

    /// Groups with settings of their own, by name.
    pub fn group_configs(&self) -> impl Iterator<Item = (&Arc<str>, &ConfigMap)> {
        self.group_configs.iter()
    }

    /// Settings of one subscription to metrics of clients.
    pub fn client_metrics_config(&self, name: &str) -> &ConfigMap {
        self.client_metrics.get(name).unwrap_or(&NO_CONFIG)
    }

    /// Subscriptions to metrics of clients; the same value as long as none changes.
    pub fn client_metrics(&self) -> &NamedConfigs {
        &self.client_metrics
    }

    /// The same value as long as no quota changes.
    pub fn client_quotas(&self) -> &Arc<ClientQuotas> {
        &self.client_quotas
    }

    /// The layers from which this broker's configuration is described.
    pub fn config_layers<'a>(&'a self, broker: &'a BrokerConfig) -> ConfigLayers<'a> {
        ConfigLayers {
            broker,
            dynamic_broker: self.broker_config(broker.node_id()),
            dynamic_default: &self.broker_default_config,
        }
    }

    /// What holds for `topic` on this broker.
    pub fn topic_config(&self, broker: &BrokerConfig, topic: &TopicImage) -> TopicConfig {
        TopicConfig::resolve(broker, &self.config_layers(broker).dynamic(), &topic.configs)
    }

    fn add_topic(&mut self, id: TopicId, name: &str) -> Result<(), ImageFault> {
        if self.topics.contains_key(name) || self.names.contains_key(&id) {
            return Err(ImageFault::TopicExists(name.to_owned()));
        }
        let name: Arc<str> = name.into();
        let topic =
            TopicImage { name: Arc::clone(&name), id, partitions: Vec::new(), configs: ConfigMap::new() };
        Arc::make_mut(&mut self.names).insert(id, Arc::clone(&name));
        Arc::make_mut(&mut self.topics).insert(name, Arc::new(topic));
        Ok(())
    }

    fn set_partition(&mut self, id: TopicId, partition: PartitionImage) -> Result<(), ImageFault> {
        let gap = ImageFault::PartitionGap(id, partition.index);
        let at = usize::try_from(partition.index.0).map_err(|_| gap.clone())?;
        let name = self.names.get(&id).ok_or(ImageFault::UnknownTopic(id))?;
        let topic = Arc::make_mut(&mut self.topics).get_mut(name).ok_or(ImageFault::UnknownTopic(id))?;
        if at > topic.partitions.len() {
            return Err(gap);
        }
        let topic = Arc::make_mut(topic);
        match topic.partitions.get_mut(at) {
            Some(place) => *place = partition,
            None => {
                topic.partitions.push(partition);
                self.partition_count += 1;
            }
        }
        Ok(())
    }

    fn remove_topic(&mut self, id: TopicId) -> Result<(), ImageFault> {
        let name = Arc::make_mut(&mut self.names).remove(&id).ok_or(ImageFault::UnknownTopic(id))?;
        if let Some(topic) = Arc::make_mut(&mut self.topics).remove(&name) {
            self.partition_count -= topic.partitions.len();
        }
        Ok(())
    }

    fn set_config(
        &mut self,
        resource: &ConfigResource,
        key: &str,
        value: Option<&String>,
    ) -> Result<(), ImageFault> {
        match resource {
            ConfigResource::BrokerDefault => set(&mut self.broker_default_config, key, value),
            ConfigResource::Broker(id) => set(self.broker_configs.entry(*id).or_default(), key, value),
            ConfigResource::Topic(name) => {
                let topic = Arc::make_mut(&mut self.topics).get_mut(name.as_str());
                let topic = topic.ok_or_else(|| ImageFault::UnknownTopicName(name.clone()))?;
                set(&mut Arc::make_mut(topic).configs, key, value);
            }
            ConfigResource::Group(name) => set_named(&mut self.group_configs, name, key, value),
            ConfigResource::ClientMetrics(name) => set_named(&mut self.client_metrics, name, key, value),
        }
        Ok(())
    }
}

impl PartitionImage {
    fn record(&self, topic: TopicId) -> MetadataRecord {
        MetadataRecord::Partition {
            topic,
            index: self.index,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            leader: self.leader,
            leader_epoch: self.leader_epoch,
        }
    }
}

/// Makes a setting, or takes it away.
fn set(configs: &mut ConfigMap, key: &str, value: Option<&String>) {
    match value {
        Some(value) => drop(configs.insert(key.to_owned(), value.clone())),
        None => drop(configs.remove(key)),
    }
}

/// The same for what is there while it has a setting.
fn set_named(all: &mut NamedConfigs, name: &str, key: &str, value: Option<&String>) {
    let all = Arc::make_mut(all);
    let configs = all.entry(name.into()).or_default();
    set(configs, key, value);
    if configs.is_empty() {
        all.remove(name);
    }
}

fn config_records<'a>(
    resource: &'a ConfigResource,
    configs: &'a ConfigMap,
) -> impl Iterator<Item = MetadataRecord> + 'a {
    configs.iter().map(|(key, value)| MetadataRecord::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: Some(value.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::Samples;
    use super::*;

    fn topic(number: u8) -> TopicId {
        TopicId([number; 16])
    }

    fn partition(topic: TopicId, index: i32) -> MetadataRecord {
        MetadataRecord::Partition {
            topic,
            index: PartitionIndex(index),
            replicas: vec![BrokerId(1)],
            isr: vec![BrokerId(1)],
            leader: BrokerId(1),
            leader_epoch: LeaderEpoch(0),
        }
    }

    fn named(number: u8, name: &str) -> MetadataRecord {
        MetadataRecord::Topic { id: topic(number), name: name.to_owned() }
    }

    #[test]
    fn topics_are_found_by_name_and_id_until_they_are_removed() {
        let mut image = MetadataImage::default();
        let records = [
            named(2, "b"),
            partition(topic(2), 0),
            partition(topic(2), 1),
            named(1, "a"),
            partition(topic(1), 0),
        ];
        image.apply_all(&records).unwrap();
        assert_eq!(image.topics().map(|topic| &*topic.name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((image.topic_count(), image.partition_count()), (2, 3));
        assert_eq!(image.topic_by_id(topic(2)).unwrap().keys().count(), 2);
        assert!(image.partition(PartitionKey::new(topic(2), PartitionIndex(1))).is_some());
        assert!(image.partition(PartitionKey::new(topic(2), PartitionIndex(2))).is_none());
        assert!(image.partition(PartitionKey::new(topic(2), PartitionIndex(-1))).is_none());

        let before = image.clone();
        image.apply(&MetadataRecord::RemoveTopic { id: topic(2) }).unwrap();
        assert!(image.topic("b").is_none() && image.topic_by_id(topic(2)).is_none());
        assert_eq!(image.partition_count(), 1);
        assert!(before.topic("b").is_some(), "a published image never changes");
    }

    #[test]
    fn records_that_do_not_fit_change_nothing() {
        let mut image = MetadataImage::default();
        image.apply_all(&[named(1, "a"), partition(topic(1), 0)]).unwrap();
        let resource = ConfigResource::Topic("x".to_owned());
        let cases = [
            (named(2, "a"), ImageFault::TopicExists("a".to_owned())),
            (named(1, "b"), ImageFault::TopicExists("b".to_owned())),
            (partition(topic(2), 0), ImageFault::UnknownTopic(topic(2))),
            (partition(topic(1), 2), ImageFault::PartitionGap(topic(1), PartitionIndex(2))),
            (partition(topic(1), -1), ImageFault::PartitionGap(topic(1), PartitionIndex(-1))),
            (MetadataRecord::RemoveTopic { id: topic(2) }, ImageFault::UnknownTopic(topic(2))),
            (
                MetadataRecord::Config { resource, key: "k".to_owned(), value: None },
                ImageFault::UnknownTopicName("x".to_owned()),
            ),
        ];
        let before = image.clone();
        for (record, fault) in cases {
            assert_eq!(image.apply(&record), Err(fault));
            assert_eq!(image, before);
        }
    }

    #[test]
    fn a_group_has_settings_until_the_last_is_taken_away() {
        let set = |key: &str, value: Option<&str>| MetadataRecord::Config {
            resource: ConfigResource::Group("g".to_owned()),
            key: key.to_owned(),
            value: value.map(str::to_owned),
        };
        let mut image = MetadataImage::default();
        image.apply_all(&[set("a", Some("1")), set("b", Some("2")), set("a", None)]).unwrap();
        assert_eq!(image.group_config("g"), &ConfigMap::from([("b".to_owned(), "2".to_owned())]));
        assert!(image.group_config("h").is_empty());
        let before = image.clone();
        image.apply(&set("b", None)).unwrap();
        assert_eq!((image.group_configs().count(), before.group_configs().count()), (0, 1));
    }

    /// Any records that fit build an image whose own records build it again.
    #[test]
    fn a_snapshot_rebuilds_the_image() {
        for seed in 0..100 {
            let mut samples = Samples::new(seed);
            let mut image = MetadataImage::default();
            for step in 0..60u64 {
                let number = samples.below(6) as u8;
                let existing = image.topic_by_id(topic(number)).map(|topic| topic.partitions.len());
                let _ = match samples.below(5) {
                    0 => image.apply(&named(number, &format!("t{number}"))),
                    1 => image.apply(&partition(topic(number), existing.unwrap_or(0) as i32)),
                    2 if step % 7 == 0 => image.apply(&MetadataRecord::RemoveTopic { id: topic(number) }),
                    3 => image.apply(&MetadataRecord::Config {
                        resource: ConfigResource::Topic(format!("t{number}")),
                        key: format!("k{step}"),
                        value: (step % 3 > 0).then(|| step.to_string()),
                    }),
                    _ => image.apply(&samples.record()),
                };
            }
            let mut rebuilt = MetadataImage::default();
            rebuilt.apply_all(&image.records()).unwrap();
            // A setting that was made and removed leaves an empty map behind.
            image.broker_configs.retain(|_, configs| !configs.is_empty());
            assert_eq!(rebuilt, image, "seed {seed}");
        }
    }
}
