//! Topics that get more partitions while they are used.

use std::time::Duration;

use millrace_rt::{now, sleep};
use millrace_wire::ErrorCode;

use crate::client::Client;
use crate::stage::play;

#[test]
fn new_partitions_are_served_on_whichever_shard() {
    play(3, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        assert_eq!(client.produce("t", 0, b"before").await, (0, 0));
        let unknown = ErrorCode::UnknownTopicOrPartition.code();
        assert_eq!(client.produce("t", 1, b"too early").await.0, unknown);
        assert_eq!(client.create_partitions("t", 8).await, 0);
        for partition in 1..8 {
            assert_eq!(client.produce("t", partition, b"value").await, (0, 0), "partition {partition}");
            assert!(client.fetch("t", partition, 0, 100).await > 0, "partition {partition}");
        }
        assert_eq!(client.produce("t", 0, b"after").await, (0, 1));
        assert_eq!(client.produce("t", 8, b"too far").await.0, unknown);
        assert_eq!(client.create_partitions("t", 8).await, ErrorCode::InvalidPartitions.code());
        assert_eq!(client.create_partitions("none", 8).await, unknown);
    });
}

#[test]
fn a_fetch_that_waits_goes_on_beside_new_partitions() {
    play(2, &[], async |stage| {
        let mut reader = Client::connect(stage.address).await;
        reader.create_topic("t", 1).await;
        let begun = now();
        reader.send_fetch("t", 0, 0, 5_000).await;
        sleep(Duration::from_millis(10)).await;
        let mut other = Client::connect(stage.address).await;
        assert_eq!(other.create_partitions("t", 4).await, 0);
        assert_eq!(other.produce("t", 0, b"value").await, (0, 0));
        assert!(reader.response().await.is_some());
        assert!(now() - begun < Duration::from_secs(1), "the record ends the wait");
        assert!(reader.fetch("t", 0, 0, 100).await > 0);
    });
}
