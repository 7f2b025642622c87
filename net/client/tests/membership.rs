//! Two brokers of a script: a member follows its coordinator from the one to the other within its generation.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millrace_client::{Cluster, Commits, GroupSettings, Membership, Notice, Place};
use millrace_wire::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use millrace_wire::messages::find_coordinator_response::FindCoordinatorResponse;
use millrace_wire::messages::heartbeat_response::HeartbeatResponse;
use millrace_wire::messages::join_group_request::JoinGroupRequest;
use millrace_wire::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use millrace_wire::messages::leave_group_response::LeaveGroupResponse;
use millrace_wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use millrace_wire::messages::offset_commit_request::OffsetCommitRequest;
use millrace_wire::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use millrace_wire::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use millrace_wire::messages::sync_group_request::SyncGroupRequest;
use millrace_wire::messages::sync_group_response::SyncGroupResponse;
use millrace_wire::{ApiKey, Bytes, ErrorCode, Form, Reader, Writer, encode_response_frame};

const SERVED: [(ApiKey, i16); 9] = [
    (ApiKey::ApiVersions, 0),
    (ApiKey::Metadata, 4),
    (ApiKey::FindCoordinator, 1),
    (ApiKey::JoinGroup, 5),
    (ApiKey::SyncGroup, 3),
    (ApiKey::Heartbeat, 3),
    (ApiKey::LeaveGroup, 3),
    (ApiKey::OffsetFetch, 5),
    (ApiKey::OffsetCommit, 7),
];
const MEMBER: &str = "m-1";
const PATIENCE: Duration = Duration::from_secs(30);

/// What both brokers share.
#[derive(Default)]
struct Script {
    ports: BTreeMap<i32, i32>,
    /// Id of the broker that is the group's coordinator.
    coordinator: i32,
    /// Requests that the coordinator served: which broker it was then, the request, the offset of a commit.
    served: Vec<(i32, ApiKey, i64)>,
}

type Shared = Arc<Mutex<Script>>;

fn start(coordinator: i32) -> Shared {
    let script = Shared::default();
    script.lock().unwrap().coordinator = coordinator;
    for id in [1, 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        script.lock().unwrap().ports.insert(id, i32::from(port));
        let script = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let script = Arc::clone(&script);
                std::thread::spawn(move || serve(id, stream.unwrap(), &script));
            }
        });
    }
    script
}

fn serve(id: i32, mut stream: TcpStream, script: &Shared) {
    loop {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).unwrap();
        let frame = Bytes::from(frame);
        let mut reader = Reader::new(&frame);
        let (api, version) = (reader.i16().unwrap(), reader.i16().unwrap());
        let (api, correlation) = (ApiKey::from_i16(api).unwrap(), reader.i32().unwrap());
        reader.nullable_string(Form::Plain).unwrap();
        let mut script = script.lock().unwrap();
        let answer = encode_response_frame(correlation, api.response_header_form(version), |writer| {
            answer(id, &mut script, api, &mut reader, writer);
            Ok(())
        });
        stream.write_all(&answer.unwrap().concat()).unwrap();
    }
}

fn answer(id: i32, script: &mut Script, api: ApiKey, reader: &mut Reader<'_>, writer: &mut Writer) {
    let version = SERVED.iter().find(|(served, _)| *served == api).unwrap().1;
    let is_coordinator = script.coordinator == id;
    let error_code = if is_coordinator { 0 } else { ErrorCode::NotCoordinator.code() };
    let mut commit = 0;
    match api {
        ApiKey::ApiVersions => versions().encode(writer, version),
        ApiKey::Metadata => metadata(script).encode(writer, version),
        ApiKey::FindCoordinator => {
            let port = script.ports[&script.coordinator];
            let (node_id, host) = (script.coordinator, "127.0.0.1".into());
            FindCoordinatorResponse { node_id, host, port, ..FindCoordinatorResponse::default() }
                .encode(writer, version)
        }
        ApiKey::JoinGroup => {
            let request = JoinGroupRequest::decode(reader, version).unwrap();
            joined(&request, error_code).encode(writer, version)
        }
        ApiKey::SyncGroup => {
            let request = SyncGroupRequest::decode(reader, version).unwrap();
            let assignment = request.assignments[0].assignment.clone();
            SyncGroupResponse { error_code, assignment, ..SyncGroupResponse::default() }
                .encode(writer, version)
        }
        ApiKey::Heartbeat => {
            HeartbeatResponse { error_code, ..HeartbeatResponse::default() }.encode(writer, version)
        }
        ApiKey::LeaveGroup => {
            LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() }.encode(writer, version)
        }
        ApiKey::OffsetFetch => committed().encode(writer, version),
        ApiKey::OffsetCommit => {
            let request = OffsetCommitRequest::decode(reader, version).unwrap();
            assert_eq!((request.member_id.as_ref(), request.generation_id_or_member_epoch), (MEMBER, 1));
            commit = request.topics[0].partitions[0].committed_offset;
            stored(error_code).encode(writer, version)
        }
        _ => panic!("{api:?} is not served"),
    }
    .unwrap();
    if is_coordinator {
        script.served.push((id, api, commit));
    }
}

