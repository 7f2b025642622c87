//! Logical records of consumer groups to Kafka's bytes and back.

use std::sync::Arc;

use crate::base::{PartitionIndex, PartitionKey, TimestampMs};
use crate::coord::ids::{Epoch, GroupId, InstanceId, MemberId};
use crate::coord::kip848::{
    ClassicMetadata, ConsumerMemberMetadata, ConsumerRecord, CurrentAssignment, GroupEpoch, MemberState,
    Partitions, ResolvedPattern, TargetEpoch,
};
use crate::coord::record::CoordinatorRecord;
use crate::coord::records::consumer_group_current_member_assignment_value::TopicPartitions as HeldPartitions;
use crate::coord::records::consumer_group_member_metadata_value::{ClassicMemberMetadata, ClassicProtocol};
use crate::coord::records::consumer_group_target_assignment_member_value::TopicPartition as TargetPartitions;
use crate::coord::records::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue, GroupRecord,
};
use crate::coord::request::Protocol;

/// A record of a consumer group as Kafka writes it.
pub(in crate::coord) fn to_kafka(group: &GroupId, record: &ConsumerRecord) -> GroupRecord {
    let group_id = group.to_string();
    match record {
        ConsumerRecord::Epoch(value) => {
            let value = value.map(|GroupEpoch { epoch, metadata_hash }| ConsumerGroupMetadataValue {
                epoch: epoch.0,
                metadata_hash,
            });
            GroupRecord::ConsumerGroupMetadata(ConsumerGroupMetadataKey { group_id }, value)
        }
        ConsumerRecord::Member(id, value) => GroupRecord::ConsumerGroupMemberMetadata(
            ConsumerGroupMemberMetadataKey { group_id, member_id: id.to_string() },
            value.as_ref().map(member_value),
        ),
        ConsumerRecord::Pattern(pattern, value) => GroupRecord::ConsumerGroupRegularExpression(
            ConsumerGroupRegularExpressionKey { group_id, regular_expression: pattern.to_string() },
            value.as_ref().map(|value| ConsumerGroupRegularExpressionValue {
                topics: value.topics.iter().map(ToString::to_string).collect(),
                version: i64::try_from(value.version).unwrap_or(i64::MAX),
                timestamp: value.timestamp.0,
            }),
        ),
        ConsumerRecord::TargetEpoch(value) => GroupRecord::ConsumerGroupTargetAssignmentMetadata(
            ConsumerGroupTargetAssignmentMetadataKey { group_id },
            value.map(|TargetEpoch { epoch, timestamp }| ConsumerGroupTargetAssignmentMetadataValue {
                assignment_epoch: epoch.0,
                assignment_timestamp: timestamp.0,
            }),
        ),
        ConsumerRecord::Target(id, value) => GroupRecord::ConsumerGroupTargetAssignmentMember(
            ConsumerGroupTargetAssignmentMemberKey { group_id, member_id: id.to_string() },
            value.as_ref().map(target_value),
        ),
        ConsumerRecord::Current(id, value) => GroupRecord::ConsumerGroupCurrentMemberAssignment(
            ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id: id.to_string() },
            value.as_ref().map(current_value),
        ),
    }
}

/// What a record of Kafka's says; `None` where it is of no consumer group.
pub(in crate::coord) fn from_kafka(record: GroupRecord) -> Option<CoordinatorRecord> {
    let (group, record) = match record {
        GroupRecord::ConsumerGroupMetadata(key, value) => {
            let epoch = value
                .map(|value| GroupEpoch { epoch: Epoch(value.epoch), metadata_hash: value.metadata_hash });
            (key.group_id, ConsumerRecord::Epoch(epoch))
        }
        GroupRecord::ConsumerGroupMemberMetadata(key, value) => {
            (key.group_id, ConsumerRecord::Member(MemberId::new(&key.member_id), value.map(member)))
        }
        GroupRecord::ConsumerGroupRegularExpression(key, value) => {
            let value = value.map(|value| ResolvedPattern {
                topics: value.topics.into_iter().map(Arc::from).collect(),
                version: u64::try_from(value.version).unwrap_or(0),
                timestamp: TimestampMs(value.timestamp),
            });
            (key.group_id, ConsumerRecord::Pattern(Arc::from(key.regular_expression), value))
        }
        GroupRecord::ConsumerGroupTargetAssignmentMetadata(key, value) => {
            let epoch = value.map(|value| TargetEpoch {
                epoch: Epoch(value.assignment_epoch),
                timestamp: TimestampMs(value.assignment_timestamp),
            });
            (key.group_id, ConsumerRecord::TargetEpoch(epoch))
        }
        GroupRecord::ConsumerGroupTargetAssignmentMember(key, value) => {
            (key.group_id, ConsumerRecord::Target(MemberId::new(&key.member_id), value.map(target)))
        }
        GroupRecord::ConsumerGroupCurrentMemberAssignment(key, value) => {
            (key.group_id, ConsumerRecord::Current(MemberId::new(&key.member_id), value.map(current)))
        }
        _ => return None,
    };
    Some(CoordinatorRecord::Consumer { group: GroupId::new(&group), record })
}

