//! The metadata log: written by shard 0 alone, one change at a time; every shard gets the image it makes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::{ProducerId, ShardIndex, TopicId};
use millrace_core::meta::{
    self, AlterError, Alteration, AlteredQuota, CreatedTopic, FeatureError, FeatureUpdate, MetadataImage,
    MetadataRecord, MorePartitions, NewTopic, QuotaAlteration, QuotaError, TopicError,
};

use crate::api::{MetadataQuorum, Planted, StorageError, ValidateOnly};
use crate::device::fatal::Fatal;
use crate::device::planted::PlantedFault;
use crate::files::space_watch::SpaceWatch;
use crate::image::CurrentImage;
use crate::mesh::calls::{
    AlterClientQuotas, AlterConfigs, ApplyImage, CreatePartitions, CreateTopics, DeleteTopics,
    MetadataQuorumState, ProducerIds, UpdateFeatures,
};
use crate::mesh::shard_mesh::ShardMesh;
use crate::metadata::follower::ImageFollower;
use crate::metadata::log::{Leads, MetadataLog};

const METADATA_SHARD: ShardIndex = ShardIndex(0);

/// Each change vouches for those before it: one that follows soon saves a write.
const VOUCH_DELAY: Duration = Duration::from_millis(100);

/// What a client is told of a change that finds no space.
const NO_SPACE: &str = "The disk of this broker has too little free space or too few free inodes; delete something and try again.";

/// Changes of settings and quotas that are checked between two turns of the other tasks:
/// each takes up to 10 us.
const CHANGES_A_TURN: usize = 256;

/// The same of topics that are created: each takes some 20 us.
const CREATIONS_A_TURN: usize = 64;

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

/// The metadata as connections of one shard change them. On shard 0 with the log; others call it.
pub(crate) struct MetadataChanges {
    pub(crate) mesh: Rc<ShardMesh>,
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) image: Rc<CurrentImage>,
    /// On shard 0 only.
    pub(crate) log: Option<MetadataLog>,
    pub(crate) follower: ImageFollower,
    pub(crate) space_watch: Rc<SpaceWatch>,
    /// What is left of this shard's block.
    pub(crate) producer_ids: RefCell<std::ops::Range<i64>>,
    pub(crate) planted: PlantedFault,
    pub(crate) fatal: Fatal,
}

impl MetadataChanges {
    /// Creates topics; each result in the order of `topics`. Answered once every shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub(crate) async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        mode: ValidateOnly,
    ) -> Vec<Result<CreatedTopic, TopicError>> {
        if self.log.is_some() {
            return self.own_create_topics(topics, mode).await;
        }
        self.mesh.call::<CreateTopics>(METADATA_SHARD, (topics, mode)).await
    }

    /// Adds partitions to topics; each result in the order of `more`, which names each topic once.
    /// Answered once every shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub(crate) async fn create_partitions(
        &self,
        more: Vec<MorePartitions>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), TopicError>> {
        if self.log.is_some() {
            return self.own_create_partitions(more, mode).await;
        }
        self.mesh.call::<CreatePartitions>(METADATA_SHARD, (more, mode)).await
    }

    /// Deletes topics; each result in the order of `topics`. Answered once no shard serves them.
    ///
    /// Dropping the future does not undo what is under way.
    pub(crate) async fn delete_topics(&self, topics: Vec<TopicId>) -> Vec<Result<(), TopicError>> {
        if self.log.is_some() {
            return self.own_delete_topics(topics).await;
        }
        self.mesh.call::<DeleteTopics>(METADATA_SHARD, topics).await
    }

    /// Changes settings of topics and brokers; each result in the order of `changes`, which name each
    /// resource once. Answered once every shard acts by them.
    ///
    /// Dropping the future does not undo what is under way.
    pub(crate) async fn alter_configs(
        &self,
        changes: Vec<Alteration>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), AlterError>> {
        if self.log.is_some() {
            return self.own_alter_configs(changes, mode).await;
        }
        self.mesh.call::<AlterConfigs>(METADATA_SHARD, (changes, mode)).await
    }

    /// Changes client quotas: what became of each entity, once for each.
    /// Answered once every shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub(crate) async fn alter_client_quotas(
        &self,
        changes: Vec<QuotaAlteration>,
        mode: ValidateOnly,
    ) -> Vec<AlteredQuota> {
        if self.log.is_some() {
            return self.own_alter_client_quotas(changes, mode).await;
        }
        self.mesh.call::<AlterClientQuotas>(METADATA_SHARD, (changes, mode)).await
    }

    /// Changes levels of features, all or none. Answered once every shard acts by them.
    ///
    /// Dropping the future does not undo what is under way.
    pub(crate) async fn update_features(
        &self,
        updates: Vec<FeatureUpdate>,
        mode: ValidateOnly,
    ) -> Result<(), FeatureError> {
        if self.log.is_some() {
            return self.own_update_features(updates, mode).await;
        }
        self.mesh.call::<UpdateFeatures>(METADATA_SHARD, (updates, mode)).await
    }

    /// A producer id that no other producer was ever given. Each shard takes them in blocks,
    /// as Kafka's brokers do.
    pub(crate) async fn allocate_producer_id(&self) -> Result<ProducerId, StorageError> {
        loop {
            if let Some(id) = self.producer_ids.borrow_mut().next() {
                return Ok(ProducerId(id));
            }
            let block = if self.log.is_some() {
                self.producer_id_block().await?
            } else {
                self.mesh.call::<ProducerIds>(METADATA_SHARD, ()).await?
            };
            // A block that another task brought meanwhile is used up first; this one is then lost,
            // which is harmless.
            let mut held = self.producer_ids.borrow_mut();
            if held.is_empty() {
                *held = block;
            }
        }
    }

    /// The metadata log, which this node leads alone. Dropping the future leaves nothing behind.
    pub(crate) async fn quorum(&self) -> MetadataQuorum {
        match &self.log {
            Some(log) => log.quorum(),
            None => self.mesh.call::<MetadataQuorumState>(METADATA_SHARD, ()).await,
        }
    }
}

