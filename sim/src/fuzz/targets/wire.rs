//! The wire: every message in every version, requests as a connection reads them, and frames cut out of a stream.

use bytes::Bytes;
use millrace_wire::conn::{FrameCursor, Framed, HeaderError, decode_request_header};
use millrace_wire::messages::*;
use millrace_wire::{
    ARRAY_BYTES_AT_ONCE, ApiKey, DecodeError, EncodeError, MEMORY_BYTES_MIN, MEMORY_PER_FRAME_BYTE, Reader,
    Writer,
};

use crate::fuzz::golden;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::seeds;
use crate::fuzz::target::{Checked, Field, Outcome, Target, promise};

/// An input is the message's place in the list below, its version, and its bytes.
pub(in crate::fuzz) const MESSAGES: Target = Target {
    name: "messages",
    decoders: &[
        "reader::uvarint",
        "reader::nullable_string",
        "reader::nullable_bytes",
        "reader::nullable_records",
        "reader::nullable_array",
        "reader::nullable_struct",
        "reader::tagged_field",
        "reader::skip_tagged_fields",
    ],
    golden: || {
        golden_messages()
            .into_iter()
            .map(|(place, version, body)| [&[place, version][..], &body].concat())
            .collect()
    },
    seeds: || {
        let message = |frame: &Vec<u8>| {
            let (place, version, body) = message_of(frame)?;
            Some([&[place, version][..], &body].concat())
        };
        seeds::frames().iter().filter_map(message).collect()
    },
    // ApiVersions 0 has no field.
    generate: |_| {
        let place = MESSAGE_MODULES.iter().position(|module| *module == "api_versions_request");
        vec![place.map_or(0, |place| place as u8), 0]
    },
    fields,
    check: |input| match input.bytes {
        [place, version, body @ ..] => {
            let place = usize::from(*place) % MESSAGE_MODULES.len();
            check_message(place, i16::from(*version), body, input.is_whole())
        }
        _ => Ok(Outcome::Refused),
    },
    ..Target::PLAIN
};

/// A frame without its length: header and body, as a connection hands it on.
pub(in crate::fuzz) const REQUESTS: Target = Target {
    name: "requests",
    decoders: &["header::decode_request_header", "header::peek_key"],
    golden: golden_requests,
    seeds: seeds::frames,
    generate: |_| b"\x00\x12\x00\x03\x00\x00\x00\x07\x00\x02ab\x00\x01\x01\x00".to_vec(),
    fields,
    check: check_request,
    ..Target::PLAIN
};

/// What a connection receives: frames behind their lengths.
pub(in crate::fuzz) const FRAMES: Target = Target {
    name: "frames",
    decoders: &["framing::next_frame"],
    generate: |chance| {
        let mut stream = Vec::new();
        for _ in 0..chance.below(6) {
            let body = vec![7; 1 + chance.below(100) as usize];
            stream.extend_from_slice(&(body.len() as i32).to_be_bytes());
            stream.extend_from_slice(&body);
        }
        stream
    },
    fields: |bytes| {
        let mut fields = vec![Field::big(0, 4)];
        let mut cursor = FrameCursor::new(FRAME_BYTES_MAX);
        while let Framed::Whole(place) = cursor.next_frame(bytes) {
            fields.push(Field::big(place.end, 4));
        }
        fields
    },
    check: check_frames,
    ..Target::PLAIN
};

const FRAME_BYTES_MAX: usize = 1000;

/// What the codec promises, and what sharing the frame takes.
const MESSAGE: Bound =
    Bound { per_byte: MEMORY_PER_FRAME_BYTE, fixed: MEMORY_BYTES_MIN + ARRAY_BYTES_AT_ONCE + 1024 };
/// Places in the stream, nothing of it.
const CURSOR: Bound = Bound { per_byte: 0, fixed: 0 };

