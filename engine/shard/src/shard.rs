//! The handle through which callers reach any shard's partitions, from the shard that they run on.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::{Offset, PartitionKey, ProducerId, ShardIndex, TopicId};
use millrace_core::coord::{
    Beat, BeatRefused, CommitRequest, ConsumerBeat, DeleteOffsetsRequest, Described, DescribedConsumerGroup,
    DescribedGroup, GroupError, GroupFilter, GroupId, HeartbeatRequest, JoinRefused, JoinRequest, Joined,
    LeaveRequest, LeftMember, ListedGroup, RefusedOffset, SyncRequest, Synced,
};
use millrace_core::log::producers::ProducerSnapshot;
use millrace_core::meta::{
    AlterError, Alteration, AlteredQuota, ClientQuotas, CreatedTopic, FeatureError, FeatureUpdate,
    MetadataImage, MorePartitions, NewTopic, QuotaAlteration, TopicError,
};

use crate::api::{
    AppendPartition, DeleteRecordsAsk, DeleteRecordsError, EpochAsk, EpochEnd, FetchError, FetchOffsets,
    FetchQuery, FetchTimes, FetchedPartition, FoundOffset, MetadataQuorum, OffsetAsk, SelectedOffsets,
    StorageError, ValidateOnly,
};
use crate::append::admission::Admission;
use crate::checkpoint::log_start::LogStarts;
use crate::commit::outcomes::AppendTicket;
use crate::device::egress::{EgressBudget, EgressCharge};
use crate::fetch::fetcher::Fetcher;
use crate::fetch::offsets::LogQueries;
use crate::groups::calls::GroupCalls;
use crate::image::CurrentImage;
use crate::mesh::arrivals::Arrivals;
use crate::mesh::calls::Arrive;
use crate::mesh::shard_mesh::ShardMesh;
use crate::metadata::changes::MetadataChanges;
use crate::recovery::close::Closing;
use crate::serve::stats::{ShardStats, StatsSource};

/// What one shard does for callers on its core.
pub(crate) struct Services {
    pub(crate) mesh: Rc<ShardMesh>,
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) image: Rc<CurrentImage>,
    pub(crate) arrivals: Rc<Arrivals>,
    pub(crate) admission: Rc<Admission>,
    pub(crate) fetcher: Fetcher,
    pub(crate) queries: Rc<LogQueries>,
    pub(crate) starts: Rc<LogStarts>,
    pub(crate) metadata: Rc<MetadataChanges>,
    pub(crate) groups: GroupCalls,
    pub(crate) stats: StatsSource,
    pub(crate) closing: Closing,
}

/// Handle of one shard, through which every partition of the node is reached. Cheap to clone;
/// stays on its core.
#[derive(Clone)]
pub struct Shard {
    services: Rc<Services>,
}

impl Shard {
    pub(crate) fn new(services: Services) -> Shard {
        Shard { services: Rc::new(services) }
    }

    pub fn index(&self) -> ShardIndex {
        self.services.mesh.index
    }

    pub fn shards(&self) -> u16 {
        self.services.mesh.shards
    }

    pub fn config(&self) -> &Arc<BrokerConfig> {
        &self.services.config
    }

    /// The newest metadata that this shard has seen.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.services.image.get()
    }

    /// Looks at the client quotas that this shard has seen last, without taking a share of them;
    /// nothing where there are none.
    pub fn with_client_quotas<T>(&self, look: impl FnOnce(&Arc<ClientQuotas>) -> T) -> Option<T> {
        self.services.image.with(|image| {
            let quotas = image.client_quotas();
            (!quotas.is_empty()).then(|| look(quotas))
        })
    }

    /// What this shard counts. Other tasks run in between; dropping the future leaves nothing behind.
    pub async fn stats(&self) -> ShardStats {
        self.services.stats.gather().await
    }

    /// Stops this shard's part of the engine; every shard closes, each on its own core. The caller admits no
    /// appends any more. Returns once all shards are done and the data directory says so.
    pub async fn close(&self) {
        self.services.closing.close().await;
    }
}

/// Connections that move between shards, and what they send.
impl Shard {
    /// The most that one send may take of a turn: the kernel copies it before the turn goes on.
    pub fn send_bytes_max(&self) -> usize {
        self.egress().send_bytes_max()
    }

    /// The memory that responses of this shard's connections may hold.
    pub fn egress(&self) -> &Rc<EgressBudget> {
        &self.services.fetcher.egress
    }

