//! Members of groups that talk to a broker of two shards, one request at a time.

use std::time::Duration;

use bytes::Bytes;
use millrace_core::coord::records::consumer_protocol_subscription::ConsumerProtocolSubscription;
use millrace_rt::{now, sleep};
use millrace_wire::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use millrace_wire::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::find_coordinator_response::FindCoordinatorResponse;
use millrace_wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use millrace_wire::messages::join_group_response::JoinGroupResponse;
use millrace_wire::messages::list_groups_request::ListGroupsRequest;
use millrace_wire::messages::list_groups_response::ListGroupsResponse;
use millrace_wire::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use millrace_wire::messages::sync_group_response::SyncGroupResponse;
use millrace_wire::{ApiKey, ErrorCode, Reader};

use crate::client::{Client, GROUP, HEADER_BYTES, TOPIC};
use crate::stage::{Stage, play};

const FIND_COORDINATOR: i16 = 3;
/// Without the handshake over member ids, so that one request is enough.
const JOIN: i16 = 3;
const SYNC: i16 = 4;
const LIST: i16 = 5;
const BEAT: i16 = 1;

/// Header of a response whose form is not compact.
const PLAIN_HEADER_BYTES: usize = 4;

const KEYS: &[(&str, &str)] =
    &[("offsets.topic.num.partitions", "4"), ("group.initial.rebalance.delay.ms", "0")];

/// Groups that lie on both shards.
const GROUPS: [&str; 4] = ["a", "b", "c", "d"];

/// What a member is told of its generation.
struct Member {
    client: Client,
    id: String,
    generation: i32,
    leads: bool,
}

async fn member(stage: &Stage, group: &str) -> Client {
    let mut client = Client::connect(stage.address).await;
    let request = FindCoordinatorRequest { key: group.into(), ..FindCoordinatorRequest::default() };
    client
        .send(ApiKey::FindCoordinator, FIND_COORDINATOR, |writer, version| request.encode(writer, version))
        .await;
    let body = client.response().await.expect("a response").slice(HEADER_BYTES..);
    let found = FindCoordinatorResponse::decode(&mut Reader::new(&body), FIND_COORDINATOR).unwrap();
    assert_eq!((found.error_code, found.port), (0, 9092));
    client
}

async fn send_join(client: &mut Client, group: &str, id: &str) {
    send_join_with(client, group, id, b"topics").await;
}

async fn send_join_with(client: &mut Client, group: &str, id: &str, metadata: &[u8]) {
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: metadata.into() };
    let request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        member_id: id.into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    };
    client.send(ApiKey::JoinGroup, JOIN, |writer, version| request.encode(writer, version)).await;
}

async fn joined(mut client: Client) -> Member {
    let body = client.response().await.expect("a response").slice(PLAIN_HEADER_BYTES..);
    let joined = JoinGroupResponse::decode(&mut Reader::new(&body), JOIN).unwrap();
    assert_eq!(joined.error_code, 0);
    let (id, generation, leads) =
        (joined.member_id.to_string(), joined.generation_id, joined.leader == joined.member_id);
    Member { client, id, generation, leads }
}

async fn send_sync(member: &mut Member, group: &str, assignments: &[(String, &[u8])]) {
    let assignments = assignments.iter().map(|(id, part)| SyncGroupRequestAssignment {
        member_id: id.as_str().into(),
        assignment: (*part).into(),
    });
    let request = SyncGroupRequest {
        group_id: group.into(),
        generation_id: member.generation,
        member_id: member.id.as_str().into(),
        assignments: assignments.collect(),
        ..SyncGroupRequest::default()
    };
    member.client.send(ApiKey::SyncGroup, SYNC, |writer, version| request.encode(writer, version)).await;
}

/// Error and assignment.
async fn synced(member: &mut Member) -> (i16, Bytes) {
    let body = member.client.response().await.expect("a response").slice(HEADER_BYTES..);
    let synced = SyncGroupResponse::decode(&mut Reader::new(&body), SYNC).unwrap();
    (synced.error_code, Bytes::copy_from_slice(&synced.assignment))
}

