//! Settings that change while the broker runs.

use std::time::Duration;

use millrace_core::base::{ProducerEpoch, ProducerId, Sequence, TimestampMs};
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_rt::{sleep, wall_now_ms};

use crate::client::{BROKER, Client, TOPIC, produced};
use crate::stage::{Stage, play};

const NONE: i16 = 0;
const INVALID_REQUEST: i16 = 42;
const MESSAGE_TOO_LARGE: i16 = 10;

#[test]
fn a_setting_acts_on_every_shard_once_it_is_answered() {
    play(3, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 6).await;
        let value = [7; 10_000];
        for (kind, name, key, limit, code) in [
            (BROKER, "", "message.max.bytes", Some("100"), MESSAGE_TOO_LARGE),
            (BROKER, "1", "message.max.bytes", Some("1000000"), NONE),
            (TOPIC, "t", "max.message.bytes", Some("200"), MESSAGE_TOO_LARGE),
            (TOPIC, "t", "max.message.bytes", None, NONE),
            (BROKER, "1", "message.max.bytes", None, MESSAGE_TOO_LARGE),
            (BROKER, "", "message.max.bytes", None, NONE),
        ] {
            assert_eq!(client.alter(kind, name, key, limit).await, NONE, "{key} {limit:?}");
            for partition in 0..6 {
                let (answered, _) = client.produce("t", partition, &value).await;
                assert_eq!(answered, code, "{key} of {name} {limit:?}, partition {partition}");
            }
        }
    });
}

#[test]
fn producers_expire_as_the_newest_setting_says() {
    const EXPIRATION: &str = "producer.id.expiration.ms";
    const OUT_OF_ORDER: i16 = 45;
    let check = ("producer.id.expiration.check.interval.ms", "60000");
    play(2, &[check], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        assert_eq!(produce_at(&mut client, 0).await, NONE);
        sleep(Duration::from_secs(61)).await;
        assert_eq!(produce_at(&mut client, 5).await, OUT_OF_ORDER, "it is known for a day");
        assert_eq!(client.alter(BROKER, "", EXPIRATION, Some("30000")).await, NONE);
        assert_eq!(produce_at(&mut client, 1).await, NONE);
        sleep(Duration::from_secs(91)).await;
        assert_eq!(produce_at(&mut client, 5).await, NONE, "it was forgotten, and begins anew");
        assert_eq!(client.alter(BROKER, "1", EXPIRATION, Some("86400000")).await, NONE);
        sleep(Duration::from_secs(121)).await;
        assert_eq!(produce_at(&mut client, 9).await, OUT_OF_ORDER, "this broker's own setting goes before");
    });
}

/// Appends a record of an idempotent producer and returns the error code.
async fn produce_at(client: &mut Client, sequence: i32) -> i16 {
    let batch = BatchBuilder::new(Codec::None)
        .producer(ProducerId(7), ProducerEpoch(0), Sequence(sequence))
        .record(BatchRecord::of_value(TimestampMs(wall_now_ms()), b"v"))
        .build();
    client.send_batch("t", 0, -1, batch.into()).await;
    produced(&client.response().await.expect("a response")).0
}

#[test]
fn connections_are_counted_against_the_newest_limit() {
    play(2, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert_eq!(client.alter(BROKER, "", "max.connections", Some("1")).await, NONE);
        let mut refused = Client::connect(stage.address).await;
        assert_eq!(refused.response().await, None, "one connection is all there may be");
        assert_eq!(client.alter(BROKER, "1", "max.connections", Some("2")).await, NONE);
        let mut second = Client::connect(stage.address).await;
        second.send_metadata().await;
        assert!(second.response().await.is_some());
    });
}

#[test]
fn an_address_has_as_many_connections_as_it_may() {
    const PER_ADDRESS: &str = "max.connections.per.ip";
    const OVERRIDES: &str = "max.connections.per.ip.overrides";
    play(2, &[(PER_ADDRESS, "2")], async |stage| {
        let mut first = Client::connect(stage.address).await;
        let second = Client::connect(stage.address).await;
        let mut refused = Client::connect(stage.address).await;
        assert_eq!(refused.response().await, None, "two connections are all it may have");
        drop(second);
        sleep(Duration::from_millis(10)).await;
        let mut third = Client::connect(stage.address).await;
        third.send_metadata().await;
        assert!(third.response().await.is_some(), "one that has closed makes room");
        assert_eq!(first.alter(BROKER, "", OVERRIDES, Some("10.0.0.2:3,10.0.0.9:1")).await, NONE);
        let mut fourth = Client::connect(stage.address).await;
        fourth.send_metadata().await;
        assert!(fourth.response().await.is_some(), "the override is for this address");
        let mut refused = Client::connect(stage.address).await;
        assert_eq!(refused.response().await, None);
        assert_eq!(first.alter(BROKER, "", OVERRIDES, Some("10.0.0.2")).await, INVALID_REQUEST);
        assert_eq!(first.alter(BROKER, "", PER_ADDRESS, Some("0")).await, NONE, "an override is left");
        assert_eq!(first.alter(BROKER, "", OVERRIDES, None).await, INVALID_REQUEST, "nobody could connect");
    });
}

#[test]
fn limits_of_addresses_are_layered_and_names_are_looked_up_when_they_are_set() {
    const PER_ADDRESS: &str = "max.connections.per.ip";
    const OVERRIDES: &str = "max.connections.per.ip.overrides";
    play(2, &[(OVERRIDES, "10.0.0.2:2")], async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert_eq!(client.alter(BROKER, "", PER_ADDRESS, Some("0")).await, NONE, "the file has an override");
        assert_eq!(connections(&stage, 8).await, 1, "with that of the client two");
        for (name, limits, more) in [
            ("", Some("ip-10-0-0-2:4"), 3),
            ("1", Some("ip-10-0-0-2:3"), 2),
            ("1", Some("10.0.0.2:1,10.0.0.2:5"), 4),
            ("1", None, 3),
            ("", None, 1),
        ] {
            assert_eq!(client.alter(BROKER, name, OVERRIDES, limits).await, NONE, "{name} {limits:?}");
            assert_eq!(connections(&stage, 8).await, more, "{name} {limits:?}");
        }
        assert_eq!(
            client.alter(BROKER, "1", OVERRIDES, Some("")).await,
            INVALID_REQUEST,
            "it hides the file's"
        );
    });
}

/// Returns how many of the new connections are served. All are closed then.
async fn connections(stage: &Stage, tried: usize) -> usize {
    let (mut served, mut open) = (0, Vec::new());
    for _ in 0..tried {
        let mut client = Client::connect(stage.address).await;
        client.send_metadata().await;
        served += usize::from(client.response().await.is_some());
        open.push(client);
    }
    drop(open);
    sleep(Duration::from_millis(10)).await;
    served
}
