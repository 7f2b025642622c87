//! What Kafka's classes do at the edges, each case tried on them first: null, odd text, tags, missing fields.

use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::init_producer_id_request::InitProducerIdRequest;
use millrace_wire::messages::metadata_request::MetadataRequest;
use millrace_wire::{Bytes, DecodeError, EncodeError, Reader, Uuid, Writer};
use std::borrow::Cow;

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn text_and_null() {
    let check = |hex: &str, version, expected: Result<Option<&str>, DecodeError>| {
        let frame = bytes(hex);
        let request = InitProducerIdRequest::decode(&mut Reader::new(&frame), version);
        let id = request.as_ref().map(|request| request.transactional_id.as_deref());
        assert_eq!(id.map_err(|error| *error), expected, "{hex}");
    };
    check("ffff 00000001", 0, Ok(None));
    check("fffe 00000001", 0, Ok(None));
    check("0003 61ff62 00000001", 0, Ok(Some("a\u{fffd}b")));
    check("0005 61e28262ff 00000001", 0, Ok(Some("a\u{fffd}b\u{fffd}")));
    check("ffffffff1f 00000001", 2, Err(DecodeError::Varint));
    let long = format!("c1b802 {} 00000001 00", "61".repeat(40_000));
    check(&long, 2, Err(DecodeError::StringTooLong(40_000)));
    check("ffff 00000001", 99, Err(DecodeError::Version(99)));
}

#[test]
fn null_arrays() {
    let check = |hex: &str, version, expected: Result<bool, DecodeError>| {
        let frame = bytes(hex);
        let request = MetadataRequest::decode(&mut Reader::new(&frame), version);
        assert_eq!(request.map(|request| request.topics.is_none()), expected, "{hex}");
    };
    check("ffffffff", 1, Ok(true));
    check("fffffff0", 1, Ok(true));
    check("ffffffff", 0, Err(DecodeError::Null));
    check("00000000", 0, Ok(false));
    check("00000001", 0, Err(DecodeError::ArrayTooLong { count: 1, remaining: 0 }));
}

#[test]
fn tagged_fields() {
    let fixed = "ffffffff 00000001 00000001 00000001 00 00000000 00000000 01 01 01";
    let check = |tags: &str, version, expected: Result<Option<&str>, DecodeError>| {
        let frame = bytes(&format!("{fixed}{tags}"));
        let request = FetchRequest::decode(&mut Reader::new(&frame), version);
        let id = request.as_ref().map(|request| request.cluster_id.as_deref());
        assert_eq!(id.map_err(|error| *error), expected, "{tags}");
    };
    check("00", 12, Ok(None));
    check("01 00 03 036162", 12, Ok(Some("ab")));
    check("02 00 03 036162 63 02 ffff", 12, Ok(Some("ab")));
    check("02 00 03 036162 00 02 0263", 12, Ok(Some("c")));
    check("01 01 02 0000", 12, Err(DecodeError::TagNotInVersion(1)));
    check("01 63 09 0000", 12, Err(DecodeError::EndOfInput { wanted: 9, remaining: 2 }));
    // Kafka reads on without looking at the length; nothing sound sends this.
    check("01 00 05 036162 6364", 12, Err(DecodeError::TaggedSize { tag: 0, size: 5 }));
}

fn fetch(topic_id: Uuid, last_fetched_epoch: i32) -> FetchRequest<'static> {
    let partition = FetchPartition { last_fetched_epoch, ..FetchPartition::default() };
    let topic = FetchTopic { topic: Cow::Borrowed("a"), topic_id, partitions: vec![partition] };
    FetchRequest { topics: vec![topic], ..FetchRequest::default() }
}

#[test]
fn fields_that_a_version_lacks() {
    let check = |request: FetchRequest<'_>, version, expected: Result<&str, EncodeError>| {
        let mut writer = Writer::new();
        let written = request.encode(&mut writer, version).map(|()| writer.finish().concat());
        assert_eq!(written, expected.map(|hex| bytes(hex).to_vec()));
    };
    check(FetchRequest::default(), 18, Ok("00000000 00000000 7fffffff 00 00000000 ffffffff 01 01 01 00"));
    let error = EncodeError::NotInVersion { field: "LastFetchedEpoch", version: 4 };
    check(fetch(Uuid::ZERO, 3), 4, Err(error));
    check(FetchRequest::default(), 3, Err(EncodeError::Version(3)));
    // The topic id may be left out, for the topic's name is there.
    let mut with_id = fetch(Uuid([1; 16]), -1);
    with_id.topics[0].partitions.clear();
    check(with_id, 12, Ok("ffffffff 00000000 00000000 7fffffff 00 00000000 ffffffff 02 0261 01 00 01 01 00"));

    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let refused = request.encode(&mut Writer::new(), 0);
    assert_eq!(refused, Err(EncodeError::Null { field: "Topics", version: 0 }));
}
