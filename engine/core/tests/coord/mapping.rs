//! Logical records in Kafka's bytes: what has no counterpart, and what old brokers wrote.

use millrace_core::base::{LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId};
use millrace_core::coord::records::{
    ConsumerGroupPartitionMetadataKey, GroupRecord, LegacyOffsetCommitKey, LegacyOffsetCommitValue,
};
use millrace_core::coord::*;

fn read(record: &GroupRecord) -> Option<CoordinatorRecord> {
    let bytes = record.encode().unwrap();
    CoordinatorRecord::decode(&bytes.key, bytes.value.as_deref()).unwrap()
}

fn offset(value: Option<CommittedOffset>) -> CoordinatorRecord {
    let (group, topic) = (GroupId::new("g"), TopicName::new("t"));
    CoordinatorRecord::Offset { group, topic, partition: PartitionIndex(3), value }
}

fn committed() -> CommittedOffset {
    CommittedOffset {
        offset: Offset(7),
        leader_epoch: LeaderEpoch(2),
        metadata: Some("text".into()),
        commit_timestamp: TimestampMs(1000),
        expire_timestamp: None,
        topic_id: TopicId([1; 16]),
    }
}

#[test]
fn an_offset_is_written_in_the_version_that_its_parts_need() {
    let expiring = CommittedOffset { expire_timestamp: Some(TimestampMs(2000)), ..committed() };
    // Version 1 has no room for the epoch and the topic's id.
    let kept =
        CommittedOffset { leader_epoch: LeaderEpoch::NONE, topic_id: TopicId::ZERO, ..expiring.clone() };
    for (value, version, back) in [(committed(), 4, committed()), (expiring, 1, kept)] {
        let bytes = offset(Some(value)).encode().unwrap();
        let written = bytes.value.as_deref().unwrap();
        assert_eq!(written[..2], i16::to_be_bytes(version));
        assert_eq!(CoordinatorRecord::decode(&bytes.key, Some(written)), Ok(Some(offset(Some(back)))));
    }
}

#[test]
fn tombstones_have_no_value() {
    for record in [offset(None), CoordinatorRecord::Group { group: GroupId::new("g"), value: None }] {
        let bytes = record.encode().unwrap();
        assert_eq!(bytes.value, None);
        assert_eq!(CoordinatorRecord::decode(&bytes.key, None), Ok(Some(record)));
    }
}

#[test]
fn commits_of_the_first_kind_count() {
    let key = LegacyOffsetCommitKey { group: "g".to_owned(), topic: "t".to_owned(), partition: 3 };
    let value = LegacyOffsetCommitValue { offset: 7, metadata: String::new(), commit_timestamp: 1000 };
    let plain = CommittedOffset {
        metadata: None,
        leader_epoch: LeaderEpoch::NONE,
        topic_id: TopicId::ZERO,
        ..committed()
    };
    let record = GroupRecord::LegacyOffsetCommit(key.clone(), Some(value));
    assert_eq!(read(&record), Some(offset(Some(plain))));
    assert_eq!(read(&GroupRecord::LegacyOffsetCommit(key, None)), Some(offset(None)));
}

#[test]
fn other_kinds_are_passed_over_and_damage_is_an_error() {
    let key = ConsumerGroupPartitionMetadataKey { group_id: "g".to_owned() };
    assert_eq!(read(&GroupRecord::ConsumerGroupPartitionMetadata(key, None)), None);
    let bytes = offset(Some(committed())).encode().unwrap();
    let value = bytes.value.unwrap();
    assert!(CoordinatorRecord::decode(&bytes.key[..5], Some(&value)).is_err());
    assert!(CoordinatorRecord::decode(&bytes.key, Some(&value[..5])).is_err());
}

#[test]
fn names_longer_than_the_format_are_refused() {
    let group = GroupId::new(&"g".repeat(40_000));
    assert!(CoordinatorRecord::Group { group, value: None }.encode().is_err());
}
