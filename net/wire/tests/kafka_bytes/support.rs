//! The golden lines, and one entry point to every generated message by its name.

use bytes::Bytes;
use millrace_wire::messages::*;
use millrace_wire::{DecodeError, EncodeError, Reader, Writer};
use std::fs;
use std::path::Path;

/// One line of a golden file.
pub(crate) struct Golden {
    pub(crate) message: String,
    pub(crate) version: i16,
    pub(crate) filling: String,
    pub(crate) frame: Bytes,
    /// The values as JSON.
    pub(crate) values: String,
}

#[expect(clippy::disallowed_methods, reason = "the test reads its own files")]
pub(crate) fn golden() -> Vec<Golden> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    texts.iter().flat_map(|text| text.lines()).map(line).collect()
}

fn line(text: &str) -> Golden {
    let mut words = text.splitn(5, ' ');
    let mut next = || words.next().unwrap().to_owned();
    let (message, version, filling, hex) = (next(), next().parse().unwrap(), next(), next());
    let values = next();
    let digits = if hex == "-" { "" } else { hex.as_str() };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let frame = digits.as_bytes().chunks(2).map(byte).collect();
    Golden { message, version, filling, frame, values }
}

/// What came of a frame.
pub(crate) struct Trip {
    /// Bytes behind the message.
    pub(crate) trailing: usize,
    /// What the reader took for the elements of arrays.
    pub(crate) memory: usize,
    pub(crate) text: String,
    pub(crate) encoded: Result<Vec<u8>, EncodeError>,
}

macro_rules! round_trips {
    ($($name:ident in $module:ident,)*) => {
        /// Decodes and encodes again.
        pub(crate) fn round_trip(message: &str, frame: &Bytes, version: i16) -> Result<Trip, DecodeError> {
            let mut reader = Reader::new(frame);
            match message {
                $(stringify!($name) => {
                    let value = $module::$name::decode(&mut reader, version)?;
                    let mut writer = Writer::new();
                    let encoded = value.encode(&mut writer, version).map(|()| writer.finish().concat());
                    let (trailing, memory) = (reader.remaining(), reader.memory());
                    Ok(Trip { trailing, memory, text: format!("{value:?}"), encoded })
                })*
                other => panic!("{other} is not in the list of this test"),
            }
        }
    };
}

round_trips! {
    AlterClientQuotasRequest in alter_client_quotas_request,
    AlterClientQuotasResponse in alter_client_quotas_response,
    AlterConfigsRequest in alter_configs_request,
    AlterConfigsResponse in alter_configs_response,
    AlterPartitionReassignmentsRequest in alter_partition_reassignments_request,
    AlterPartitionReassignmentsResponse in alter_partition_reassignments_response,
    AlterReplicaLogDirsRequest in alter_replica_log_dirs_request,
    AlterReplicaLogDirsResponse in alter_replica_log_dirs_response,
    ApiVersionsRequest in api_versions_request,
    ApiVersionsResponse in api_versions_response,
    ConsumerGroupDescribeRequest in consumer_group_describe_request,
    ConsumerGroupDescribeResponse in consumer_group_describe_response,
    ConsumerGroupHeartbeatRequest in consumer_group_heartbeat_request,
    ConsumerGroupHeartbeatResponse in consumer_group_heartbeat_response,
    CreatePartitionsRequest in create_partitions_request,
    CreatePartitionsResponse in create_partitions_response,
    CreateTopicsRequest in create_topics_request,
    CreateTopicsResponse in create_topics_response,
    DeleteGroupsRequest in delete_groups_request,
    DeleteGroupsResponse in delete_groups_response,
    DeleteRecordsRequest in delete_records_request,
    DeleteRecordsResponse in delete_records_response,
    DeleteTopicsRequest in delete_topics_request,
    DeleteTopicsResponse in delete_topics_response,
    DescribeClientQuotasRequest in describe_client_quotas_request,
    DescribeClientQuotasResponse in describe_client_quotas_response,
    DescribeClusterRequest in describe_cluster_request,
    DescribeClusterResponse in describe_cluster_response,
    DescribeConfigsRequest in describe_configs_request,
    DescribeConfigsResponse in describe_configs_response,
    DescribeGroupsRequest in describe_groups_request,
    DescribeGroupsResponse in describe_groups_response,
    DescribeLogDirsRequest in describe_log_dirs_request,
    DescribeLogDirsResponse in describe_log_dirs_response,
    DescribeProducersRequest in describe_producers_request,
    DescribeProducersResponse in describe_producers_response,
    DescribeQuorumRequest in describe_quorum_request,
    DescribeQuorumResponse in describe_quorum_response,
    DescribeTopicPartitionsRequest in describe_topic_partitions_request,
    DescribeTopicPartitionsResponse in describe_topic_partitions_response,
    ElectLeadersRequest in elect_leaders_request,
    ElectLeadersResponse in elect_leaders_response,
    FetchRequest in fetch_request,
    FetchResponse in fetch_response,
    FindCoordinatorRequest in find_coordinator_request,
    FindCoordinatorResponse in find_coordinator_response,
    GetTelemetrySubscriptionsRequest in get_telemetry_subscriptions_request,
    GetTelemetrySubscriptionsResponse in get_telemetry_subscriptions_response,
    HeartbeatRequest in heartbeat_request,
    HeartbeatResponse in heartbeat_response,
    IncrementalAlterConfigsRequest in incremental_alter_configs_request,
    IncrementalAlterConfigsResponse in incremental_alter_configs_response,
    InitProducerIdRequest in init_producer_id_request,
    InitProducerIdResponse in init_producer_id_response,
    JoinGroupRequest in join_group_request,
    JoinGroupResponse in join_group_response,
    LeaveGroupRequest in leave_group_request,
    LeaveGroupResponse in leave_group_response,
    ListConfigResourcesRequest in list_config_resources_request,
    ListConfigResourcesResponse in list_config_resources_response,
    ListGroupsRequest in list_groups_request,
    ListGroupsResponse in list_groups_response,
    ListOffsetsRequest in list_offsets_request,
    ListOffsetsResponse in list_offsets_response,
    ListPartitionReassignmentsRequest in list_partition_reassignments_request,
    ListPartitionReassignmentsResponse in list_partition_reassignments_response,
    MetadataRequest in metadata_request,
    MetadataResponse in metadata_response,
    OffsetCommitRequest in offset_commit_request,
    OffsetCommitResponse in offset_commit_response,
    OffsetDeleteRequest in offset_delete_request,
    OffsetDeleteResponse in offset_delete_response,
    OffsetFetchRequest in offset_fetch_request,
    OffsetFetchResponse in offset_fetch_response,
    OffsetForLeaderEpochRequest in offset_for_leader_epoch_request,
    OffsetForLeaderEpochResponse in offset_for_leader_epoch_response,
    ProduceRequest in produce_request,
    ProduceResponse in produce_response,
    PushTelemetryRequest in push_telemetry_request,
    PushTelemetryResponse in push_telemetry_response,
    SyncGroupRequest in sync_group_request,
    SyncGroupResponse in sync_group_response,
    UnregisterBrokerRequest in unregister_broker_request,
    UnregisterBrokerResponse in unregister_broker_response,
    UpdateFeaturesRequest in update_features_request,
    UpdateFeaturesResponse in update_features_response,
    RequestHeader in request_header,
    ResponseHeader in response_header,
}