    /// Gives a parcel (a connection) to another shard, or to this one; waits while the lane is full.
    ///
    /// Dropping the future drops the parcel unless it is under way.
    pub async fn hand_over(&self, to: ShardIndex, parcel: Box<dyn Any + Send>) {
        match to == self.index() {
            true => self.services.arrivals.push(parcel),
            false => self.services.mesh.call::<Arrive>(to, parcel).await,
        }
    }

    /// The next parcel that was handed to this shard. Dropping the future takes none.
    pub async fn next_arrival(&self) -> Box<dyn Any + Send> {
        self.services.arrivals.next().await
    }
}

/// Records.
impl Shard {
    /// Admits a request's appends, in the order of the calls: each goes to its owner's queue before this
    /// returns. Waits while a lane to an owner is full.
    ///
    /// Dropping the future may leave some of the appends admitted and others not.
    pub async fn admit_append(&self, appends: Vec<AppendPartition>) -> AppendTicket {
        self.services.admission.admit_append(appends).await
    }

    /// Reads each partition of the query, in its order: at once where `min_bytes` are there or a partition
    /// has an error, else when they are or `max_wait` is over.
    ///
    /// Dropping the future leaves nothing behind: nobody waits for its partitions any more.
    pub async fn fetch(&self, query: FetchQuery) -> Vec<FetchedPartition> {
        self.fetch_timed(&query, &mut FetchTimes::default()).await.0
    }

    /// The same; adds to `times` where the time went. The records count against the budget of this shard's
    /// responses until the charge is dropped.
    pub async fn fetch_timed(
        &self,
        query: &FetchQuery,
        times: &mut FetchTimes,
    ) -> (Vec<FetchedPartition>, EgressCharge) {
        self.services.fetcher.fetch(query, times).await
    }

    /// The result of each request, in order. Times are found by index and then by a walk of at most one index
    /// interval. Dropping the future leaves nothing behind.
    pub async fn list_offsets(&self, asks: Vec<OffsetAsk>) -> Vec<Result<FoundOffset, FetchError>> {
        self.services.queries.list_offsets(asks).await
    }

    /// The result of each request, in order. Dropping the future leaves nothing behind.
    pub async fn offset_for_leader_epoch(&self, asks: Vec<EpochAsk>) -> Vec<Result<EpochEnd, FetchError>> {
        self.services.queries.end_offsets(asks).await
    }

    /// Lets logs begin at later offsets; each result, the log's start, in the order of the asks. Answered
    /// when no crash can bring a deleted record back.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn delete_records(
        &self,
        asks: Vec<DeleteRecordsAsk>,
    ) -> Vec<Result<Offset, DeleteRecordsError>> {
        self.services.starts.delete_records(asks).await
    }

    /// Bytes of each log, written or not, in the order of `keys`; nothing of a partition that this node does
    /// not host. Dropping the future leaves nothing behind.
    pub async fn log_sizes(&self, keys: &[PartitionKey]) -> Vec<Option<u64>> {
        self.services.queries.log_sizes(keys).await
    }

    /// The producers that each log remembers, by their ids, in the order of `keys`; nothing of a partition
    /// that this node does not host. Dropping the future leaves nothing behind.
    pub async fn producers(&self, keys: &[PartitionKey]) -> Vec<Option<Vec<ProducerSnapshot>>> {
        self.services.queries.producers(keys).await
    }
}

