//! What shards ask of each other over the mesh. Every ask is answered; records cross as shared slices.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::ids::{Offset, PartitionKey, ShardIndex, TopicId};
use millrace_core::coord::GroupFilter;
use millrace_core::log::producers::ProducerSnapshot;
use millrace_core::meta::{
    AlterError, Alteration, AlteredQuota, CreatedTopic, FeatureError, FeatureUpdate, MetadataImage,
    MetadataRecord, MorePartitions, NewTopic, QuotaAlteration, TopicError,
};

use crate::api::{
    AppendPartition, DeleteRecordsAsk, DeleteRecordsError, EpochAsk, EpochEnd, FetchError, FetchPartition,
    FetchedPartition, FoundOffset, MetadataQuorum, OffsetAsk, Outcome, StorageError, ValidateOnly,
};
use crate::group_ask::{GroupAnswer, GroupAsk, ListedPartitions};
use crate::times::Milestones;

/// A request from one shard to another.
pub(crate) enum Ask {
    Append(Vec<AppendPartition>),
    Read(ReadAsk),
    Watch(WatchAsk),
    /// Who asked for it does not wait any more.
    Unwatch(WatchId),
    Offsets(Vec<OffsetAsk>),
    Epochs(Vec<EpochAsk>),
    DeleteRecords(Vec<DeleteRecordsAsk>),
    LogSizes(Vec<PartitionKey>),
    Producers(Vec<PartitionKey>),
    /// To shard 0, which owns the metadata log.
    CreateTopics(Vec<NewTopic>, ValidateOnly),
    CreatePartitions(Vec<MorePartitions>, ValidateOnly),
    DeleteTopics(Vec<TopicId>),
    AlterConfigs(Vec<Alteration>, ValidateOnly),
    AlterClientQuotas(Vec<QuotaAlteration>, ValidateOnly),
    UpdateFeatures(Vec<FeatureUpdate>, ValidateOnly),
    ProducerIds,
    Quorum,
    /// From shard 0: the image after `records` were applied.
    Image(Arc<MetadataImage>, Arc<Vec<MetadataRecord>>),
    /// To the coordinator of a group; may be answered much later.
    Group(Box<GroupAsk>),
    /// To the coordinators of some partitions of the offsets topic.
    ListGroups(Vec<PartitionKey>, GroupFilter),
    /// A connection that moves here, opaque to the engine.
    Arrival(Box<dyn Any + Send>),
}

/// The answer to the [`Ask`] of the same name.
pub(crate) enum Answer {
    Append(Vec<Outcome>, Milestones),
    /// And how long that took.
    Read(Vec<FetchedPartition>, Duration),
    Ready,
    /// To a watch that is not listed.
    NoPlace,
    Offsets(Vec<Result<FoundOffset, FetchError>>),
    Epochs(Vec<Result<EpochEnd, FetchError>>),
    LogStarts(Vec<Result<Offset, DeleteRecordsError>>),
    LogSizes(Vec<Option<u64>>),
    Producers(Vec<Option<Vec<ProducerSnapshot>>>),
    Topics(Vec<Result<CreatedTopic, TopicError>>),
    Grown(Vec<Result<(), TopicError>>),
    Deleted(Vec<Result<(), TopicError>>),
    Altered(Vec<Result<(), AlterError>>),
    AlteredQuotas(Vec<AlteredQuota>),
    Features(Result<(), FeatureError>),
    Group(GroupAnswer),
    ListedGroups(ListedPartitions),
    /// A block of ids that nobody else has.
    ProducerIds(Result<std::ops::Range<i64>, StorageError>),
    Quorum(MetadataQuorum),
}

/// Read of the partitions that one shard owns.
pub(crate) struct ReadAsk {
    pub(crate) partitions: Vec<FetchPartition>,
    /// Bytes that the answer may hold.
    pub(crate) budget_bytes: usize,
    /// Whether the first batch comes even if it is larger than the budget.
    pub(crate) first: FirstBatch,
    /// With so many bytes the reader need not wait for more.
    pub(crate) enough_bytes: usize,
}

/// KIP-74: somebody has to give one batch, however large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstBatch {
    Always,
    WithinBudget,
}

/// A reader that waits: the shard of its connection, and that shard's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WatchId {
    pub(crate) shard: ShardIndex,
    pub(crate) number: u64,
}

/// Asks to be answered once `bytes` more became visible in the partitions together.
pub(crate) struct WatchAsk {
    pub(crate) id: WatchId,
    /// Each with the high watermark that the asker has seen: an advance in between answers at once.
    pub(crate) partitions: Vec<(PartitionKey, Offset)>,
    pub(crate) bytes: usize,
}