#[test]
fn members_share_what_their_leader_assigns_on_whichever_shard() {
    play(2, KEYS, async |stage| {
        for group in GROUPS {
            let mut alone = member(&stage, group).await;
            send_join(&mut alone, group, "").await;
            let first = joined(alone).await;
            assert_eq!((first.generation, first.leads), (1, true));
            let Member { client: mut again, id, .. } = first;
            let mut other = member(&stage, group).await;
            send_join(&mut other, group, "").await;
            sleep(Duration::from_millis(10)).await;
            send_join(&mut again, group, &id).await;
            let (mut one, mut two) = (joined(again).await, joined(other).await);
            assert_eq!((one.generation, two.generation), (2, 2));
            assert_ne!(one.leads, two.leads);
            let parts: [(String, &[u8]); 2] = [(one.id.clone(), b"one"), (two.id.clone(), b"two")];
            let (leader, follower) = if one.leads { (&mut one, &mut two) } else { (&mut two, &mut one) };
            send_sync(follower, group, &[]).await;
            send_sync(leader, group, &parts).await;
            assert_eq!(synced(&mut one).await, (0, Bytes::from_static(b"one")));
            assert_eq!(synced(&mut two).await, (0, Bytes::from_static(b"two")));
        }
    });
}

#[test]
fn a_member_that_is_silent_loses_its_place() {
    play(2, KEYS, async |stage| {
        let mut client = member(&stage, "a").await;
        send_join(&mut client, "a", "").await;
        let silent = joined(client).await;
        let begun = now();
        let mut other = member(&stage, "a").await;
        send_join(&mut other, "a", "").await;
        let alone = joined(other).await;
        // It neither joins again nor sends heartbeats: its session ends, and with it the wait for it.
        assert_eq!((alone.generation, alone.leads), (2, true));
        let waited = now() - begun;
        assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&waited), "{waited:?}");
        let mut silent = Member { generation: 2, ..silent };
        send_sync(&mut silent, "a", &[]).await;
        assert_eq!(synced(&mut silent).await.0, ErrorCode::UnknownMemberId.code());
    });
}

#[test]
fn a_stop_sends_waiting_members_elsewhere() {
    play(2, KEYS, async |stage| {
        let mut client = member(&stage, "a").await;
        send_join(&mut client, "a", "").await;
        let _first = joined(client).await;
        let mut waiting = member(&stage, "a").await;
        send_join(&mut waiting, "a", "").await;
        sleep(Duration::from_millis(10)).await;
        stage.context.stop();
        // The word may come before the connection's end, or the end alone: either makes a client look
        // elsewhere. The stage sees to it that the broker does not wait for the group.
        if let Some(frame) = waiting.response().await {
            let body = frame.slice(PLAIN_HEADER_BYTES..);
            let refused = JoinGroupResponse::decode(&mut Reader::new(&body), JOIN).unwrap();
            assert_eq!(refused.error_code, ErrorCode::NotCoordinator.code());
        }
    });
}

/// Names and types of all groups.
async fn list(stage: &Stage) -> Vec<(String, String)> {
    let mut admin = Client::connect(stage.address).await;
    let request = ListGroupsRequest::default();
    admin.send(ApiKey::ListGroups, LIST, |writer, version| request.encode(writer, version)).await;
    let body = admin.response().await.expect("a response").slice(HEADER_BYTES..);
    let listed = ListGroupsResponse::decode(&mut Reader::new(&body), LIST).unwrap();
    assert_eq!(listed.error_code, 0);
    listed.groups.iter().map(|group| (group.group_id.to_string(), group.group_type.to_string())).collect()
}

/// In the order of the partitions that they lie in, and of their names there, whichever shard that is.
#[test]
fn groups_of_all_shards_are_listed() {
    play(2, KEYS, async |stage| {
        for group in GROUPS {
            let mut client = member(&stage, group).await;
            send_join(&mut client, group, "").await;
            joined(client).await;
        }
        let listed = list(&stage).await;
        let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        // Of four partitions "a" hashes to the second, and so on in a circle.
        assert_eq!(names, ["d", "a", "b", "c"]);
    });
}

/// Joins a group of the consumer protocol, or joins it again; when the next heartbeat is expected.
async fn beat(client: &mut Client, group: &str) -> i32 {
    let (error, interval_ms) = try_beat(client, group).await;
    assert_eq!(error, 0);
    interval_ms
}