/// Every second byte may belong to a length or a count.
fn fields(bytes: &[u8]) -> Vec<Field> {
    (0..bytes.len().min(300))
        .flat_map(|at| [Field::big(at, 1), Field::big(at, 2), Field::big(at, 4)])
        .collect()
}

macro_rules! messages {
    ($($name:ident in $module:ident,)*) => {
        /// The generated modules that are fuzzed, in the order of an input's first byte.
        pub const MESSAGE_MODULES: &[&str] = &[$(stringify!($module)),*];
        /// The types in them.
        const MESSAGE_NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Decodes, encodes and decodes again.
        fn trip(module: &str, version: i16, frame: &Bytes) -> Result<Trip, String> {
            match module {
                $(stringify!($module) => {
                    let (value, remaining) = MESSAGE.hold(frame.len(), || {
                        let mut reader = Reader::new(frame);
                        let value: Result<_, DecodeError> = $module::$name::decode(&mut reader, version);
                        (value, reader.remaining())
                    })?;
                    let value = match value {
                        Ok(value) => value,
                        Err(fault) => return Ok(Trip::Refused(fault)),
                    };
                    let mut writer = Writer::new();
                    match value.encode(&mut writer, version) {
                        Ok(()) => {}
                        // Text that was no UTF-8 is longer once its bytes are replaced.
                        Err(EncodeError::TooLong(_)) => return Ok(Trip::Done { remaining, again: None }),
                        Err(fault) => return Err(format!("decoded, but not encoded: {fault} in {value:?}")),
                    }
                    let again = Bytes::from(writer.finish().concat());
                    let mut reader = Reader::new(&again);
                    let read: Result<_, DecodeError> = $module::$name::decode(&mut reader, version);
                    // Compared as text, too: a number that is no number does not equal itself.
                    let same = read.as_ref() == Ok(&value) || format!("{read:?}") == format!("Ok({value:?})");
                    promise(same && reader.remaining() == 0, || format!("{value:?} comes back as {read:?}"))?;
                    Ok(Trip::Done { remaining, again: Some(again.clone()) })
                })*
                other => Err(format!("{other} is not in the list of messages")),
            }
        }
    };
}

enum Trip {
    Refused(DecodeError),
    Done { remaining: usize, again: Option<Bytes> },
}

fn check_message(place: usize, version: i16, body: &[u8], is_whole: bool) -> Checked {
    let frame = Bytes::copy_from_slice(body);
    let module = MESSAGE_MODULES.get(place).copied().unwrap_or_default();
    match trip(module, version, &frame)? {
        Trip::Refused(fault) => {
            promise(!is_whole, || format!("a good message is refused: {fault}"))?;
            Ok(Outcome::Refused)
        }
        Trip::Done { remaining, again } => {
            let exact = remaining == 0 && again.is_none_or(|again| again == frame);
            promise(!is_whole || exact, || "Kafka's bytes come back changed".to_owned())?;
            Ok(Outcome::Decoded)
        }
    }
}

fn golden_messages() -> Vec<(u8, u8, Vec<u8>)> {
    let texts = golden::texts("net/wire/tests/golden");
    let mut messages = Vec::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        let mut words = line.splitn(5, ' ');
        let (Some(name), Some(version), _, Some(hex)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let place = MESSAGE_NAMES.iter().position(|known| *known == name);
        if let (Some(place), Ok(version)) = (place, version.parse()) {
            messages.push((place as u8, version, golden::from_hex(hex)));
        }
    }
    messages
}

/// Kafka's bodies behind headers of ours.
fn golden_requests() -> Vec<Vec<u8>> {
    let request = |(place, version, body): (u8, u8, Vec<u8>)| {
        let name = MESSAGE_NAMES.get(usize::from(place))?.strip_suffix("Request")?;
        let api = ApiKey::ALL.iter().find(|api| api.name() == name)?;
        let mut frame = api.code().to_be_bytes().to_vec();
        frame.extend_from_slice(&[0, version, 0, 0, 0, 7, 0, 2, b'a', b'b']);
        if api.request_header_version(i16::from(version)) == 2 {
            frame.push(0);
        }
        frame.extend_from_slice(&body);
        Some(frame)
    };
    golden_messages().into_iter().filter_map(request).collect()
}

