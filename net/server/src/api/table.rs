//! The table of served APIs: what is dispatched is what ApiVersions advertises.

use std::ops::RangeInclusive;

use millrace_wire::ApiKey;
use millrace_wire::messages::api_versions_response::ApiVersion;

use crate::api::cluster::{
    api_versions, describe_cluster, describe_quorum, unregister_broker, update_features,
};
use crate::api::configs::{
    alter_configs, describe_configs, incremental_alter_configs, list_config_resources,
};
use crate::api::groups::{
    consumer_group_describe, consumer_group_heartbeat, delete_groups, describe_groups, find_coordinator,
    heartbeat, join_group, leave_group, list_groups, sync_group,
};
use crate::api::offsets::{offset_commit, offset_delete, offset_fetch};
use crate::api::quotas::{alter_client_quotas, describe_client_quotas};
use crate::api::records::{
    delete_records, describe_producers, fetch, init_producer_id, list_offsets, offset_for_leader_epoch,
    produce,
};
use crate::api::replicas::{
    alter_partition_reassignments, alter_replica_log_dirs, describe_log_dirs, elect_leaders,
    list_partition_reassignments,
};
use crate::api::request::context::{Handling, Outcome, RequestContext, RequestFault};
use crate::api::telemetry::{get_telemetry_subscriptions, push_telemetry};
use crate::api::topics::{
    create_partitions, create_topics, delete_topics, describe_topic_partitions, metadata,
};
use crate::broker::addresses::EndpointType;

/// When a request of a connection may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// As soon as the request before it has been admitted. Its response waits in the queue.
    Pipelined,
    /// When the responses of all earlier requests have been sent.
    Alone,
}

/// One served API.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) versions: RangeInclusive<i16>,
    /// The lowest version that ApiVersions names.
    pub(crate) advertised_from: i16,
    pub(crate) turn: Turn,
    /// Whether controllers serve it, too.
    of_controllers: bool,
    pub(crate) handle: fn(RequestContext) -> Handling,
}

impl Api {
    fn is_served_by(&self, endpoint_type: EndpointType) -> bool {
        endpoint_type == EndpointType::Broker || self.of_controllers
    }

    /// Returns the entry of ApiVersions.
    fn advertised(&self) -> ApiVersion {
        ApiVersion {
            api_key: self.key.code(),
            min_version: self.advertised_from,
            max_version: *self.versions.end(),
        }
    }
}

/// One served API, as the documentation lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedApi {
    /// Kafka's number of the API.
    pub key: i16,
    pub name: &'static str,
    pub versions: RangeInclusive<i16>,
    /// The lowest version that ApiVersions names, below those that are served where clients want that.
    pub advertised_from: i16,
    /// Whether a listener of controllers serves it, too.
    pub of_controllers: bool,
    /// The versions of Kafka 4.3.1, without unstable ones.
    pub of_kafka: RangeInclusive<i16>,
}

/// Every served API by key.
pub fn served_apis() -> Vec<ServedApi> {
    let served = |api: &Api| ServedApi {
        key: api.key.code(),
        name: api.key.name(),
        versions: api.versions.clone(),
        advertised_from: api.advertised_from,
        of_controllers: api.of_controllers,
        of_kafka: api.key.min_version()..=api.key.max_stable_version(),
    };
    APIS.iter().map(served).collect()
}

/// A handler as a table entry.
macro_rules! api {
    ($key:ident $versions:expr, $turn:ident, $handle:path) => {
        Api {
            key: ApiKey::$key,
            versions: $versions,
            advertised_from: *$versions.start(),
            turn: Turn::$turn,
            of_controllers: false,
            handle: |context| Box::pin($handle(context)),
        }
    };
    ($key:ident $versions:expr, $turn:ident, $handle:path, advertised_from $from:expr) => {
        Api { advertised_from: $from, ..api!($key $versions, $turn, $handle) }
    };
    ($key:ident $versions:expr, $turn:ident, $handle:path, of_controllers) => {
        Api { of_controllers: true, ..api!($key $versions, $turn, $handle) }
    };
}

