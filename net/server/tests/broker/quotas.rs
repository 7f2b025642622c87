//! Client quotas at work: rates that are held on one shard and on several,
//! responses that come at once, connections that rest.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_rt::{Moment, now, sleep, timeout};
use millrace_wire::messages::alter_client_quotas_request::{
    AlterClientQuotasRequest, EntityData, EntryData, OpData,
};
use millrace_wire::messages::alter_client_quotas_response::AlterClientQuotasResponse;
use millrace_wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use millrace_wire::messages::create_topics_response::CreateTopicsResponse;
use millrace_wire::messages::fetch_response::FetchResponse;
use millrace_wire::messages::produce_response::ProduceResponse;
use millrace_wire::{ApiKey, Reader};

use crate::client::{CREATE_TOPICS, Client, FETCH, HEADER_BYTES, PRODUCE};
use crate::stage::play;

const ALTER_QUOTAS: i16 = 1;
const NONE: i16 = 0;
const QUOTA_EXCEEDED: i16 = 89;

/// How far what is held may be from what is set.
const TOLERANCE: f64 = 0.05;

impl Client {
    /// Sets a quota, or removes it. The entity is `kind=name`, with `*` for the default.
    async fn quota(&mut self, entity: &str, key: &str, value: Option<f64>) -> i16 {
        let entity = entity.split(' ').map(|part| {
            let (kind, name) = part.split_once('=').unwrap();
            let name = (name != "*").then(|| name.to_owned().into());
            EntityData { entity_type: kind.to_owned().into(), entity_name: name }
        });
        let op = OpData { key: key.into(), value: value.unwrap_or(0.0), remove: value.is_none() };
        let entry = EntryData { entity: entity.collect(), ops: vec![op] };
        let request = AlterClientQuotasRequest { entries: vec![entry], validate_only: false };
        self.send(ApiKey::AlterClientQuotas, ALTER_QUOTAS, |writer, version| request.encode(writer, version))
            .await;
        let frame = self.response().await.expect("changes of quotas are answered");
        let body = frame.slice(HEADER_BYTES..);
        let response = AlterClientQuotasResponse::decode(&mut Reader::new(&body), ALTER_QUOTAS).unwrap();
        response.entries[0].error_code
    }

    /// Creates a topic with a version of the request; error code and throttle time.
    async fn create_with(&mut self, version: i16, name: &str, partitions: i32) -> (i16, Duration) {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..CreateTopicsRequest::default() };
        self.send(ApiKey::CreateTopics, version, |writer, version| request.encode(writer, version)).await;
        let frame = self.response().await.expect("topics are created");
        let body = frame.slice(HEADER_BYTES..);
        let response = CreateTopicsResponse::decode(&mut Reader::new(&body), version).unwrap();
        (response.topics[0].error_code, millis(response.throttle_time_ms))
    }

    async fn response_to_produce(&mut self) -> Duration {
        let frame = self.response().await.expect("a produce request is answered");
        let body = frame.slice(HEADER_BYTES..);
        let response = ProduceResponse::decode(&mut Reader::new(&body), PRODUCE).unwrap();
        millis(response.throttle_time_ms)
    }

    /// Bytes of a fetch's response, how many topics it names, and its throttle time.
    async fn response_to_fetch(&mut self) -> (usize, usize, Duration) {
        let frame: Bytes = self.response().await.expect("a fetch is answered");
        let body = frame.slice(HEADER_BYTES..);
        let response = FetchResponse::decode(&mut Reader::new(&body), FETCH).unwrap();
        (frame.len(), response.responses.len(), millis(response.throttle_time_ms))
    }
}

fn millis(millis: i32) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap())
}

fn assert_held(what: &str, amount: f64, began: Moment, rate: f64) {
    let held = amount / (now() - began).as_secs_f64() / rate;
    assert!((held - 1.0).abs() < TOLERANCE, "{what}: {held:.3} of the rate");
}

/// Clients on connections of their own, to partitions of all shards, share the rate of their client id.
#[test]
fn producers_hold_their_rate_on_all_shards_together() {
    const RATE: f64 = 100_000.0;
    for shards in [1, 3] {
        play(shards, &[], async |stage| {
            let mut admin = Client::connect_as("admin", stage.address).await;
            admin.create_topic("t", 3).await;
            assert_eq!(admin.quota("client-id=app", "producer_byte_rate", Some(RATE)).await, NONE);
            let (began, sent) = (now(), Rc::new(Cell::new(0usize)));
            let end = began + Duration::from_secs(30);
            let mut producers = Vec::new();
            for partition in 0..3 {
                let (address, sent) = (stage.address, sent.clone());
                producers.push(millrace_rt::spawn(async move {
                    let mut client = Client::connect_as("app", address).await;
                    while now() < end {
                        client.send_produce("t", partition, -1, &[7; 9_900]).await;
                        client.response_to_produce().await;
                        sent.set(sent.get() + 10_000);
                    }
                }));
            }
            for producer in producers {
                producer.await;
            }
            assert_held("produced", sent.get() as f64, began, RATE);
            // It does not apply to other clients.
            let began = now();
            for _ in 0..100 {
                assert_eq!(admin.produce("t", 0, &[7; 9_900]).await.0, NONE);
            }
            assert!(now() - began < Duration::from_secs(5));
        });
    }
}

