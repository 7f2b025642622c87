//! DescribeQuorum 0-2: the metadata quorum, which is this broker alone (KIP-595, KIP-836, KIP-853).

use std::borrow::Cow;

use millrace_shard::MetadataQuorum;
use millrace_wire::messages::describe_quorum_request::DescribeQuorumRequest;
use millrace_wire::messages::describe_quorum_response::{
    DescribeQuorumResponse, Listener as NodeListener, Node, PartitionData, ReplicaState, TopicData,
};
use millrace_wire::{ErrorCode, Reader, Uuid};

use crate::api::errors::generic_message;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::broker::addresses::{BoundListener, EndpointType};
use crate::shard_server::ShardServer;

/// Kafka's name of the metadata log.
const METADATA_TOPIC: &str = "__cluster_metadata";
const METADATA_PARTITION: i32 = 0;

/// First version that says where the voters are.
const FIRST_WITH_NODES: i16 = 2;

/// "Nothing to say", which Kafka says with an empty text.
const NO_MESSAGE: Option<Cow<'static, str>> = Some(Cow::Borrowed(""));

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = DescribeQuorumRequest::decode(&mut Reader::new(&context.body), version)?;
    let server = &context.server;
    let asked: Vec<(&str, Vec<i32>)> = request
        .topics
        .iter()
        .map(|topic| {
            let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
            (topic.topic_name.as_ref(), indexes.collect())
        })
        .collect();
    // The log is described only if nothing else is requested.
    let is_log = matches!(asked.as_slice(), [(METADATA_TOPIC, indexes)] if **indexes == [METADATA_PARTITION]);
    let quorum = match is_log {
        true => Some(server.shard.metadata_quorum().await),
        false => None,
    };
    let topics = asked.into_iter().map(|(name, indexes)| TopicData {
        topic_name: name.into(),
        partitions: indexes.into_iter().map(|index| partition(server, quorum, index)).collect(),
    });
    let response = DescribeQuorumResponse {
        error_message: NO_MESSAGE,
        topics: topics.collect(),
        nodes: match is_log && version >= FIRST_WITH_NODES {
            true => vec![node(server)],
            false => Vec::new(),
        },
        ..DescribeQuorumResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}

fn partition(server: &ShardServer, quorum: Option<MetadataQuorum>, index: i32) -> PartitionData<'static> {
    let Some(MetadataQuorum { leader_epoch, end_offset }) = quorum else {
        let code = ErrorCode::UnknownTopicOrPartition;
        return PartitionData {
            partition_index: index,
            error_code: code.code(),
            error_message: Some(generic_message(code).into()),
            ..PartitionData::default()
        };
    };
    let now = millrace_rt::wall_now_ms();
    let id = server.broker.config().node_id().0;
    PartitionData {
        partition_index: index,
        error_message: NO_MESSAGE,
        leader_id: id,
        leader_epoch: leader_epoch.0,
        high_watermark: end_offset.0,
        current_voters: vec![ReplicaState {
            replica_id: id,
            // As in Kafka where the voters are configured (`controller.quorum.voters`).
            replica_directory_id: Uuid::ZERO,
            log_end_offset: end_offset.0,
            // A leader has all it wrote.
            last_fetch_timestamp: now,
            last_caught_up_timestamp: now,
        }],
        ..PartitionData::default()
    }
}

/// Where the controller is reached.
fn node(server: &ShardServer) -> Node<'_> {
    let listener = |(number, listener): (usize, &BoundListener)| {
        let (host, port) = server.broker.advertised(number);
        NodeListener { name: listener.name.clone().into(), host: host.into(), port }
    };
    let of_controllers =
        |(_, listener): &(usize, &BoundListener)| listener.endpoint_type == EndpointType::Controller;
    Node {
        node_id: server.broker.config().node_id().0,
        listeners: server
            .broker
            .addresses()
            .iter()
            .enumerate()
            .filter(of_controllers)
            .map(listener)
            .collect(),
    }
}