/// The same with the error.
async fn try_beat(client: &mut Client, group: &str) -> (i16, i32) {
    let request = ConsumerGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: "m".into(),
        rebalance_timeout_ms: 10_000,
        subscribed_topic_names: Some(vec!["t".into()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    client
        .send(ApiKey::ConsumerGroupHeartbeat, BEAT, |writer, version| request.encode(writer, version))
        .await;
    let body = client.response().await.expect("a response").slice(HEADER_BYTES..);
    let beat = ConsumerGroupHeartbeatResponse::decode(&mut Reader::new(&body), BEAT).unwrap();
    (beat.error_code, beat.heartbeat_interval_ms)
}

#[test]
fn a_groups_own_setting_acts_once_it_is_answered_on_whichever_shard() {
    const INTERVAL: &str = "consumer.heartbeat.interval.ms";
    play(2, KEYS, async |stage| {
        let mut admin = Client::connect(stage.address).await;
        for group in GROUPS {
            let mut client = member(&stage, group).await;
            assert_eq!(beat(&mut client, group).await, 5000);
            for (value, code, interval) in
                [(Some("6000"), 0, 6000), (Some("1"), 40, 6000), (Some("7000"), 0, 7000), (None, 0, 5000)]
            {
                assert_eq!(admin.alter(GROUP, group, INTERVAL, value).await, code, "{group} {value:?}");
                assert_eq!(beat(&mut client, group).await, interval, "{group} {value:?}");
            }
        }
        // There are none for all groups.
        let mut client = member(&stage, "a").await;
        assert_eq!(admin.alter(GROUP, "", INTERVAL, Some("6000")).await, 42);
        assert_eq!(beat(&mut client, "a").await, 5000);
    });
}

#[test]
fn groups_stay_where_they_are_when_their_topic_grows() {
    play(2, KEYS, async |stage| {
        let mut members = Vec::new();
        for group in GROUPS {
            let mut client = member(&stage, group).await;
            send_join(&mut client, group, "").await;
            members.push((group, joined(client).await));
        }
        let mut admin = Client::connect(stage.address).await;
        assert_eq!(admin.create_partitions("__consumer_offsets", 5).await, 0);
        // Most of them would lie in another of five partitions than in one of four.
        for (group, mut one) in members {
            let parts: [(String, &[u8]); 1] = [(one.id.clone(), b"all")];
            send_sync(&mut one, group, &parts).await;
            assert_eq!(synced(&mut one).await, (0, Bytes::from_static(b"all")), "{group}");
        }
    });
}

#[test]
fn a_group_turns_only_where_a_batch_of_the_offsets_topic_holds_it() {
    const BATCH: &str = "max.message.bytes";
    // Its group as one of the consumer protocol is twice as large.
    let topics = (0..20).map(|number| format!("{number:050}")).collect();
    let subscription = ConsumerProtocolSubscription { topics, ..ConsumerProtocolSubscription::default() };
    let subscription: Bytes = subscription.to_bytes(1).unwrap().into();
    play(2, KEYS, move |stage| {
        let subscription = subscription.clone();
        async move {
            for group in GROUPS {
                let type_of = async || {
                    let listed = list(&stage).await;
                    listed.into_iter().find(|(name, _)| name == group).map(|(_, kind)| kind)
                };
                let mut client = member(&stage, group).await;
                send_join_with(&mut client, group, "", &subscription).await;
                let mut classic = joined(client).await;
                let nothing: [(String, &[u8]); 1] = [(classic.id.clone(), b"")];
                send_sync(&mut classic, group, &nothing).await;
                assert_eq!(synced(&mut classic).await.0, 0);
                let mut admin = Client::connect(stage.address).await;
                assert_eq!(admin.alter(TOPIC, "__consumer_offsets", BATCH, Some("2000")).await, 0);
                let mut newcomer = member(&stage, group).await;
                let refused = try_beat(&mut newcomer, group).await.0;
                assert_eq!((refused, type_of().await.as_deref()), (-1, Some("classic")), "{group}");
                assert_eq!(admin.alter(TOPIC, "__consumer_offsets", BATCH, None).await, 0);
                assert_eq!(try_beat(&mut newcomer, group).await.0, 0, "{group}");
                assert_eq!(type_of().await.as_deref(), Some("consumer"), "{group}");
            }
        }
    });
}
