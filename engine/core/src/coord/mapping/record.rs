//! Logical records to Kafka's bytes and back.

use std::sync::Arc;

use super::consumer;
use crate::base::{LeaderEpoch, Offset, PartitionIndex, TimestampMs};
use crate::coord::ids::{Generation, GroupId, InstanceId, MemberId, TopicName};
use crate::coord::record::{CommittedOffset, CoordinatorRecord, GroupMetadata, MemberMetadata};
use crate::coord::records::group_metadata_value::MemberMetadata as MemberValue;
use crate::coord::records::{
    DecodeError, EncodeError, EncodedRecord, GroupMetadataKey, GroupMetadataValue, GroupRecord,
    OffsetCommitKey, OffsetCommitValue,
};

/// Lengths, offset and time beside the key and the value of a record; no more than this.
const RECORD_OVERHEAD_BYTES: usize = 24;

impl CoordinatorRecord {
    /// The bytes to append, as Kafka writes them; an error for texts that are longer than the format allows,
    /// which the host reports as `WriteFault::TooLarge`.
    pub fn encode(&self) -> Result<EncodedRecord, EncodeError> {
        let record = match self {
            CoordinatorRecord::Group { group, value } => {
                let key = GroupMetadataKey { group: group.to_string() };
                GroupRecord::GroupMetadata(key, value.as_ref().map(group_value))
            }
            CoordinatorRecord::Offset { group, topic, partition, value } => {
                let (group, topic, partition) = (group.to_string(), topic.to_string(), partition.0);
                let key = OffsetCommitKey { group, topic, partition };
                GroupRecord::OffsetCommit(key, value.as_ref().map(offset_value))
            }
            CoordinatorRecord::Consumer { group, record } => consumer::to_kafka(group, record),
        };
        record.encode()
    }

    /// What records take of a batch; those that the format has no room for more than any batch has.
    pub(in crate::coord) fn encoded_bytes(records: &[CoordinatorRecord]) -> usize {
        records.iter().fold(0, |sum, record| {
            let bytes = record.encode().map_or(usize::MAX, |encoded| {
                encoded.key.len() + encoded.value.map_or(0, |value| value.len()) + RECORD_OVERHEAD_BYTES
            });
            bytes.saturating_add(sum)
        })
    }

    /// What a record of the log says; `None` where it is of a kind that is not coordinated here,
    /// which a load passes over.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<CoordinatorRecord>, DecodeError> {
        Ok(match GroupRecord::decode(key, value)? {
            GroupRecord::GroupMetadata(key, value) => {
                let value = value.map(group_metadata);
                Some(CoordinatorRecord::Group { group: GroupId::new(&key.group), value })
            }
            GroupRecord::OffsetCommit(key, value) => {
                Some(offset_record(&key.group, &key.topic, key.partition, value.map(committed_offset)))
            }
            // The number of the first commits, before keys had one of their own each.
            GroupRecord::LegacyOffsetCommit(key, value) => {
                let value = value.map(|value| {
                    let (offset, metadata) = (value.offset, value.metadata);
                    let commit_timestamp = value.commit_timestamp;
                    let given =
                        OffsetCommitValue { offset, metadata, commit_timestamp, ..Default::default() };
                    committed_offset(given)
                });
                Some(offset_record(&key.group, &key.topic, key.partition, value))
            }
            other => consumer::from_kafka(other),
        })
    }
}

fn offset_record(
    group: &str,
    topic: &str,
    partition: i32,
    value: Option<CommittedOffset>,
) -> CoordinatorRecord {
    let (group, topic) = (GroupId::new(group), TopicName::new(topic));
    CoordinatorRecord::Offset { group, topic, partition: PartitionIndex(partition), value }
}

fn offset_value(value: &CommittedOffset) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: value.offset.0,
        leader_epoch: value.leader_epoch.0,
        metadata: value.metadata.as_deref().unwrap_or_default().to_owned(),
        commit_timestamp: value.commit_timestamp.0,
        expire_timestamp: value.expire_timestamp.unwrap_or(TimestampMs::NONE).0,
        topic_id: value.topic_id,
    }
}

fn committed_offset(value: OffsetCommitValue) -> CommittedOffset {
    CommittedOffset {
        offset: Offset(value.offset),
        leader_epoch: LeaderEpoch(value.leader_epoch),
        metadata: Some(Arc::from(value.metadata)).filter(|text: &Arc<str>| !text.is_empty()),
        commit_timestamp: TimestampMs(value.commit_timestamp),
        expire_timestamp: Some(TimestampMs(value.expire_timestamp)).filter(|at| at.0 >= 0),
        topic_id: value.topic_id,
    }
}

fn group_value(value: &GroupMetadata) -> GroupMetadataValue {
    let member = |member: &MemberMetadata| MemberValue {
        member_id: member.id.to_string(),
        group_instance_id: member.instance.as_ref().map(InstanceId::to_string),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
    };
    GroupMetadataValue {
        protocol_type: value.protocol_type.as_deref().unwrap_or_default().to_owned(),
        generation: value.generation.0,
        protocol: value.protocol.as_deref().map(str::to_owned),
        leader: value.leader.as_ref().map(MemberId::to_string),
        current_state_timestamp: value.state_timestamp.0,
        members: value.members.iter().map(member).collect(),
    }
}

fn group_metadata(value: GroupMetadataValue) -> GroupMetadata {
    let member = |member: MemberValue| MemberMetadata {
        id: MemberId::new(&member.member_id),
        instance: member.group_instance_id.as_deref().map(InstanceId::new),
        client_id: Arc::from(member.client_id),
        client_host: Arc::from(member.client_host),
        rebalance_timeout_ms: member.rebalance_timeout,
        session_timeout_ms: member.session_timeout,
        subscription: member.subscription,
        assignment: member.assignment,
    };
    GroupMetadata {
        protocol_type: Some(Arc::from(value.protocol_type)).filter(|name: &Arc<str>| !name.is_empty()),
        generation: Generation(value.generation),
        protocol: value.protocol.map(Arc::from),
        leader: value.leader.as_deref().map(MemberId::new),
        state_timestamp: TimestampMs(value.current_state_timestamp),
        members: value.members.into_iter().map(member).collect(),
    }
}
