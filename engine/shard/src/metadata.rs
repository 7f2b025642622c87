//! The metadata log: written by shard 0 alone, one change at a time; every shard gets the image it makes.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::ids::{PartitionKey, ProducerId, ShardIndex, TopicId};
use millrace_core::meta::{
    self, AlterError, Alteration, AlteredQuota, ConfigResource, CreatedTopic, FeatureError, FeatureUpdate,
    MetadataImage, MetadataRecord, MorePartitions, NewTopic, OFFSETS_TOPIC, QuotaAlteration, QuotaError,
    TopicError,
};
use millrace_rt::fs;

use crate::api::{MetadataQuorum, Planted, StorageError, ValidateOnly};
use crate::coordinators::group_settings;
use crate::message::{Answer, Ask};
use crate::metadata_log::{Leads, MetadataLog};
use crate::open_files::FileSlot;
use crate::partition::{Partition, PartitionRef};
use crate::shard::{Core, Shard};

const METADATA_SHARD: ShardIndex = ShardIndex(0);

/// Each change vouches for those before it: one that follows soon saves a write.
const VOUCH_DELAY: Duration = Duration::from_millis(100);

/// What a client is told of a change that finds no space.
const NO_SPACE: &str = "The disk of this broker has too little free space or too few free inodes; delete something and try again.";

impl Shard {
    /// Creates topics; each result in the order of `topics`. Answered once every shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        mode: ValidateOnly,
    ) -> Vec<Result<CreatedTopic, TopicError>> {
        if self.index() == METADATA_SHARD {
            return self.core().create_topics(topics, mode).await;
        }
        match self.ask(METADATA_SHARD, Ask::CreateTopics(topics, mode)).await {
            Answer::Topics(results) => results,
            _ => unreachable!("topics are answered with topics"),
        }
    }

    /// Adds partitions to topics; each result in the order of `more`, which names each topic once. Answered once every
    /// shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn create_partitions(
        &self,
        more: Vec<MorePartitions>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), TopicError>> {
        if self.index() == METADATA_SHARD {
            return self.core().create_partitions(more, mode).await;
        }
        match self.ask(METADATA_SHARD, Ask::CreatePartitions(more, mode)).await {
            Answer::Grown(results) => results,
            _ => unreachable!("more partitions are answered with what became of them"),
        }
    }

    /// Deletes topics; each result in the order of `topics`. Answered once no shard serves them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn delete_topics(&self, topics: Vec<TopicId>) -> Vec<Result<(), TopicError>> {
        if self.index() == METADATA_SHARD {
            return self.core().delete_topics(topics).await;
        }
        match self.ask(METADATA_SHARD, Ask::DeleteTopics(topics)).await {
            Answer::Deleted(results) => results,
            _ => unreachable!("deletions are answered with deletions"),
        }
    }

    /// Changes settings of topics and brokers; each result in the order of `changes`, which name each resource once.
    /// Answered once every shard acts by them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn alter_configs(
        &self,
        changes: Vec<Alteration>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), AlterError>> {
        if self.index() == METADATA_SHARD {
            return self.core().alter_configs(changes, mode).await;
        }
        match self.ask(METADATA_SHARD, Ask::AlterConfigs(changes, mode)).await {
            Answer::Altered(results) => results,
            _ => unreachable!("changes of settings are answered with what became of them"),
        }
    }

    /// Changes client quotas: what became of each entity, once for each. Answered once every shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn alter_client_quotas(
        &self,
        changes: Vec<QuotaAlteration>,
        mode: ValidateOnly,
    ) -> Vec<AlteredQuota> {
        if self.index() == METADATA_SHARD {
            return self.core().alter_client_quotas(changes, mode).await;
        }
        match self.ask(METADATA_SHARD, Ask::AlterClientQuotas(changes, mode)).await {
            Answer::AlteredQuotas(results) => results,
            _ => unreachable!("changes of quotas are answered with what became of them"),
        }
    }

    /// Changes levels of features, all or none. Answered once every shard acts by them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn update_features(
        &self,
        updates: Vec<FeatureUpdate>,
        mode: ValidateOnly,
    ) -> Result<(), FeatureError> {
        if self.index() == METADATA_SHARD {
            return self.core().update_features(updates, mode).await;
        }
        match self.ask(METADATA_SHARD, Ask::UpdateFeatures(updates, mode)).await {
            Answer::Features(result) => result,
            _ => unreachable!("features are answered with what became of them"),
        }
    }

    /// A producer id that no other producer was ever given. Each shard takes them in blocks, as Kafka's brokers do.
    pub async fn allocate_producer_id(&self) -> Result<ProducerId, StorageError> {
        loop {
            if let Some(id) = self.core().producer_ids.borrow_mut().next() {
                return Ok(ProducerId(id));
            }
            let block = if self.index() == METADATA_SHARD {
                self.core().producer_id_block().await?
            } else {
                match self.ask(METADATA_SHARD, Ask::ProducerIds).await {
                    Answer::ProducerIds(block) => block?,
                    _ => unreachable!("producer ids are answered with producer ids"),
                }
            };
            // A block that another task brought meanwhile is used up first; this one is then lost, which is harmless.
            let mut held = self.core().producer_ids.borrow_mut();
            if held.is_empty() {
                *held = block;
            }
        }
    }
}

