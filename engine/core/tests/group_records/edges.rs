//! What Kafka's classes do at the edges, each case tried on them first: other types and versions,
//! bytes behind, tags.

use crate::golden::bytes;
use millrace_core::base::TopicId;
use millrace_core::coord::records::group_metadata_value::MemberMetadata;
use millrace_core::coord::records::{
    ConsumerProtocolSubscription, DecodeError, EncodeError, EncodedRecord, GroupMetadataKey,
    GroupMetadataValue, GroupRecord, OffsetCommitKey, OffsetCommitValue,
};

/// Group `g`, topic `t`, partition 3.
const OFFSET_KEY: &str = "0001 000167 000174 00000003";

/// Offset 7, metadata `m`, a topic id.
const OFFSET_VALUE: &str =
    "0004 0000000000000007 ffffffff 026d 0000000000000000 01 00 10 00000000000000000000000000000001";

fn offset_record(value: Option<OffsetCommitValue>) -> GroupRecord {
    let key = OffsetCommitKey { group: "g".to_owned(), topic: "t".to_owned(), partition: 3 };
    GroupRecord::OffsetCommit(key, value)
}

fn offset_value() -> OffsetCommitValue {
    let mut id = [0; 16];
    id[15] = 1;
    OffsetCommitValue { offset: 7, metadata: "m".to_owned(), topic_id: TopicId(id), ..Default::default() }
}

#[test]
fn records_are_read_as_kafka_reads_them() {
    let check = |key: &str, value: Option<&str>, expected: Result<GroupRecord, DecodeError>| {
        let (key, value) = (bytes(key), value.map(bytes));
        assert_eq!(GroupRecord::decode(&key, value.as_deref()), expected, "{key:x?} {value:x?}");
    };
    let whole = || Ok(offset_record(Some(offset_value())));
    check(OFFSET_KEY, Some(OFFSET_VALUE), whole());
    check(OFFSET_KEY, None, Ok(offset_record(None)));
    // Bytes behind either are passed over.
    check(OFFSET_KEY, Some(&format!("{OFFSET_VALUE} 000000")), whole());
    check(&format!("{OFFSET_KEY} 000000"), Some(OFFSET_VALUE), whole());
    // A tagged field of a later version is passed over.
    let tagged = OFFSET_VALUE.replacen(" 01 00 10", " 02 07 03 010203 00 10", 1);
    let in_order = format!("{} 07 03 010203", OFFSET_VALUE.replacen(" 01 00 10", " 02 00 10", 1));
    check(OFFSET_KEY, Some(&tagged), whole());
    check(OFFSET_KEY, Some(&in_order), whole());
    // A type that nobody knows is left to the reader; a version that nobody knows is an error.
    check(&OFFSET_KEY.replacen("0001", "0063", 1), Some(OFFSET_VALUE), Ok(GroupRecord::Unknown(99)));
    check(&OFFSET_KEY.replacen("0001", "ffff", 1), Some(OFFSET_VALUE), Ok(GroupRecord::Unknown(-1)));
    check(OFFSET_KEY, Some(&OFFSET_VALUE.replacen("0004", "0005", 1)), Err(DecodeError::Version(5)));
    check(OFFSET_KEY, Some(&OFFSET_VALUE.replacen("0004", "ffff", 1)), Err(DecodeError::Version(-1)));
    check(&OFFSET_KEY.replacen("0001", "0000", 1), Some("0001"), Err(DecodeError::Version(1)));
    check("", None, Err(DecodeError::EndOfInput { wanted: 2, remaining: 0 }));
    check(OFFSET_KEY, Some(""), Err(DecodeError::EndOfInput { wanted: 2, remaining: 0 }));
    check("0001 ffff 000174 00000003", None, Err(DecodeError::Null));
}

#[test]
fn values_are_written_in_the_versions_that_kafka_writes() {
    let check = |record: GroupRecord, key: &str, value: Option<&str>| {
        let expected = EncodedRecord { key: bytes(key), value: value.map(bytes) };
        assert_eq!(record.encode(), Ok(expected), "{record:?}");
    };
    check(offset_record(Some(offset_value())), OFFSET_KEY, Some(OFFSET_VALUE));
    check(offset_record(None), OFFSET_KEY, None);
    let expiring = OffsetCommitValue { expire_timestamp: 9, ..offset_value() };
    let without_id = "0001 0000000000000007 00016d 0000000000000000 0000000000000009";
    check(offset_record(Some(expiring)), OFFSET_KEY, Some(without_id));

    let member = MemberMetadata { member_id: "m".to_owned(), ..MemberMetadata::default() };
    let value = GroupMetadataValue { members: vec![member], ..GroupMetadataValue::default() };
    let group = GroupRecord::GroupMetadata(GroupMetadataKey { group: "g".to_owned() }, Some(value));
    let member = "00016d ffff 0000 0000 ffffffff 00000000 00000000 00000000";
    let value = format!("0003 0000 00000000 0000 0000 ffffffffffffffff 00000001 {member}");
    check(group, "0002 000167", Some(&value));
}

#[test]
fn what_has_no_room_or_no_code_is_refused() {
    let metadata = "x".repeat(32_768);
    let record = offset_record(Some(OffsetCommitValue { metadata, ..OffsetCommitValue::default() }));
    assert_eq!(record.encode(), Err(EncodeError::TooLong(32_768)));
    assert_eq!(GroupRecord::Unknown(11).encode(), Err(EncodeError::RecordType(11)));
}

#[test]
fn subscriptions_of_later_versions_are_read_as_the_latest() {
    let known = ConsumerProtocolSubscription {
        topics: vec!["t".to_owned()],
        generation_id: 5,
        rack_id: Some("r".to_owned()),
        ..ConsumerProtocolSubscription::default()
    };
    let mut later = known.to_bytes(3).unwrap();
    later[1] = 9;
    later.extend([1, 2, 3]);
    assert_eq!(ConsumerProtocolSubscription::parse(&later), Ok(known));
    assert_eq!(ConsumerProtocolSubscription::parse(&[0xff, 0xff]), Err(DecodeError::Version(-1)));
}
