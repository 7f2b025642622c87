//! Long requests of the APIs of groups.

use millrace_wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use millrace_wire::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use millrace_wire::messages::delete_groups_request::DeleteGroupsRequest;
use millrace_wire::messages::describe_groups_request::DescribeGroupsRequest;
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use millrace_wire::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use millrace_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_wire::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use millrace_wire::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use millrace_wire::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};

use crate::shapes::{Encode, TOPIC, encode, partitions, text, texts};
use millrace_wire::Writer;

pub(crate) fn commit(size: usize, number: usize) -> Encode {
    encode!(OffsetCommitRequest {
        group_id: text("c", number, 0),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: partitions(size)
                .map(|partition_index| OffsetCommitRequestPartition {
                    partition_index,
                    ..OffsetCommitRequestPartition::default()
                })
                .collect(),
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    })
}

pub(crate) fn fetch_offsets(size: usize, _: usize) -> Encode {
    let topic = OffsetFetchRequestTopics {
        name: TOPIC.into(),
        partition_indexes: partitions(size).collect(),
        ..OffsetFetchRequestTopics::default()
    };
    encode!(OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: Some(vec![topic.clone()]),
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    })
}

pub(crate) fn fetch_offsets_of_groups(size: usize, number: usize) -> Encode {
    encode!(OffsetFetchRequest {
        groups: texts("o", number, size)
            .into_iter()
            .map(|group_id| OffsetFetchRequestGroup { group_id, ..OffsetFetchRequestGroup::default() })
            .collect(),
        ..OffsetFetchRequest::default()
    })
}

pub(crate) fn delete_offsets(size: usize, _: usize) -> Encode {
    encode!(OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: TOPIC.into(),
            partitions: partitions(size)
                .map(|partition_index| OffsetDeleteRequestPartition { partition_index })
                .collect(),
        }],
    })
}

pub(crate) fn find_coordinators(size: usize, number: usize) -> Encode {
    encode!(FindCoordinatorRequest {
        coordinator_keys: texts("f", number, size),
        ..FindCoordinatorRequest::default()
    })
}

pub(crate) fn join(size: usize, number: usize) -> Encode {
    encode!(JoinGroupRequest {
        group_id: text("j", number, 0),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: texts("p", number, size)
            .into_iter()
            .map(|name| JoinGroupRequestProtocol { name, ..JoinGroupRequestProtocol::default() })
            .collect(),
        ..JoinGroupRequest::default()
    })
}

pub(crate) fn sync(size: usize, number: usize) -> Encode {
    encode!(SyncGroupRequest {
        group_id: "g".into(),
        assignments: texts("m", number, size)
            .into_iter()
            .map(|member_id| SyncGroupRequestAssignment {
                member_id,
                ..SyncGroupRequestAssignment::default()
            })
            .collect(),
        ..SyncGroupRequest::default()
    })
}

pub(crate) fn leave(size: usize, number: usize) -> Encode {
    encode!(LeaveGroupRequest {
        group_id: "g".into(),
        members: texts("m", number, size)
            .into_iter()
            .map(|member_id| MemberIdentity { member_id, ..MemberIdentity::default() })
            .collect(),
        ..LeaveGroupRequest::default()
    })
}

pub(crate) fn describe_groups(size: usize, number: usize) -> Encode {
    encode!(DescribeGroupsRequest { groups: texts("d", number, size), ..DescribeGroupsRequest::default() })
}

pub(crate) fn describe_consumers(size: usize, number: usize) -> Encode {
    encode!(ConsumerGroupDescribeRequest {
        group_ids: texts("d", number, size),
        ..ConsumerGroupDescribeRequest::default()
    })
}

pub(crate) fn delete_groups(size: usize, number: usize) -> Encode {
    encode!(DeleteGroupsRequest { groups_names: texts("d", number, size) })
}

pub(crate) fn beat(size: usize, number: usize) -> Encode {
    encode!(ConsumerGroupHeartbeatRequest {
        group_id: text("h", number, 0),
        member_epoch: 0,
        rebalance_timeout_ms: 10_000,
        subscribed_topic_names: Some(texts("h", number, size)),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    })
}
