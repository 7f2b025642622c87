//! A broker of a script: what the client does when a leader has moved.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use millrace_client::{ClientError, Cluster, ErrorCode, LogOffset, Place};
use millrace_wire::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use millrace_wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use millrace_wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use millrace_wire::{ApiKey, Writer, encode_response_frame};

const METADATA: i16 = 4;
const LIST_OFFSETS: i16 = 1;
const END: i64 = 42;

/// Answers ListOffsets with these codes in turn, and says at the end which requests there were.
fn script(codes: &'static [ErrorCode]) -> (String, JoinHandle<Vec<i16>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut asked, mut codes) = (Vec::new(), codes.iter());
        while let Some((api, correlation)) = request(&mut stream) {
            asked.push(api);
            let next =
                if api == ApiKey::ListOffsets.code() { *codes.next().unwrap() } else { ErrorCode::None };
            stream.write_all(&answer(api, correlation, next)).unwrap();
        }
        asked
    });
    (address, serving)
}

/// Key and correlation id of the next request; nothing when the client is gone.
fn request(stream: &mut TcpStream) -> Option<(i16, i32)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    let correlation = i32::from_be_bytes(frame[4..8].try_into().unwrap());
    Some((i16::from_be_bytes(frame[..2].try_into().unwrap()), correlation))
}

fn answer(api: i16, correlation: i32, code: ErrorCode) -> Vec<u8> {
    let api = ApiKey::from_i16(api).unwrap();
    let body = |writer: &mut Writer| match api {
        ApiKey::ApiVersions => versions().encode(writer, 0),
        ApiKey::Metadata => metadata().encode(writer, METADATA),
        _ => offsets(code).encode(writer, LIST_OFFSETS),
    };
    encode_response_frame(correlation, api.response_header_form(0), body).unwrap().concat()
}

fn versions() -> ApiVersionsResponse<'static> {
    let only = |(api, version): (ApiKey, i16)| ApiVersion {
        api_key: api.code(),
        min_version: version,
        max_version: version,
    };
    let served =
        [(ApiKey::ApiVersions, 0), (ApiKey::Metadata, METADATA), (ApiKey::ListOffsets, LIST_OFFSETS)];
    ApiVersionsResponse { api_keys: served.map(only).into(), ..ApiVersionsResponse::default() }
}

fn metadata() -> MetadataResponse<'static> {
    let broker =
        MetadataResponseBroker { node_id: 1, host: "here".into(), ..MetadataResponseBroker::default() };
    let partition = MetadataResponsePartition { leader_id: 1, ..MetadataResponsePartition::default() };
    let topic = MetadataResponseTopic {
        name: Some("t".into()),
        partitions: vec![partition],
        ..MetadataResponseTopic::default()
    };
    MetadataResponse { brokers: vec![broker], topics: vec![topic], ..MetadataResponse::default() }
}

fn offsets(code: ErrorCode) -> ListOffsetsResponse<'static> {
    let partition = ListOffsetsPartitionResponse {
        error_code: code.code(),
        offset: END,
        ..ListOffsetsPartitionResponse::default()
    };
    let topic = ListOffsetsTopicResponse { name: "t".into(), partitions: vec![partition] };
    ListOffsetsResponse { topics: vec![topic], ..ListOffsetsResponse::default() }
}

/// What comes of a question for the end of a log, and how often leaders and offsets are asked for.
fn check(codes: &'static [ErrorCode], expected: Result<i64, ErrorCode>, times: (usize, usize)) {
    let (address, serving) = script(codes);
    let mut cluster = Cluster::open(&address).unwrap();
    let place = Place::new("t", 0);
    let found = match cluster.log_offsets(&BTreeSet::from([place.clone()]), LogOffset::Latest) {
        Ok(offsets) => Ok(offsets[&place].unwrap()),
        Err(ClientError::Refused { refusal, .. }) => Err(ErrorCode::from_i16(refusal.code).unwrap()),
        Err(failure) => panic!("{failure}"),
    };
    assert_eq!(found, expected, "{codes:?}");
    drop(cluster);
    let asked = serving.join().unwrap();
    let count = |api: ApiKey| asked.iter().filter(|key| **key == api.code()).count();
    // The first question for metadata is for the brokers.
    assert_eq!((count(ApiKey::Metadata) - 1, count(ApiKey::ListOffsets)), times, "{codes:?}");
}

#[test]
fn a_leader_that_moved_is_looked_for_once() {
    use ErrorCode::{CorruptMessage, FencedLeaderEpoch, None, NotLeaderOrFollower};
    check(&[None], Ok(END), (1, 1));
    check(&[NotLeaderOrFollower, None], Ok(END), (2, 2));
    check(&[FencedLeaderEpoch, None], Ok(END), (2, 2));
    check(&[NotLeaderOrFollower, NotLeaderOrFollower], Err(NotLeaderOrFollower), (2, 2));
    check(&[CorruptMessage], Err(CorruptMessage), (1, 1));
}
