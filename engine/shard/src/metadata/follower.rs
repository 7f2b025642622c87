//! What becomes of a shard's partitions and groups as the metadata change.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::{LeaderEpoch, PartitionKey, ShardIndex};
use millrace_core::meta::{ConfigResource, MetadataImage, MetadataRecord, OFFSETS_TOPIC};

use crate::files::space_watch::SpaceWatch;
use crate::groups::coordinators::group_settings;
use crate::groups::host::GroupHost;
use crate::image::CurrentImage;
use crate::metadata::first_files::FirstFiles;
use crate::metadata::removal::TopicRemoval;
use crate::partition::state::Partition;
use crate::partition::table::Table;

/// Whose settings some records change: each topic is resolved once, however many keys change.
#[derive(Default)]
struct ChangedSettings {
    topics: BTreeSet<String>,
    /// Those of brokers hold for every topic and group that does not say otherwise.
    of_brokers: bool,
    of_groups: bool,
}

/// Lets one shard follow the metadata log.
pub(crate) struct ImageFollower {
    pub(crate) index: ShardIndex,
    pub(crate) shards: u16,
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) image: Rc<CurrentImage>,
    pub(crate) table: Rc<Table>,
    pub(crate) groups: Rc<GroupHost>,
    pub(crate) first_files: Rc<FirstFiles>,
    pub(crate) removal: TopicRemoval,
    pub(crate) space_watch: Rc<SpaceWatch>,
}

impl ImageFollower {
    /// Takes over a newer image: makes, changes and removes this shard's partitions as its records say.
    /// Returns once the directories of removed partitions are out of the way of a topic of the same name.
    pub(crate) async fn apply(&self, image: Arc<MetadataImage>, records: &[MetadataRecord]) {
        let before = self.image.replace(Arc::clone(&image));
        self.groups.groups.follow(&image);
        let mut changed = ChangedSettings::default();
        for record in records {
            match record {
                MetadataRecord::Partition { topic, index, leader_epoch, .. } => {
                    let key = PartitionKey::new(*topic, *index);
                    if key.owner(self.shards) == self.index {
                        self.take_partition(&image, key, *leader_epoch);
                    }
                }
                MetadataRecord::RemoveTopic { id } => {
                    changed.of_groups |=
                        before.topic_by_id(*id).is_some_and(|topic| &*topic.name == OFFSETS_TOPIC);
                    self.groups.forget_topic(&before, *id);
                    self.removal.remove_topic(&before, *id).await;
                }
                MetadataRecord::Config { resource: ConfigResource::Topic(name), .. } => {
                    // What a batch of it holds, groups go by.
                    changed.of_groups |= name == OFFSETS_TOPIC;
                    changed.topics.insert(name.clone());
                }
                MetadataRecord::Config { resource: ConfigResource::Group(_), .. } => changed.of_groups = true,
                // Asked for when a client asks.
                MetadataRecord::Config { resource: ConfigResource::ClientMetrics(_), .. } => {}
                MetadataRecord::Config { .. } => changed.of_brokers = true,
                MetadataRecord::Cluster { .. }
                | MetadataRecord::Broker { .. }
                | MetadataRecord::Topic { .. }
                | MetadataRecord::ProducerIds { .. }
                | MetadataRecord::ClientQuota { .. }
                | MetadataRecord::Features { .. } => {}
            }
        }
        match changed.of_brokers {
            true => image.topics().for_each(|topic| self.refresh_topic(&image, &topic.name)),
            false => changed.topics.iter().for_each(|name| self.refresh_topic(&image, name)),
        }
        if changed.of_brokers || changed.of_groups {
            self.groups.groups.follow_settings(group_settings(&self.config, &image));
        }
        // Before the change is answered: the next creation counts these partitions.
        self.space_watch.publish_need();
    }

    fn take_partition(&self, image: &MetadataImage, key: PartitionKey, epoch: LeaderEpoch) {
        if let Some(partition) = self.table.get(key) {
            let mut partition = partition.borrow_mut();
            partition.history.leader_epoch = epoch;
            partition.delayed_fetches.fire_all();
            return;
        }
        // A record of a partition follows its topic's in every log.
        let Some(topic) = image.topic_by_id(key.topic) else { return };
        let config = Arc::new(image.topic_config(&self.config, topic));
        self.table.insert(Partition::empty(key, Arc::clone(&topic.name), config, epoch));
        self.first_files.push(key);
    }

    fn refresh_topic(&self, image: &MetadataImage, name: &str) {
        let Some(topic) = image.topic(name) else { return };
        let config = Arc::new(image.topic_config(&self.config, topic));
        for key in topic.keys() {
            if let Some(partition) = self.table.get(key) {
                partition.borrow_mut().config = Arc::clone(&config);
            }
        }
    }
}