/// Every served API by key.
///
/// Produce is advertised from 0, though 0-2 are refused: librdkafka turns compression off where 0 is missing.
/// InitProducerId 6 is unstable in Kafka 4.3 and so not served.
const APIS: &[Api] = &[
    api!(Produce 3..=13, Pipelined, produce::handle, advertised_from 0),
    api!(Fetch 4..=18, Alone, fetch::handle),
    api!(ListOffsets 1..=11, Alone, list_offsets::handle),
    api!(Metadata 0..=13, Alone, metadata::handle),
    api!(OffsetCommit 2..=10, Alone, offset_commit::handle),
    api!(OffsetFetch 1..=10, Alone, offset_fetch::handle),
    api!(FindCoordinator 0..=6, Alone, find_coordinator::handle),
    api!(JoinGroup 0..=9, Alone, join_group::handle),
    api!(Heartbeat 0..=4, Alone, heartbeat::handle),
    api!(LeaveGroup 0..=5, Alone, leave_group::handle),
    api!(SyncGroup 0..=5, Alone, sync_group::handle),
    api!(DescribeGroups 0..=6, Alone, describe_groups::handle),
    api!(ListGroups 0..=5, Alone, list_groups::handle),
    api!(ApiVersions 0..=4, Alone, list_versions, of_controllers),
    api!(CreateTopics 2..=7, Alone, create_topics::handle, of_controllers),
    api!(DeleteTopics 1..=6, Alone, delete_topics::handle, of_controllers),
    api!(DeleteRecords 0..=2, Alone, delete_records::handle),
    api!(InitProducerId 0..=5, Alone, init_producer_id::handle),
    api!(OffsetForLeaderEpoch 2..=4, Alone, offset_for_leader_epoch::handle),
    api!(DescribeConfigs 1..=4, Alone, describe_configs::handle, of_controllers),
    api!(AlterConfigs 0..=2, Alone, alter_configs::handle, of_controllers),
    api!(AlterReplicaLogDirs 1..=2, Alone, alter_replica_log_dirs::handle),
    api!(DescribeLogDirs 1..=5, Alone, describe_log_dirs::handle),
    api!(CreatePartitions 0..=3, Alone, create_partitions::handle, of_controllers),
    api!(DeleteGroups 0..=2, Alone, delete_groups::handle),
    api!(ElectLeaders 0..=2, Alone, elect_leaders::handle, of_controllers),
    api!(IncrementalAlterConfigs 0..=1, Alone, incremental_alter_configs::handle, of_controllers),
    api!(AlterPartitionReassignments 0..=1, Alone, alter_partition_reassignments::handle, of_controllers),
    api!(ListPartitionReassignments 0..=0, Alone, list_partition_reassignments::handle, of_controllers),
    api!(OffsetDelete 0..=0, Alone, offset_delete::handle),
    api!(DescribeClientQuotas 0..=1, Alone, describe_client_quotas::handle),
    api!(AlterClientQuotas 0..=1, Alone, alter_client_quotas::handle, of_controllers),
    api!(DescribeQuorum 0..=2, Alone, describe_quorum::handle, of_controllers),
    api!(UpdateFeatures 0..=2, Alone, update_features::handle, of_controllers),
    api!(DescribeCluster 0..=2, Alone, describe_cluster::handle, of_controllers),
    api!(DescribeProducers 0..=0, Alone, describe_producers::handle),
    api!(UnregisterBroker 0..=0, Alone, unregister_broker::handle, of_controllers),
    api!(ConsumerGroupHeartbeat 0..=1, Alone, consumer_group_heartbeat::handle),
    api!(ConsumerGroupDescribe 0..=1, Alone, consumer_group_describe::handle),
    api!(GetTelemetrySubscriptions 0..=0, Alone, get_telemetry_subscriptions::handle),
    api!(PushTelemetry 0..=0, Alone, push_telemetry::handle),
    api!(ListConfigResources 0..=1, Alone, list_config_resources::handle),
    api!(DescribeTopicPartitions 0..=0, Alone, describe_topic_partitions::handle),
];

/// Every served version is defined by Kafka and stable.
const _: () = {
    let mut apis = APIS;
    while let [api, rest @ ..] = apis {
        assert!(api.key.min_version() <= *api.versions.start());
        assert!(*api.versions.end() <= api.key.max_stable_version());
        apis = rest;
    }
};

/// Every other version of ApiVersions. It gets a response, too,
/// so that the client can choose a version that is served.
static OTHER_API_VERSIONS: Api =
    api!(ApiVersions i16::MIN..=i16::MAX, Alone, refuse_versions, of_controllers);

/// Returns what serves a request by its key and version, or `None` if the connection is to be closed.
pub(crate) fn dispatch(endpoint_type: EndpointType, key: ApiKey, version: i16) -> Option<&'static Api> {
    let api = APIS.iter().find(|api| api.key == key && api.is_served_by(endpoint_type))?;
    match api.versions.contains(&version) {
        true => Some(api),
        false => (key == ApiKey::ApiVersions).then_some(&OTHER_API_VERSIONS),
    }
}

async fn list_versions(context: RequestContext) -> Result<Outcome, RequestFault> {
    let served = APIS.iter().filter(|api| api.is_served_by(context.connection.endpoint_type));
    api_versions::respond(&context, served.map(Api::advertised).collect())
}