#[test]
fn fetches_hold_their_rate() {
    const RATE: f64 = 100_000.0;
    for shards in [1, 3] {
        play(shards, &[], async |stage| {
            let mut admin = Client::connect_as("admin", stage.address).await;
            admin.create_topic("t", 3).await;
            for partition in 0..3 {
                for _ in 0..30 {
                    admin.produce("t", partition, &[7; 20_000]).await;
                }
            }
            assert_eq!(admin.quota("user=*", "consumer_byte_rate", Some(RATE)).await, NONE);
            let began = now();
            let (mut client, mut received) = (Client::connect_as("app", stage.address).await, 0);
            let mut round = 0;
            while now() - began < Duration::from_secs(30) {
                round += 1;
                client.send_fetch("t", round % 3, i64::from(round % 20), 100).await;
                let (bytes, topics, throttled) = client.response_to_fetch().await;
                received += bytes;
                assert_eq!(topics == 0, throttled > Duration::ZERO, "who is over its rate gets nothing");
            }
            assert_held("fetched", received as f64, began, RATE);
        });
    }
}

/// KIP-219: the response comes at once and says how long the connection is not read.
#[test]
fn a_response_comes_at_once_and_the_next_after_its_throttle_time() {
    play(2, &[], async |stage| {
        let mut admin = Client::connect_as("admin", stage.address).await;
        admin.create_topic("t", 1).await;
        admin.quota("client-id=*", "producer_byte_rate", Some(1000.0)).await;
        for acks in [-1, 0] {
            let mut client =
                Client::connect_as(if acks == 0 { "silent" } else { "loud" }, stage.address).await;
            let began = now();
            client.send_produce("t", 0, acks, &[7; 4_400]).await;
            if acks == -1 {
                let throttled = client.response_to_produce().await;
                assert!(now() - began < Duration::from_secs(1), "the response does not wait");
                assert!((3900..4100).contains(&throttled.as_millis()), "{throttled:?}");
            }
            client.send_metadata().await;
            assert!(
                timeout(Duration::from_millis(3500), client.response()).await.is_none(),
                "it is not read"
            );
            assert!(client.response().await.is_some());
            assert!(now() - began < Duration::from_millis(4300));
        }
    });
}

/// A client that is muted for hours ends with the broker, and its quota with the change that takes it away.
#[test]
fn a_quota_that_is_taken_away_limits_nobody() {
    play(2, &[], async |stage| {
        let mut admin = Client::connect_as("admin", stage.address).await;
        admin.create_topic("t", 1).await;
        for entity in ["client-id=app", "user=ANONYMOUS", "user=* client-id=app"] {
            assert_eq!(admin.quota(entity, "producer_byte_rate", Some(1.0)).await, NONE);
            let mut client = Client::connect_as("app", stage.address).await;
            client.send_produce("t", 0, -1, &[7; 4_400]).await;
            assert!(client.response_to_produce().await > Duration::from_secs(3600), "{entity}");
            assert_eq!(admin.quota(entity, "producer_byte_rate", None).await, NONE);
            let mut other = Client::connect_as("app", stage.address).await;
            other.send_produce("t", 0, -1, &[7; 4_400]).await;
            assert_eq!(other.response_to_produce().await, Duration::ZERO, "{entity}");
        }
    });
}

#[test]
fn who_changes_too_many_topics_is_refused_or_rests() {
    play(3, &[("controller.quota.window.num", "2")], async |stage| {
        let mut admin = Client::connect_as("admin", stage.address).await;
        admin.quota("client-id=app", "controller_mutation_rate", Some(1.0)).await;
        let mut client = Client::connect_as("app", stage.address).await;
        assert_eq!(client.create_with(CREATE_TOPICS, "a", 5).await, (NONE, Duration::ZERO));
        let (code, throttled) = client.create_with(CREATE_TOPICS, "b", 1).await;
        assert_eq!(code, QUOTA_EXCEEDED);
        assert!((2900..=3000).contains(&throttled.as_millis()), "{throttled:?}");
        // It is read again when it may create one.
        assert_eq!(client.create_with(CREATE_TOPICS, "b", 1).await.0, NONE);
        let (code, throttled) = client.create_with(5, "c", 2).await;
        assert_eq!(code, NONE, "older versions know no error for it");
        assert!(throttled > Duration::from_secs(1), "{throttled:?}");
        assert_eq!(admin.create_with(CREATE_TOPICS, "d", 9).await, (NONE, Duration::ZERO));
    });
}

#[test]
fn an_address_makes_no_more_connections_than_it_may() {
    play(2, &[("quota.window.num", "2")], async |stage| {
        let mut admin = Client::connect_as("admin", stage.address).await;
        admin.quota("ip=10.0.0.2", "connection_creation_rate", Some(2.0)).await;
        for round in 0..3 {
            for _ in 0..2 {
                let mut client = Client::connect_as("app", stage.address).await;
                client.send_metadata().await;
                assert!(client.response().await.is_some(), "round {round}");
            }
            let began = now();
            let mut refused = Client::connect_as("app", stage.address).await;
            refused.send_metadata().await;
            assert!(refused.response().await.is_none(), "round {round}");
            let held = now() - began;
            assert!((100..=600).contains(&held.as_millis()), "round {round}: {held:?}");
            sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(admin.quota("ip=10.0.0.2", "connection_creation_rate", None).await, NONE);
        for _ in 0..20 {
            let mut client = Client::connect_as("app", stage.address).await;
            client.send_metadata().await;
            assert!(client.response().await.is_some());
        }
    });
}