/// Changes of settings and quotas that are checked between two turns of the other tasks: each takes up to 10 us.
const CHANGES_A_TURN: usize = 256;

/// The same of topics that are created: each takes some 20 us.
const CREATIONS_A_TURN: usize = 64;

/// Whose settings some records change: each topic is resolved once, however many keys change.
#[derive(Default)]
struct ChangedSettings {
    topics: BTreeSet<String>,
    /// Those of brokers hold for every topic and group that does not say otherwise.
    of_brokers: bool,
    of_groups: bool,
}

/// Changes are stored together: what was to come about did not, where that failed.
fn all_or_none<T, E>(
    results: Vec<Result<T, E>>,
    stored: Result<(), StorageError>,
    refusal: impl Fn() -> E,
) -> Vec<Result<T, E>> {
    match stored {
        Ok(()) => results,
        Err(StorageError) => results.into_iter().map(|result| result.and_then(|_| Err(refusal()))).collect(),
    }
}

impl Core {
    fn metadata(&self) -> &MetadataLog {
        // Asks for metadata go to shard 0, which has the log.
        self.metadata.as_ref().unwrap_or_else(|| unreachable!("shard 0 holds the metadata log"))
    }

    pub(crate) async fn create_topics(
        self: &Rc<Core>,
        topics: Vec<NewTopic>,
        mode: ValidateOnly,
    ) -> Vec<Result<CreatedTopic, TopicError>> {
        let _turn = self.metadata().turn().await;
        let image = Arc::clone(&self.image.borrow());
        let mut creations = meta::TopicCreations::of(&image, &topics, &self.config);
        for some in topics.chunks(CREATIONS_A_TURN) {
            some.iter().for_each(|topic| creations.add(topic));
            millrace_rt::yield_now().await;
        }
        let outcome = creations.finish();
        let stored = match mode {
            ValidateOnly::Yes => Ok(()),
            ValidateOnly::No => self.add_partitions(outcome.records).await,
        };
        all_or_none(outcome.results, stored, || TopicError::storage(NO_SPACE))
    }

    pub(crate) async fn create_partitions(
        self: &Rc<Core>,
        more: Vec<MorePartitions>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), TopicError>> {
        let _turn = self.metadata().turn().await;
        let image = Arc::clone(&self.image.borrow());
        let (results, records) = meta::create_partitions(&image, &more, &self.config);
        let stored = match mode {
            ValidateOnly::Yes => Ok(()),
            ValidateOnly::No => self.add_partitions(records).await,
        };
        all_or_none(results, stored, || TopicError::storage(NO_SPACE))
    }

    /// A change that makes partitions, where there is space for them.
    async fn add_partitions(self: &Rc<Core>, records: Vec<MetadataRecord>) -> Result<(), StorageError> {
        match self.has_space_for_partitions(&records).await {
            true => self.change(records, Leads::ToMore).await,
            false => Err(StorageError),
        }
    }

    pub(crate) async fn delete_topics(self: &Rc<Core>, topics: Vec<TopicId>) -> Vec<Result<(), TopicError>> {
        let _turn = self.metadata().turn().await;
        let image = Arc::clone(&self.image.borrow());
        let (results, records) = meta::delete_topics(&image, &topics);
        let stored = self.change(records, Leads::ToLess).await;
        all_or_none(results, stored, || TopicError::storage(NO_SPACE))
    }