impl MetadataChanges {
    fn log(&self) -> &MetadataLog {
        // Asks for metadata go to shard 0, which has the log.
        self.log.as_ref().unwrap_or_else(|| unreachable!("shard 0 holds the metadata log"))
    }

    pub(crate) async fn own_create_topics(
        &self,
        topics: Vec<NewTopic>,
        mode: ValidateOnly,
    ) -> Vec<Result<CreatedTopic, TopicError>> {
        let _turn = self.log().turn().await;
        let image = self.image.get();
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

    pub(crate) async fn own_create_partitions(
        &self,
        more: Vec<MorePartitions>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), TopicError>> {
        let _turn = self.log().turn().await;
        let image = self.image.get();
        let (results, records) = meta::create_partitions(&image, &more, &self.config);
        let stored = match mode {
            ValidateOnly::Yes => Ok(()),
            ValidateOnly::No => self.add_partitions(records).await,
        };
        all_or_none(results, stored, || TopicError::storage(NO_SPACE))
    }

    /// A change that makes partitions, where there is space for them.
    async fn add_partitions(&self, records: Vec<MetadataRecord>) -> Result<(), StorageError> {
        match self.space_watch.has_room_for_partitions(&records).await {
            true => self.change(records, Leads::ToMore).await,
            false => Err(StorageError),
        }
    }

    pub(crate) async fn own_delete_topics(&self, topics: Vec<TopicId>) -> Vec<Result<(), TopicError>> {
        let _turn = self.log().turn().await;
        let image = self.image.get();
        let (results, records) = meta::delete_topics(&image, &topics);
        let stored = self.change(records, Leads::ToLess).await;
        all_or_none(results, stored, || TopicError::storage(NO_SPACE))
    }

    pub(crate) async fn own_alter_configs(
        &self,
        changes: Vec<Alteration>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), AlterError>> {
        let _turn = self.log().turn().await;
        let image = self.image.get();
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

    pub(crate) async fn own_alter_client_quotas(
        &self,
        changes: Vec<QuotaAlteration>,
        mode: ValidateOnly,
    ) -> Vec<AlteredQuota> {
        let _turn = self.log().turn().await;
        let image = self.image.get();
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

    pub(crate) async fn own_update_features(
        &self,
        updates: Vec<FeatureUpdate>,
        mode: ValidateOnly,
    ) -> Result<(), FeatureError> {
        let _turn = self.log().turn().await;
        let image = self.image.get();
        let records = meta::update_features(image.features(), &updates, self.config.node_id())?;
        match mode {
            ValidateOnly::Yes => Ok(()),
            ValidateOnly::No => {
                let stored = self.change(records, Leads::ToLess).await;
                stored.map_err(|StorageError| FeatureError::Storage(NO_SPACE.to_owned()))
            }
        }
    }

    pub(crate) async fn producer_id_block(&self) -> Result<std::ops::Range<i64>, StorageError> {
        let _turn = self.log().turn().await;
        let image = self.image.get();
        let (block, record) = meta::next_producer_ids(&image);
        self.change(vec![record], Leads::ToMore).await?;
        Ok(block)
    }

    /// Makes records durable, applies them, and tells every shard; nothing changes where the disk has no
    /// space for them. Only within a turn.
    async fn change(&self, records: Vec<MetadataRecord>, leads: Leads) -> Result<(), StorageError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut image = MetadataImage::clone(&self.image.get());
        if let Err(fault) = image.apply_all(&records) {
            self.fatal.end(format!("a metadata change does not fit: {fault}")).await;
        }
        let kept = if self.forgets(&records) { Vec::new() } else { records.clone() };
        if let Err(error) = self.log().append(kept, leads).await {
            if error.kind() != std::io::ErrorKind::StorageFull {
                self.fatal.end(format!("the metadata log could not be written: {error}")).await;
            }
            tracing::warn!("the disk is full; a change of the metadata is refused");
            return Err(StorageError);
        }
        let (image, records) = (Arc::new(image), Arc::new(records));
        let mut replies = Vec::new();
        for shard in 1..self.mesh.shards {
            replies.push(
                self.mesh
                    .admit::<ApplyImage>(ShardIndex(shard), (Arc::clone(&image), Arc::clone(&records)))
                    .await,
            );
        }
        self.follower.apply(image, &records).await;
        for reply in replies {
            reply.await;
        }
        Ok(())
    }

    /// A planted fault.
    fn forgets(&self, records: &[MetadataRecord]) -> bool {
        let is_deletion = |record: &MetadataRecord| matches!(record, MetadataRecord::RemoveTopic { .. });
        let is_partition = |record: &MetadataRecord| matches!(record, MetadataRecord::Partition { .. });
        match self.planted.get() {
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

    /// Has the log vouch for its changes, soon after the last of several. Runs until the shard ends.
    pub(crate) async fn vouch_for_changes(self: Rc<Self>) {
        let Some(metadata) = &self.log else { return };
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
                self.fatal.end(format!("the metadata log could not be written: {error}")).await;
            }
            _ => {}
        }
    }
}
