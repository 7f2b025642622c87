//! Every call from one shard to another: its request, its response and the handler that serves it.

use std::any::Any;
use std::sync::Arc;

use millrace_core::base::ids::{Offset, PartitionKey, TopicId};
use millrace_core::coord::GroupFilter;
use millrace_core::log::producers::ProducerSnapshot;
use millrace_core::meta::{
    AlterError, Alteration, AlteredQuota, CreatedTopic, FeatureError, FeatureUpdate, MetadataImage,
    MetadataRecord, MorePartitions, NewTopic, QuotaAlteration, TopicError,
};
use millrace_rt::Respond;

use crate::api::{
    AppendPartition, DeleteRecordsAsk, DeleteRecordsError, EpochAsk, EpochEnd, FetchError, FoundOffset,
    MetadataQuorum, OffsetAsk, StorageError, ValidateOnly,
};
use crate::mesh::group_calls::{GroupCall, GroupOutcome, ListedPartitions};
use crate::mesh::requests::{
    AppendResponse, DelayedFetchId, DelayedFetchRequest, ReadRequest, ReadResponse, Woken,
};
use crate::mesh::responder::Responder;
use crate::mesh::table::calls;

/// Who serves a request, once it has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The task that takes requests from the mesh: nothing that waits for the disk.
    AtOnce,
    /// Tasks for reads, unless the read is at hand.
    Reads,
    /// Tasks for what else may wait.
    Waiting,
}

/// Makes the table's enums and types, [`Handlers`] and the dispatch. A handler of the first section responds
/// when it can, one of the second returns its response.
macro_rules! table {
    (
        respond_later {
            $($(#[$about:meta])* $Name:ident($request:ty) -> $response:ty: $handler:ident;)*
        }
        respond {
            $($(#[$about2:meta])* $Name2:ident($request2:ty) -> $response2:ty: $handler2:ident in $lane:ident;)*
        }
    ) => {
        calls! {
            /// A request from one shard to another.
            requests ShardRequest;
            /// The response to the [`ShardRequest`] of the same name.
            responses ShardResponse;
            $($(#[$about])* $Name($request) -> $response;)*
            $($(#[$about2])* $Name2($request2) -> $response2;)*
        }

        /// What serves each request.
        pub(crate) trait Handlers {
            $(async fn $handler(&self, request: $request, responder: Responder<$Name>);)*
            $(async fn $handler2(&self, request: $request2) -> $response2;)*
        }

        impl ShardRequest {
            pub(crate) fn lane(&self) -> Lane {
                match self {
                    $(ShardRequest::$Name(_) => Lane::AtOnce,)*
                    $(ShardRequest::$Name2(_) => Lane::$lane,)*
                }
            }

            /// Has the request served by its handler.
            pub(crate) async fn dispatch(self, handlers: &impl Handlers, respond: Respond<ShardResponse>) {
                match self {
                    $(ShardRequest::$Name(request) => {
                        handlers.$handler(request, Responder::new(respond)).await;
                    })*
                    $(ShardRequest::$Name2(request) => {
                        respond.send(ShardResponse::$Name2(handlers.$handler2(request).await));
                    })*
                }
            }
        }
    };
}

table! {
    respond_later {
        Append(Vec<AppendPartition>) -> AppendResponse: append;
        /// Responded to once the bytes are there, or a partition changed.
        DelayFetch(DelayedFetchRequest) -> Woken: delay_fetch;
        /// The response may be much later: members wait for their group.
        Group(Box<GroupCall>) -> GroupOutcome: group;
    }
    respond {
        Read(ReadRequest) -> ReadResponse: read in Reads;
        /// Nobody waits for the delayed fetch any more.
        CancelFetch(DelayedFetchId) -> (): cancel_fetch in AtOnce;
        /// A connection that moves here, opaque to the engine.
        Arrive(Box<dyn Any + Send>) -> (): arrive in AtOnce;
        ListOffsets(Vec<OffsetAsk>) -> Vec<Result<FoundOffset, FetchError>>: list_offsets in Waiting;
        EndOffsets(Vec<EpochAsk>) -> Vec<Result<EpochEnd, FetchError>>: end_offsets in Waiting;
        DeleteRecords(Vec<DeleteRecordsAsk>) -> Vec<Result<Offset, DeleteRecordsError>>: delete_records in Waiting;
        LogSizes(Vec<PartitionKey>) -> Vec<Option<u64>>: log_sizes in Waiting;
        Producers(Vec<PartitionKey>) -> Vec<Option<Vec<ProducerSnapshot>>>: producers in Waiting;
        /// To the coordinators of some partitions of the offsets topic.
        ListGroups((Vec<PartitionKey>, GroupFilter)) -> ListedPartitions: list_groups in Waiting;
        /// This and the following go to shard 0, which owns the metadata log.
        CreateTopics((Vec<NewTopic>, ValidateOnly)) -> Vec<Result<CreatedTopic, TopicError>>: create_topics in Waiting;
        CreatePartitions((Vec<MorePartitions>, ValidateOnly)) -> Vec<Result<(), TopicError>>: create_partitions in Waiting;
        DeleteTopics(Vec<TopicId>) -> Vec<Result<(), TopicError>>: delete_topics in Waiting;
        AlterConfigs((Vec<Alteration>, ValidateOnly)) -> Vec<Result<(), AlterError>>: alter_configs in Waiting;
        AlterClientQuotas((Vec<QuotaAlteration>, ValidateOnly)) -> Vec<AlteredQuota>: alter_client_quotas in Waiting;
        UpdateFeatures((Vec<FeatureUpdate>, ValidateOnly)) -> Result<(), FeatureError>: update_features in Waiting;
        /// A block of ids that nobody else has.
        ProducerIds(()) -> Result<std::ops::Range<i64>, StorageError>: producer_ids in Waiting;
        MetadataQuorumState(()) -> MetadataQuorum: metadata_quorum in Waiting;
        /// From shard 0: the image after the records were applied.
        ApplyImage((Arc<MetadataImage>, Arc<Vec<MetadataRecord>>)) -> (): apply_image in Waiting;
    }
}