    pub(crate) async fn alter_configs(
        self: &Rc<Core>,
        changes: Vec<Alteration>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), AlterError>> {
        let _turn = self.metadata().turn().await;
        let image = Arc::clone(&self.image.borrow());
        let (mut results, mut records) = (Vec::with_capacity(changes.len()), Vec::new());
        // Nobody changes the image within this turn of the log.
        for some in changes.chunks(CHANGES_A_TURN) {
            let (of_some, their_records) = meta::alter_configs(&image, some, &self.config);
            results.extend(of_some);
            records.extend(their_records);
            millrace_rt::yield_now().await;
        }
        let stored = match mode {
            ValidateOnly::Yes => Ok(()),
            ValidateOnly::No => self.change(records, Leads::ToLess).await,
        };
        all_or_none(results, stored, || AlterError::storage(NO_SPACE))
    }

    pub(crate) async fn alter_client_quotas(
        self: &Rc<Core>,
        changes: Vec<QuotaAlteration>,
        mode: ValidateOnly,
    ) -> Vec<AlteredQuota> {
        let _turn = self.metadata().turn().await;
        let image = Arc::clone(&self.image.borrow());
        let mut changing = meta::ClientQuotaChanges::of(image.client_quotas());
        for some in changes.chunks(CHANGES_A_TURN) {
            some.iter().for_each(|change| changing.add(change));
            millrace_rt::yield_now().await;
        }
        let (results, records) = changing.finish();
        let stored = match mode {
            ValidateOnly::Yes => Ok(()),
            ValidateOnly::No => self.change(records, Leads::ToLess).await,
        };
        let refused = |result: Result<(), QuotaError>| match stored {
            Ok(()) => result,
            Err(StorageError) => result.and(Err(QuotaError::storage(NO_SPACE))),
        };
        results.into_iter().map(|(entity, result)| (entity, refused(result))).collect()
    }

    pub(crate) async fn update_features(
        self: &Rc<Core>,
        updates: Vec<FeatureUpdate>,
        mode: ValidateOnly,
    ) -> Result<(), FeatureError> {
        let _turn = self.metadata().turn().await;
        let image = Arc::clone(&self.image.borrow());
        let records = meta::update_features(image.features(), &updates, self.config.node_id())?;
        match mode {
            ValidateOnly::Yes => Ok(()),
            ValidateOnly::No => {
                let stored = self.change(records, Leads::ToLess).await;
                stored.map_err(|StorageError| FeatureError::Storage(NO_SPACE.to_owned()))
            }
        }
    }

    pub(crate) async fn producer_id_block(self: &Rc<Core>) -> Result<std::ops::Range<i64>, StorageError> {
        let _turn = self.metadata().turn().await;
        let image = Arc::clone(&self.image.borrow());
        let (block, record) = meta::next_producer_ids(&image);
        self.change(vec![record], Leads::ToMore).await?;
        Ok(block)
    }