fn versions() -> ApiVersionsResponse<'static> {
    let only = |(api, version): (ApiKey, i16)| ApiVersion {
        api_key: api.code(),
        min_version: version,
        max_version: version,
    };
    ApiVersionsResponse { api_keys: SERVED.map(only).into(), ..ApiVersionsResponse::default() }
}

fn metadata(script: &Script) -> MetadataResponse<'static> {
    let broker = |(id, port): (&i32, &i32)| MetadataResponseBroker {
        node_id: *id,
        host: "127.0.0.1".into(),
        port: *port,
        ..MetadataResponseBroker::default()
    };
    let partition = MetadataResponsePartition { leader_id: 1, ..MetadataResponsePartition::default() };
    let topic = MetadataResponseTopic {
        name: Some("t".into()),
        partitions: vec![partition],
        ..MetadataResponseTopic::default()
    };
    let brokers = script.ports.iter().map(broker).collect();
    MetadataResponse { brokers, topics: vec![topic], ..MetadataResponse::default() }
}

fn joined<'a>(request: &JoinGroupRequest<'a>, error_code: i16) -> JoinGroupResponse<'a> {
    let is_new = request.member_id.is_empty();
    let member = JoinGroupResponseMember {
        member_id: MEMBER.into(),
        metadata: request.protocols[0].metadata.clone(),
        ..JoinGroupResponseMember::default()
    };
    JoinGroupResponse {
        error_code: if is_new { ErrorCode::MemberIdRequired.code() } else { error_code },
        generation_id: 1,
        protocol_name: Some("range".into()),
        leader: if is_new { "".into() } else { MEMBER.into() },
        member_id: MEMBER.into(),
        members: if is_new { Vec::new() } else { vec![member] },
        ..JoinGroupResponse::default()
    }
}

fn committed() -> OffsetFetchResponse<'static> {
    let partition =
        OffsetFetchResponsePartition { committed_offset: 5, ..OffsetFetchResponsePartition::default() };
    let topic = OffsetFetchResponseTopic { name: "t".into(), partitions: vec![partition] };
    OffsetFetchResponse { topics: vec![topic], ..OffsetFetchResponse::default() }
}

fn stored(error_code: i16) -> OffsetCommitResponse<'static> {
    let partition = OffsetCommitResponsePartition { error_code, ..OffsetCommitResponsePartition::default() };
    let topic = OffsetCommitResponseTopic {
        name: "t".into(),
        partitions: vec![partition],
        ..OffsetCommitResponseTopic::default()
    };
    OffsetCommitResponse { topics: vec![topic], ..OffsetCommitResponse::default() }
}

fn await_commit(script: &Shared, broker: i32, offset: i64) {
    let begun = Instant::now();
    while !script.lock().unwrap().served.contains(&(broker, ApiKey::OffsetCommit, offset)) {
        assert!(begun.elapsed() < PATIENCE, "no commit of {offset}: {:?}", script.lock().unwrap().served);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_member_follows_its_coordinator() {
    let script = start(2);
    let bootstrap = format!("127.0.0.1:{}", script.lock().unwrap().ports[&1]);
    let cluster = Cluster::open(&bootstrap).unwrap();
    let settings = GroupSettings {
        group: "g".to_owned(),
        topics: BTreeSet::from(["t".to_owned()]),
        instance: None,
        session_timeout: Duration::from_secs(45),
        rebalance_timeout: Duration::from_secs(60),
        commits: Commits::Often,
    };
    let membership = Membership::begin(&cluster, settings).unwrap();
    let place = Place::new("t", 0);
    let Some(Notice::Assigned { id, places }) = membership.notice(PATIENCE) else { panic!("it reads") };
    assert_eq!(places, BTreeMap::from([(place.clone(), Some(5))]));
    membership.read(id, BTreeMap::from([(place.clone(), 7)]));
    await_commit(&script, 2, 7);

    script.lock().unwrap().coordinator = 1;
    membership.read(id, BTreeMap::from([(place.clone(), 8)]));
    await_commit(&script, 1, 8);

    membership.read(id, BTreeMap::from([(place, 9)]));
    membership.stop();
    assert!(matches!(membership.notice(PATIENCE), Some(Notice::Revoked(revoked)) if revoked == id));
    membership.release(id);
    let left = membership.notice(PATIENCE);
    assert!(matches!(&left, Some(Notice::Left { uncommitted }) if uncommitted.is_empty()), "{left:?}");
    let served = &script.lock().unwrap().served;
    assert!(served.ends_with(&[(1, ApiKey::OffsetCommit, 9), (1, ApiKey::LeaveGroup, 0)]), "{served:?}");
    let joins = served.iter().filter(|(_, api, _)| *api == ApiKey::JoinGroup).count();
    assert_eq!(joins, 2, "for its id, and with it: {served:?}");
}