fn member_value(value: &ConsumerMemberMetadata) -> ConsumerGroupMemberMetadataValue {
    ConsumerGroupMemberMetadataValue {
        instance_id: value.instance.as_ref().map(InstanceId::to_string),
        rack_id: value.rack.as_deref().map(str::to_owned),
        client_id: value.client_id.to_string(),
        client_host: value.client_host.to_string(),
        subscribed_topic_names: value.topics.iter().map(ToString::to_string).collect(),
        // Kafka writes no pattern as the empty one.
        subscribed_topic_regex: Some(value.pattern.as_deref().unwrap_or_default().to_owned()),
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        server_assignor: value.assignor.as_deref().map(str::to_owned),
        classic_member_metadata: value.classic.as_ref().map(classic_value),
    }
}

fn classic_value(value: &ClassicMetadata) -> ClassicMemberMetadata {
    let protocols = value.protocols.iter().map(|protocol| ClassicProtocol {
        name: protocol.name.to_string(),
        metadata: protocol.metadata.clone(),
    });
    ClassicMemberMetadata {
        session_timeout_ms: value.session_timeout_ms,
        supported_protocols: protocols.collect(),
    }
}

/// A member without a protocol is nothing that a broker writes; it counts as one of the consumer protocol.
fn classic(value: ClassicMemberMetadata) -> Option<ClassicMetadata> {
    let protocols = value
        .supported_protocols
        .into_iter()
        .map(|protocol| Protocol { name: Arc::from(protocol.name), metadata: protocol.metadata });
    let (session_timeout_ms, protocols) = (value.session_timeout_ms, protocols.collect::<Vec<_>>());
    Some(ClassicMetadata { session_timeout_ms, protocols }).filter(|classic| !classic.protocols.is_empty())
}

fn member(value: ConsumerGroupMemberMetadataValue) -> ConsumerMemberMetadata {
    let mut topics: Vec<Arc<str>> = value.subscribed_topic_names.into_iter().map(Arc::from).collect();
    topics.sort_unstable();
    topics.dedup();
    ConsumerMemberMetadata {
        instance: value.instance_id.as_deref().map(InstanceId::new),
        rack: value.rack_id.map(Arc::from),
        client_id: Arc::from(value.client_id),
        client_host: Arc::from(value.client_host),
        topics,
        pattern: value.subscribed_topic_regex.filter(|pattern| !pattern.is_empty()).map(Arc::from),
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        assignor: value.server_assignor.map(Arc::from),
        classic: value.classic_member_metadata.and_then(classic),
    }
}

fn target_value(value: &Partitions) -> ConsumerGroupTargetAssignmentMemberValue {
    let topics = value.by_topic().into_iter().map(|(topic_id, partitions)| TargetPartitions {
        topic_id,
        partitions: partitions.iter().map(|(index, _)| index.0).collect(),
    });
    ConsumerGroupTargetAssignmentMemberValue { topic_partitions: topics.collect() }
}

fn target(value: ConsumerGroupTargetAssignmentMemberValue) -> Partitions {
    let keys = value.topic_partitions.into_iter().flat_map(|topic| {
        let id = topic.topic_id;
        topic.partitions.into_iter().map(move |index| PartitionKey::new(id, PartitionIndex(index)))
    });
    Partitions::of(keys, Epoch(0))
}

fn current_value(value: &CurrentAssignment) -> ConsumerGroupCurrentMemberAssignmentValue {
    ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: value.epoch.0,
        previous_member_epoch: value.previous_epoch.0,
        state: value.state.code(),
        assigned_partitions: held_value(&value.assigned),
        partitions_pending_revocation: held_value(&value.revoking),
    }
}

fn held_value(partitions: &Partitions) -> Vec<HeldPartitions> {
    let topics = partitions.by_topic().into_iter().map(|(topic_id, partitions)| HeldPartitions {
        topic_id,
        partitions: partitions.iter().map(|(index, _)| index.0).collect(),
        assignment_epochs: Some(partitions.iter().map(|(_, since)| since.0).collect()),
    });
    topics.collect()
}

fn current(value: ConsumerGroupCurrentMemberAssignmentValue) -> CurrentAssignment {
    let epoch = Epoch(value.member_epoch);
    let revoking = held(value.partitions_pending_revocation, epoch);
    CurrentAssignment {
        epoch,
        previous_epoch: Epoch(value.previous_member_epoch),
        state: MemberState::of_code(value.state, &revoking),
        assigned: held(value.assigned_partitions, epoch),
        revoking,
    }
}

/// Brokers before 4.3 do not say since when; then the member's own epoch is the earliest that is safe.
fn held(topics: Vec<HeldPartitions>, epoch: Epoch) -> Partitions {
    let held = topics.into_iter().flat_map(|topic| {
        let (id, epochs) = (topic.topic_id, topic.assignment_epochs.unwrap_or_default());
        let since = epochs.into_iter().map(Epoch).chain(std::iter::repeat(epoch));
        let keys =
            topic.partitions.into_iter().map(move |index| PartitionKey::new(id, PartitionIndex(index)));
        keys.zip(since)
    });
    Partitions::held(held)
}