/// The message in a frame, if its header is good and its API known.
fn message_of(frame: &[u8]) -> Option<(u8, u8, Vec<u8>)> {
    let frame = Bytes::copy_from_slice(frame);
    let mut reader = Reader::new(&frame);
    let (api, header) = decode_request_header(&mut reader).ok()?;
    let name = format!("{}Request", api.name());
    let place = MESSAGE_NAMES.iter().position(|known| **known == name)?;
    let version = u8::try_from(header.request_api_version).ok()?;
    Some((u8::try_from(place).ok()?, version, frame.get(reader.position()..)?.to_vec()))
}

fn check_request(input: &Input<'_>) -> Checked {
    let frame = Bytes::copy_from_slice(input.bytes);
    let (decoded, position) = MESSAGE.hold(frame.len(), || {
        let mut reader = Reader::new(&frame);
        let decoded = decode_request_header(&mut reader);
        (decoded, reader.position())
    })?;
    let (api, header) = match decoded {
        Ok(decoded) => decoded,
        Err(fault) => {
            promise(!input.is_whole(), || format!("a good header is refused: {fault}"))?;
            let known =
                frame.first_chunk().is_some_and(|key| ApiKey::from_i16(i16::from_be_bytes(*key)).is_some());
            let blamed = matches!(fault, HeaderError::UnknownApi(_));
            promise(frame.len() < 4 || blamed != known, || format!("another reason: {fault}"))?;
            return Ok(Outcome::Refused);
        }
    };
    let head = frame.first_chunk().map(|[k, e, v, r, a, b, c, d]| {
        (i16::from_be_bytes([*k, *e]), i16::from_be_bytes([*v, *r]), i32::from_be_bytes([*a, *b, *c, *d]))
    });
    let said = (api.code(), header.request_api_version, header.correlation_id);
    promise(head == Some(said), || format!("{head:?} is read as {said:?}"))?;
    let name = format!("{}Request", api.name());
    let Some(place) = MESSAGE_NAMES.iter().position(|known| **known == name) else {
        return Ok(Outcome::Decoded);
    };
    let body = frame.get(position..).unwrap_or_default();
    check_message(place, header.request_api_version, body, input.is_whole())
}

fn check_frames(input: &Input<'_>) -> Checked {
    let bytes = input.bytes;
    let mut cursor = FrameCursor::new(FRAME_BYTES_MAX);
    let mut at = 0;
    loop {
        let found = CURSOR.hold(bytes.len(), || cursor.next_frame(bytes))?;
        let length =
            bytes.get(at..at + 4).and_then(|raw| raw.first_chunk()).map(|raw| i32::from_be_bytes(*raw));
        let expected = match length {
            None => Framed::Partial { wants: 4 },
            Some(length) if !(1..=FRAME_BYTES_MAX as i32).contains(&length) => Framed::BadLength(length),
            Some(length) if bytes.len() - at - 4 < length as usize => {
                Framed::Partial { wants: 4 + length as usize }
            }
            Some(length) => Framed::Whole(at + 4..at + 4 + length as usize),
        };
        promise(found == expected, || format!("at {at}: {found:?}, not {expected:?}"))?;
        if let Framed::Whole(place) = &found {
            at = place.end;
        }
        promise(cursor.position() == at, || format!("the cursor stands at {}, not {at}", cursor.position()))?;
        match found {
            Framed::Whole(_) => {}
            Framed::Partial { .. } => return Ok(Outcome::Decoded),
            Framed::BadLength(_) => return Ok(Outcome::Refused),
        }
    }
}

messages! {
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