/// Metadata.
impl Shard {
    /// Creates topics; each result in the order of `topics`. Answered once every shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        mode: ValidateOnly,
    ) -> Vec<Result<CreatedTopic, TopicError>> {
        self.services.metadata.create_topics(topics, mode).await
    }

    /// Adds partitions to topics; each result in the order of `more`, which names each topic once.
    /// Answered once every shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn create_partitions(
        &self,
        more: Vec<MorePartitions>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), TopicError>> {
        self.services.metadata.create_partitions(more, mode).await
    }

    /// Deletes topics; each result in the order of `topics`. Answered once no shard serves them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn delete_topics(&self, topics: Vec<TopicId>) -> Vec<Result<(), TopicError>> {
        self.services.metadata.delete_topics(topics).await
    }

    /// Changes settings of topics and brokers; each result in the order of `changes`, which name each
    /// resource once. Answered once every shard acts by them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn alter_configs(
        &self,
        changes: Vec<Alteration>,
        mode: ValidateOnly,
    ) -> Vec<Result<(), AlterError>> {
        self.services.metadata.alter_configs(changes, mode).await
    }

    /// Changes client quotas: what became of each entity, once for each.
    /// Answered once every shard knows them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn alter_client_quotas(
        &self,
        changes: Vec<QuotaAlteration>,
        mode: ValidateOnly,
    ) -> Vec<AlteredQuota> {
        self.services.metadata.alter_client_quotas(changes, mode).await
    }

    /// Changes levels of features, all or none. Answered once every shard acts by them.
    ///
    /// Dropping the future does not undo what is under way.
    pub async fn update_features(
        &self,
        updates: Vec<FeatureUpdate>,
        mode: ValidateOnly,
    ) -> Result<(), FeatureError> {
        self.services.metadata.update_features(updates, mode).await
    }

    /// A producer id that no other producer was ever given. Each shard takes them in blocks,
    /// as Kafka's brokers do.
    pub async fn allocate_producer_id(&self) -> Result<ProducerId, StorageError> {
        self.services.metadata.allocate_producer_id().await
    }

    /// The metadata log, which this node leads alone. Dropping the future leaves nothing behind.
    pub async fn metadata_quorum(&self) -> MetadataQuorum {
        self.services.metadata.quorum().await
    }
}

/// Groups.
impl Shard {
    /// The partition whose leader coordinates the group; nothing while the offsets topic does not exist.
    pub fn coordinator_of_group(&self, group: &str) -> Option<PartitionKey> {
        self.services.groups.coordinator_of(group)
    }

    /// Waits until the member's next generation has begun.
    /// Dropping the future leaves the member in its group.
    pub async fn join_group(&self, request: JoinRequest) -> Result<Joined, JoinRefused> {
        self.services.groups.join_group(request).await
    }

    /// Waits for the leader's assignment. Dropping the future changes nothing.
    pub async fn sync_group(&self, request: SyncRequest) -> Result<Synced, GroupError> {
        self.services.groups.sync_group(request).await
    }

    pub async fn heartbeat(&self, beat: HeartbeatRequest<'_>) -> Result<(), GroupError> {
        self.services.groups.heartbeat(beat).await
    }

    pub async fn leave_group(&self, request: LeaveRequest) -> Result<Vec<LeftMember>, GroupError> {
        self.services.groups.leave_group(request).await
    }

    /// Returns which offsets were refused; the others are in the log.
    /// Dropping the future commits them all the same.
    pub async fn commit_offsets(&self, request: CommitRequest) -> Result<Vec<RefusedOffset>, GroupError> {
        self.services.groups.commit_offsets(request).await
    }

    pub async fn fetch_offsets(&self, request: FetchOffsets) -> Result<SelectedOffsets, GroupError> {
        self.services.groups.fetch_offsets(request).await
    }

    /// Returns which partitions were refused; the others have no offset any more.
    pub async fn delete_offsets(
        &self,
        request: DeleteOffsetsRequest,
    ) -> Result<Vec<RefusedOffset>, GroupError> {
        self.services.groups.delete_offsets(request).await
    }

    /// One result for each group, not in their order.
    pub async fn delete_groups(&self, groups: Vec<GroupId>) -> Vec<(GroupId, Result<(), GroupError>)> {
        self.services.groups.delete_groups(groups).await
    }

    /// Answered when the log holds what it changed. Dropping the future leaves that changed.
    pub async fn consumer_heartbeat(&self, beat: ConsumerBeat) -> Result<Beat, BeatRefused> {
        self.services.groups.consumer_heartbeat(beat).await
    }

    /// Each group of the consumer protocol with what it is, not in their order.
    pub async fn describe_consumer_groups(
        &self,
        groups: Vec<GroupId>,
    ) -> Vec<(GroupId, Result<Described<DescribedConsumerGroup>, GroupError>)> {
        self.services.groups.describe_consumer_groups(groups).await
    }

    /// Each classic group with what it is, not in their order.
    pub async fn describe_groups(
        &self,
        groups: Vec<GroupId>,
    ) -> Vec<(GroupId, Result<Described<DescribedGroup>, GroupError>)> {
        self.services.groups.describe_groups(groups).await
    }

    /// The groups that this node coordinates, and the first error of those that could not say.
    pub async fn list_groups(&self, filter: &GroupFilter) -> (Vec<ListedGroup>, Option<GroupError>) {
        self.services.groups.list_groups(filter).await
    }

    /// Requests that wait for a group are sent elsewhere, and no more are taken; ahead of a stop.
    pub fn leave_groups(&self) {
        self.services.groups.host.leave();
    }
}