    /// Makes records durable, applies them, and tells every shard; nothing changes where the disk has no space for them.
    /// Only within a turn.
    async fn change(self: &Rc<Core>, records: Vec<MetadataRecord>, leads: Leads) -> Result<(), StorageError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut image = MetadataImage::clone(&self.image.borrow());
        if let Err(fault) = image.apply_all(&records) {
            self.fail(format!("a metadata change does not fit: {fault}")).await;
        }
        let kept = if self.forgets(&records) { Vec::new() } else { records.clone() };
        if let Err(error) = self.metadata().append(kept, leads).await {
            if error.kind() != std::io::ErrorKind::StorageFull {
                self.fail(format!("the metadata log could not be written: {error}")).await;
            }
            tracing::warn!("the disk is full; a change of the metadata is refused");
            return Err(StorageError);
        }
        let (image, records) = (Arc::new(image), Arc::new(records));
        let mut replies = Vec::new();
        for shard in 1..self.shards {
            replies.push(self.mesh.admit(shard, Ask::Image(Arc::clone(&image), Arc::clone(&records))).await);
        }
        self.apply_image(image, &records).await;
        for reply in replies {
            reply.await;
        }
        Ok(())
    }

    /// A planted fault.
    fn forgets(&self, records: &[MetadataRecord]) -> bool {
        let is_deletion = |record: &MetadataRecord| matches!(record, MetadataRecord::RemoveTopic { .. });
        let is_partition = |record: &MetadataRecord| matches!(record, MetadataRecord::Partition { .. });
        match self.engine.planted {
            Some(Planted::ForgetsDeletions) => records.iter().any(is_deletion),
            // Partitions that come with their topic follow its record.
            Some(Planted::ForgetsPartitions) => records.iter().all(is_partition),
            Some(Planted::ForgetsQuotas) => {
                records.iter().all(|record| matches!(record, MetadataRecord::ClientQuota { .. }))
            }
            Some(Planted::ForgetsFeatures) => {
                records.iter().all(|record| matches!(record, MetadataRecord::Features { .. }))
            }
            _ => false,
        }
    }

    pub(crate) fn metadata_quorum(&self) -> MetadataQuorum {
        self.metadata().quorum()
    }

    /// Has the log vouch for its changes, soon after the last of several. Runs until the shard ends.
    pub(crate) async fn vouch_for_changes(self: Rc<Core>) {
        let Some(metadata) = &self.metadata else { return };
        loop {
            while metadata.is_vouched() {
                metadata.changed.wait().await;
            }
            millrace_rt::sleep(VOUCH_DELAY).await;
            self.vouch_for_last_change(metadata).await;
        }
    }

    /// On a full disk it is tried again, unless the next change does so.
    pub(crate) async fn vouch_for_last_change(&self, metadata: &MetadataLog) {
        let _turn = metadata.turn().await;
        match metadata.vouch().await {
            Err(error) if error.kind() != std::io::ErrorKind::StorageFull => {
                self.fail(format!("the metadata log could not be written: {error}")).await;
            }
            _ => {}
        }
    }

    /// Takes over a newer image: makes, changes and removes this shard's partitions as its records say. Returns once
    /// the directories of removed partitions are out of the way of a topic of the same name.
    pub(crate) async fn apply_image(self: &Rc<Core>, image: Arc<MetadataImage>, records: &[MetadataRecord]) {
        let before = std::mem::replace(&mut *self.image.borrow_mut(), Arc::clone(&image));
        self.groups.follow(&image);
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
                    self.forget_topic_in_groups(&before, *id);
                    self.remove_topic(&before, *id).await;
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
            self.groups.follow_settings(group_settings(&self.config, &image));
        }
        // Before the change is answered: the next creation counts these partitions.
        self.publish_need();
    }

    fn take_partition(
        &self,
        image: &MetadataImage,
        key: PartitionKey,
        epoch: millrace_core::base::ids::LeaderEpoch,
    ) {
        if let Some(partition) = self.table.get(key) {
            let mut partition = partition.borrow_mut();
            partition.leader_epoch = epoch;
            partition.watches.fire_all();
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

    async fn remove_topic(self: &Rc<Core>, before: &MetadataImage, id: TopicId) {
        let Some(topic) = before.topic_by_id(id) else { return };
        let removed: Vec<PartitionRef> = topic.keys().filter_map(|key| self.table.remove(key)).collect();
        for partition in &removed {
            let mut partition = partition.borrow_mut();
            partition.removed = true;
            partition.watches.fire_all();
            let freed = partition.segments.iter_mut().map(|segment| segment.tail.release_all()).sum();
            self.tails_shrank(freed);
        }
        let mut is_aside = false;
        for partition in removed {
            // A write under way may just be making the directory or a file; it knows them by the topic's name, which
            // is about to be free for another. No other begins.
            while partition.borrow().segments.iter().any(|segment| segment.writing) {
                self.flusher.wrote.wait().await;
            }
            // Lists of partitions may know this one for long; its files, and their space, are not to wait for that.
            partition.borrow_mut().segments.iter_mut().for_each(|segment| segment.file = FileSlot::default());
            let (key, dir) = (partition.borrow().key, self.files.partition_dir(&partition));
            // Where nobody knows, the renaming finds out.
            let may_exist = async || fs::exists(&dir).await.unwrap_or(true);
            if partition.borrow().segments.iter().any(|segment| segment.exists) || may_exist().await {
                self.put_aside(&dir, key).await;
                is_aside = true;
            }
        }
        // What is found under the name of a partition was written for it, after a power loss too.
        if is_aside && let Err(error) = fs::sync_dir(&self.files.layout().topics()).await {
            self.fail(format!("a sync of the directory of topics failed: {error}")).await;
        }
    }

    /// Renames a removed partition's directory at once and removes it in the background.
    async fn put_aside(self: &Rc<Core>, dir: &std::path::Path, key: PartitionKey) {
        if self.engine.planted == Some(Planted::KeepsDeletedFiles) {
            return;
        }
        let aside = self.files.layout().put_aside(key);
        if let Err(error) = fs::rename(dir, &aside).await {
            tracing::warn!(path = %dir.display(), %error, "a deleted topic's directory could not be put aside");
            return;
        }
        let core = Rc::clone(self);
        millrace_rt::spawn(async move {
            if let Err(error) = core.delete_directory_in_steps(&aside).await {
                tracing::warn!(path = %aside.display(), %error, "a deleted topic's files are still there");
            }
        });
    }
}
