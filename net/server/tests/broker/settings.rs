//! Settings that change while the broker runs.

use crate::client::{BROKER, Client, TOPIC};
use crate::stage::play;

const NONE: i16 = 0;
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
fn connections_are_counted_against_the_newest_limit() {
    play(2, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert_eq!(client.alter(BROKER, "", "max.connections", Some("1")).await, NONE);
        let mut refused = Client::connect(stage.address).await;
        assert_eq!(refused.answer().await, None, "one connection is all there may be");
        assert_eq!(client.alter(BROKER, "1", "max.connections", Some("2")).await, NONE);
        let mut second = Client::connect(stage.address).await;
        second.send_metadata().await;
        assert!(second.answer().await.is_some());
    });
}
