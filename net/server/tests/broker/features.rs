//! Levels of features that are changed on one connection and act on all, whatever shard serves them.

use bytes::Bytes;
use millrace_wire::messages::api_versions_request::ApiVersionsRequest;
use millrace_wire::messages::api_versions_response::ApiVersionsResponse;
use millrace_wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use millrace_wire::messages::consumer_group_describe_response::ConsumerGroupDescribeResponse;
use millrace_wire::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use millrace_wire::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use millrace_wire::messages::update_features_request::{FeatureUpdateKey, UpdateFeaturesRequest};
use millrace_wire::messages::update_features_response::UpdateFeaturesResponse;
use millrace_wire::{ApiKey, ErrorCode, Reader};

use crate::client::{Client, HEADER_BYTES};
use crate::stage::play;

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;

#[test]
fn levels_act_on_every_shard() {
    play(3, &[], async |stage| {
        let mut clients = Vec::new();
        // Connections are dealt to the shards in turn.
        for _ in 0..6 {
            clients.push(Client::connect(stage.address).await);
        }
        let used = vec![("group.version".to_owned(), 1), ("metadata.version".to_owned(), 30)];
        let without = vec![("metadata.version".to_owned(), 30)];
        let mut epoch = 0;
        for at in 0..clients.len() {
            check(&mut clients, (epoch, &used), Served::Yes).await;
            assert_eq!(update(&mut clients[at], 0, UPGRADE).await, ErrorCode::InvalidUpdateVersion.code());
            assert_eq!(update(&mut clients[at], 1, UPGRADE).await, 0);
            check(&mut clients, (epoch, &used), Served::Yes).await;
            assert_eq!(update(&mut clients[at], 0, SAFE_DOWNGRADE).await, 0);
            epoch += 1;
            check(&mut clients, (epoch, &without), Served::No).await;
            assert_eq!(update(&mut clients[at], 1, UPGRADE).await, 0);
            epoch += 1;
        }
        check(&mut clients, (epoch, &used), Served::Yes).await;
    });
}

/// Whether groups of the consumer protocol are.
#[derive(PartialEq)]
enum Served {
    Yes,
    No,
}

async fn check(clients: &mut [Client], expected: (i64, &Vec<(String, i16)>), served: Served) {
    for client in clients {
        let (epoch, levels) = features(client).await;
        assert_eq!((epoch, &levels), expected);
        for error in [heartbeat(client).await, describe(client).await] {
            assert_eq!(error == ErrorCode::UnsupportedVersion.code(), served == Served::No, "error {error}");
        }
    }
}

/// Asks for a level of `group.version`; the error.
async fn update(client: &mut Client, level: i16, upgrade_type: i8) -> i16 {
    let feature = FeatureUpdateKey {
        feature: "group.version".into(),
        max_version_level: level,
        upgrade_type,
        ..FeatureUpdateKey::default()
    };
    let request =
        UpdateFeaturesRequest { feature_updates: vec![feature], ..UpdateFeaturesRequest::default() };
    client.send(ApiKey::UpdateFeatures, 2, |writer, version| request.encode(writer, version)).await;
    let body = response(client, HEADER_BYTES).await;
    UpdateFeaturesResponse::decode(&mut Reader::new(&body), 2).unwrap().error_code
}

/// The epoch and the levels that ApiVersions tells.
async fn features(client: &mut Client) -> (i64, Vec<(String, i16)>) {
    let request =
        ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
    client.send(ApiKey::ApiVersions, 4, |writer, version| request.encode(writer, version)).await;
    // Its header has no tags in any version.
    let body = response(client, HEADER_BYTES - 1).await;
    let response = ApiVersionsResponse::decode(&mut Reader::new(&body), 4).unwrap();
    let levels = response.finalized_features.iter().map(|it| (it.name.to_string(), it.max_version_level));
    (response.finalized_features_epoch, levels.collect())
}

/// The error of an unknown member.
async fn heartbeat(client: &mut Client) -> i16 {
    let request = ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch: 5,
        ..ConsumerGroupHeartbeatRequest::default()
    };
    client.send(ApiKey::ConsumerGroupHeartbeat, 1, |writer, version| request.encode(writer, version)).await;
    let body = response(client, HEADER_BYTES).await;
    ConsumerGroupHeartbeatResponse::decode(&mut Reader::new(&body), 1).unwrap().error_code
}

async fn describe(client: &mut Client) -> i16 {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec!["g".into()],
        ..ConsumerGroupDescribeRequest::default()
    };
    client.send(ApiKey::ConsumerGroupDescribe, 1, |writer, version| request.encode(writer, version)).await;
    let body = response(client, HEADER_BYTES).await;
    ConsumerGroupDescribeResponse::decode(&mut Reader::new(&body), 1).unwrap().groups[0].error_code
}

/// Returns the next response from the byte `from` on.
async fn response(client: &mut Client, from: usize) -> Bytes {
    client.response().await.expect("the broker responses").slice(from..)
}