async fn refuse_versions(context: RequestContext) -> Result<Outcome, RequestFault> {
    let own = APIS.iter().filter(|api| api.key == ApiKey::ApiVersions);
    api_versions::refuse(&context, own.map(Api::advertised).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// protocol.md's table, for the APIs that are served.
    const SERVED: &str = "
        0 Produce 3-13 from 0
        1 Fetch 4-18 from 4
        2 ListOffsets 1-11 from 1
        3 Metadata 0-13 from 0
        8 OffsetCommit 2-10 from 2
        9 OffsetFetch 1-10 from 1
        10 FindCoordinator 0-6 from 0
        11 JoinGroup 0-9 from 0
        12 Heartbeat 0-4 from 0
        13 LeaveGroup 0-5 from 0
        14 SyncGroup 0-5 from 0
        15 DescribeGroups 0-6 from 0
        16 ListGroups 0-5 from 0
        18 ApiVersions 0-4 from 0
        19 CreateTopics 2-7 from 2
        20 DeleteTopics 1-6 from 1
        21 DeleteRecords 0-2 from 0
        22 InitProducerId 0-5 from 0
        23 OffsetForLeaderEpoch 2-4 from 2
        32 DescribeConfigs 1-4 from 1
        33 AlterConfigs 0-2 from 0
        34 AlterReplicaLogDirs 1-2 from 1
        35 DescribeLogDirs 1-5 from 1
        37 CreatePartitions 0-3 from 0
        42 DeleteGroups 0-2 from 0
        43 ElectLeaders 0-2 from 0
        44 IncrementalAlterConfigs 0-1 from 0
        45 AlterPartitionReassignments 0-1 from 0
        46 ListPartitionReassignments 0-0 from 0
        47 OffsetDelete 0-0 from 0
        48 DescribeClientQuotas 0-1 from 0
        49 AlterClientQuotas 0-1 from 0
        55 DescribeQuorum 0-2 from 0
        57 UpdateFeatures 0-2 from 0
        60 DescribeCluster 0-2 from 0
        61 DescribeProducers 0-0 from 0
        64 UnregisterBroker 0-0 from 0
        68 ConsumerGroupHeartbeat 0-1 from 0
        69 ConsumerGroupDescribe 0-1 from 0
        71 GetTelemetrySubscriptions 0-0 from 0
        72 PushTelemetry 0-0 from 0
        74 ListConfigResources 0-1 from 0
        75 DescribeTopicPartitions 0-0 from 0";

    #[test]
    fn the_table_serves_what_the_protocol_says() {
        let lines = APIS.iter().map(|api| {
            let (first, last) = (api.versions.start(), api.versions.end());
            format!("{} {:?} {first}-{last} from {}", api.key.code(), api.key, api.advertised_from)
        });
        let expected: Vec<&str> = SERVED.trim().lines().map(str::trim).collect();
        assert_eq!(lines.collect::<Vec<_>>(), expected);
        assert!(APIS.is_sorted_by_key(|api| api.key.code()));
    }

    #[test]
    fn what_is_not_served_is_refused() {
        let verdict = |endpoint_type, key, version| match dispatch(endpoint_type, key, version) {
            None => "refuse",
            Some(api) if std::ptr::eq(api, &OTHER_API_VERSIONS) => "answer",
            Some(_) => "serve",
        };
        for (endpoint_type, key, version, expected) in [
            (EndpointType::Broker, ApiKey::Produce, 2, "refuse"),
            (EndpointType::Broker, ApiKey::Produce, 3, "serve"),
            (EndpointType::Broker, ApiKey::Produce, 14, "refuse"),
            (EndpointType::Broker, ApiKey::ApiVersions, 4, "serve"),
            (EndpointType::Broker, ApiKey::ApiVersions, 5, "answer"),
            (EndpointType::Broker, ApiKey::ApiVersions, -1, "answer"),
            (EndpointType::Broker, ApiKey::InitProducerId, 6, "refuse"),
            (EndpointType::Broker, ApiKey::Vote, 0, "refuse"),
            (EndpointType::Controller, ApiKey::Produce, 3, "refuse"),
            (EndpointType::Controller, ApiKey::Fetch, 18, "refuse"),
            (EndpointType::Controller, ApiKey::Metadata, 0, "refuse"),
            (EndpointType::Controller, ApiKey::Vote, 0, "refuse"),
            (EndpointType::Controller, ApiKey::ApiVersions, 5, "answer"),
            (EndpointType::Controller, ApiKey::CreateTopics, 7, "serve"),
            (EndpointType::Controller, ApiKey::CreateTopics, 8, "refuse"),
        ] {
            let found = verdict(endpoint_type, key, version);
            assert_eq!(found, expected, "{key:?} version {version} of a {endpoint_type:?}");
        }
    }
}
