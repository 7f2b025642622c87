//! Serves requests of other shards, and of this one to itself.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::ids::{Offset, PartitionKey, TopicId};
use millrace_core::coord::GroupFilter;
use millrace_core::log::producers::ProducerSnapshot;
use millrace_core::meta::{
    AlterError, Alteration, AlteredQuota, CreatedTopic, FeatureError, FeatureUpdate, MetadataImage,
    MetadataRecord, MorePartitions, NewTopic, QuotaAlteration, TopicError,
};
use millrace_rt::Incoming;

use crate::api::{
    AppendPartition, DeleteRecordsAsk, DeleteRecordsError, EpochAsk, EpochEnd, FetchError, FoundOffset,
    MetadataQuorum, OffsetAsk, StorageError, ValidateOnly,
};
use crate::append::admission::Admission;
use crate::checkpoint::log_start::LogStarts;
use crate::commit::outcomes::AppendOutcomes;
use crate::fetch::offsets::LogQueries;
use crate::fetch::reading::PartitionReader;
use crate::groups::host::GroupHost;
use crate::mesh::arrivals::Arrivals;
use crate::mesh::calls::{Append, DelayFetch, Group, Handlers, Lane, ShardRequest};
use crate::mesh::group_calls::{GroupCall, ListedPartitions};
use crate::mesh::requests::{DelayedFetchId, DelayedFetchRequest, ReadRequest, ReadResponse};
use crate::mesh::responder::Responder;
use crate::mesh::shard_mesh::ShardMesh;
use crate::mesh::waiting::{WaitingLanes, WaitingRequests};
use crate::metadata::changes::MetadataChanges;
use crate::partition::delayed_fetch::Waiter;
use crate::partition::purgatory::Purgatory;

/// Reads from the disk are served by as many tasks at once. Each waits for what is its own;
/// more would queue at the device.
pub(crate) const READERS: usize = 64;
/// Other requests that may wait, by as many.
pub(crate) const SERVERS: usize = 16;

/// What the requests of other shards are served by, on one shard.
pub(crate) struct RequestHandlers {
    pub(crate) mesh: Rc<ShardMesh>,
    pub(crate) waiting: Rc<WaitingLanes>,
    pub(crate) arrivals: Rc<Arrivals>,
    pub(crate) admission: Rc<Admission>,
    pub(crate) purgatory: Rc<Purgatory>,
    pub(crate) reader: Rc<PartitionReader>,
    pub(crate) queries: Rc<LogQueries>,
    pub(crate) starts: Rc<LogStarts>,
    pub(crate) groups: Rc<GroupHost>,
    pub(crate) metadata: Rc<MetadataChanges>,
}

impl RequestHandlers {
    /// Takes requests from the lanes in order: appends are queued and what memory holds is read at once, what
    /// may wait goes to other tasks. Runs until the shard ends.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            let Incoming { request, respond, .. } = self.mesh.next().await;
            let lane = match &request {
                ShardRequest::Read(read) if self.reader.is_at_hand(read) => Lane::AtOnce,
                request => request.lane(),
            };
            match lane {
                Lane::AtOnce => request.dispatch(&*self, respond).await,
                Lane::Reads => self.waiting.reads.push(request, respond),
                Lane::Waiting => self.waiting.others.push(request, respond),
            }
        }
    }

    /// Serves requests that may wait. Several run at once; runs until the shard ends.
    pub(crate) async fn serve(self: Rc<Self>, lane: fn(&WaitingLanes) -> &WaitingRequests) {
        loop {
            let (request, respond) = lane(&self.waiting).next().await;
            request.dispatch(&*self, respond).await;
        }
    }
}

impl Handlers for RequestHandlers {
    async fn append(&self, appends: Vec<AppendPartition>, responder: Responder<Append>) {
        let outcomes = AppendOutcomes::remote(appends.len(), responder);
        self.admission.admit_of_clients(appends, &outcomes).await;
    }

    async fn delay_fetch(&self, request: DelayedFetchRequest, responder: Responder<DelayFetch>) {
        self.purgatory.delay(request, Waiter::Shard(responder));
    }

    async fn group(&self, call: Box<GroupCall>, responder: Responder<Group>) {
        self.groups.serve(*call, responder);
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        let begun = millrace_rt::now();
        let partitions = self.reader.read(request).await;
        ReadResponse { partitions, took: millrace_rt::now() - begun }
    }

    async fn cancel_fetch(&self, id: DelayedFetchId) {
        self.purgatory.cancel(id);
    }

    async fn arrive(&self, parcel: Box<dyn Any + Send>) {
        self.arrivals.push(parcel);
    }

    async fn list_offsets(&self, asks: Vec<OffsetAsk>) -> Vec<Result<FoundOffset, FetchError>> {
        self.queries.offsets(asks).await
    }

    async fn end_offsets(&self, asks: Vec<EpochAsk>) -> Vec<Result<EpochEnd, FetchError>> {
        self.queries.epochs(&asks)
    }

    async fn delete_records(&self, asks: Vec<DeleteRecordsAsk>) -> Vec<Result<Offset, DeleteRecordsError>> {
        self.starts.delete_own_records(asks).await
    }

    async fn log_sizes(&self, keys: Vec<PartitionKey>) -> Vec<Option<u64>> {
        self.queries.own_log_sizes(&keys).await
    }

    async fn producers(&self, keys: Vec<PartitionKey>) -> Vec<Option<Vec<ProducerSnapshot>>> {
        self.queries.own_producers(&keys).await
    }

    async fn list_groups(&self, (keys, filter): (Vec<PartitionKey>, GroupFilter)) -> ListedPartitions {
        self.groups.list(keys, &filter).await
    }

    async fn create_topics(
        &self,
        (topics, mode): (Vec<NewTopic>, ValidateOnly),
    ) -> Vec<Result<CreatedTopic, TopicError>> {
        self.metadata.own_create_topics(topics, mode).await
    }

    async fn create_partitions(
        &self,
        (more, mode): (Vec<MorePartitions>, ValidateOnly),
    ) -> Vec<Result<(), TopicError>> {
        self.metadata.own_create_partitions(more, mode).await
    }

    async fn delete_topics(&self, topics: Vec<TopicId>) -> Vec<Result<(), TopicError>> {
        self.metadata.own_delete_topics(topics).await
    }

    async fn alter_configs(
        &self,
        (changes, mode): (Vec<Alteration>, ValidateOnly),
    ) -> Vec<Result<(), AlterError>> {
        self.metadata.own_alter_configs(changes, mode).await
    }

    async fn alter_client_quotas(
        &self,
        (changes, mode): (Vec<QuotaAlteration>, ValidateOnly),
    ) -> Vec<AlteredQuota> {
        self.metadata.own_alter_client_quotas(changes, mode).await
    }

    async fn update_features(
        &self,
        (updates, mode): (Vec<FeatureUpdate>, ValidateOnly),
    ) -> Result<(), FeatureError> {
        self.metadata.own_update_features(updates, mode).await
    }

    async fn producer_ids(&self, (): ()) -> Result<std::ops::Range<i64>, StorageError> {
        self.metadata.producer_id_block().await
    }

    async fn metadata_quorum(&self, (): ()) -> MetadataQuorum {
        self.metadata.quorum().await
    }

    async fn apply_image(&self, (image, records): (Arc<MetadataImage>, Arc<Vec<MetadataRecord>>)) {
        self.metadata.follower.apply(image, &records).await;
    }
}
