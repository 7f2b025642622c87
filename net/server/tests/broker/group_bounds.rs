//! What groups may take of a broker's memory: large joins past it are told to come later,
//! and find room when others leave.

use millrace_wire::messages::describe_groups_request::DescribeGroupsRequest;
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use millrace_wire::messages::join_group_response::JoinGroupResponse;
use millrace_wire::messages::leave_group_request::LeaveGroupRequest;
use millrace_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_wire::messages::offset_commit_response::OffsetCommitResponse;
use millrace_wire::messages::sync_group_request::SyncGroupRequest;
use millrace_wire::{ApiKey, ErrorCode, Reader};

use crate::client::{Client, HEADER_BYTES};
use crate::stage::{MEMORY_BYTES, play};

/// Without the handshake over member ids, so that one request is enough.
const JOIN: i16 = 3;
const SYNC: i16 = 3;
const LEAVE: i16 = 2;
const COMMIT: i16 = 8;

/// Header of a response whose form is not compact.
const PLAIN_HEADER_BYTES: usize = 4;

const KEYS: &[(&str, &str)] =
    &[("offsets.topic.num.partitions", "4"), ("group.initial.rebalance.delay.ms", "0")];

const LATER: i16 = ErrorCode::CoordinatorLoadInProgress as i16;

const METADATA_BYTES: usize = 700_000;
/// The number of groups that join.
const JOINS: usize = 40;
/// An eighth of the memory is for groups.
const GROUPS_MAX: usize = MEMORY_BYTES as usize / 8 / METADATA_BYTES;

async fn find_coordinator(client: &mut Client) {
    let request = FindCoordinatorRequest { key: "g".into(), ..FindCoordinatorRequest::default() };
    client.send(ApiKey::FindCoordinator, 0, |writer, version| request.encode(writer, version)).await;
    client.response().await.expect("a response");
}

/// Error and member id of one member with a long subscription, which is alone in its group.
async fn join(client: &mut Client, group: &str) -> (i16, String) {
    let metadata = vec![7; METADATA_BYTES];
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: metadata.as_slice().into() };
    let request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    };
    client.send(ApiKey::JoinGroup, JOIN, |writer, version| request.encode(writer, version)).await;
    let body = client.response().await.expect("a response").slice(PLAIN_HEADER_BYTES..);
    let joined = JoinGroupResponse::decode(&mut Reader::new(&body), JOIN).unwrap();
    (joined.error_code, joined.member_id.to_string())
}

/// Its group is stable now, and shows what it subscribes to.
async fn sync(client: &mut Client, group: &str, member: &str) {
    let request = SyncGroupRequest {
        group_id: group.into(),
        generation_id: 1,
        member_id: member.into(),
        ..SyncGroupRequest::default()
    };
    client.send(ApiKey::SyncGroup, SYNC, |writer, version| request.encode(writer, version)).await;
    client.response().await.expect("a response");
}

async fn leave(client: &mut Client, group: &str, member: &str) {
    let request = LeaveGroupRequest {
        group_id: group.into(),
        member_id: member.into(),
        ..LeaveGroupRequest::default()
    };
    client.send(ApiKey::LeaveGroup, LEAVE, |writer, version| request.encode(writer, version)).await;
    client.response().await.expect("a response");
}

/// The error of a commit of one offset.
async fn commit(client: &mut Client, group: &str, metadata: &str) -> i16 {
    let partition = OffsetCommitRequestPartition {
        committed_offset: 7,
        committed_metadata: Some(metadata.into()),
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    client.send(ApiKey::OffsetCommit, COMMIT, |writer, version| request.encode(writer, version)).await;
    let body = client.response().await.expect("a response").slice(HEADER_BYTES..);
    let response = OffsetCommitResponse::decode(&mut Reader::new(&body), COMMIT).unwrap();
    response.topics[0].partitions[0].error_code
}

#[test]
fn large_joins_are_told_to_come_later_past_the_memory_for_groups() {
    play(1, KEYS, async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        find_coordinator(&mut client).await;
        let before = stage.memory_peak.get();
        let mut responses = Vec::new();
        for number in 0..JOINS {
            responses.push(join(&mut client, &format!("g{number}")).await);
        }
        let joined: Vec<usize> = (0..JOINS).filter(|number| responses[*number].0 == 0).collect();
        assert_eq!(joined, (0..GROUPS_MAX).collect::<Vec<_>>());
        assert!(responses[GROUPS_MAX..].iter().all(|(error, _)| *error == LATER));
        assert!(stage.memory_peak.get() - before < MEMORY_BYTES / 4);
        // Small ones fit still, and who leaves makes room for another.
        assert_eq!(commit(&mut client, "small", "text").await, 0);
        leave(&mut client, "g0", &responses[0].1).await;
        assert_eq!(join(&mut client, "another").await.0, 0);
        assert_eq!(join(&mut client, "one more").await.0, LATER);
    });
}

/// Returns whether a request that names a group many times gets a response. Otherwise its connection ends.
async fn is_described(client: &mut Client, group: &str, times: usize) -> bool {
    let request =
        DescribeGroupsRequest { groups: vec![group.into(); times], ..DescribeGroupsRequest::default() };
    client.send(ApiKey::DescribeGroups, 0, |writer, version| request.encode(writer, version)).await;
    client.response().await.is_some()
}

#[test]
fn a_large_group_that_is_named_again_and_again_ends_the_connection() {
    play(1, KEYS, async |stage| {
        let mut client = Client::connect(stage.address).await;
        find_coordinator(&mut client).await;
        let (error, member) = join(&mut client, "a large group").await;
        assert_eq!(error, 0);
        sync(&mut client, "a large group", &member).await;
        assert!(is_described(&mut client, "a large group", 4).await);
        assert!(!is_described(&mut client, "a large group", 1_000).await);
    });
}

#[test]
fn offsets_of_more_groups_than_there_is_memory_for_are_told_to_come_later() {
    play(1, &[("offsets.topic.num.partitions", "4")], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        find_coordinator(&mut client).await;
        let text = "x".repeat(4_000);
        let mut errors = Vec::new();
        for number in 0..2_000 {
            errors.push(commit(&mut client, &format!("g{number}"), &text).await);
        }
        let committed = errors.iter().filter(|error| **error == 0).count();
        assert!((1_000..1_900).contains(&committed), "{committed}");
        assert!(errors[committed..].iter().all(|error| *error == LATER));
        assert_eq!(commit(&mut client, "g0", &text).await, 0, "it adds nothing");
        assert_eq!(commit(&mut client, "g0", "").await, 0);
    });
}
