//! Requests that would take much more than their bytes: long lists of next to nothing,
//! and batches that are bombs.

use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::TimestampMs;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_wire::ApiKey;
use millrace_wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_wire::messages::describe_groups_request::DescribeGroupsRequest;

use crate::client::{Client, produced};
use crate::stage::{play, play_once};

const NONE: i16 = 0;
const INVALID_RECORD: i16 = 87;
/// Beyond what the records of a batch may come to.
const BOMB_BYTES: usize = 130 << 20;
/// More than is inflated at once.
const LARGE_BYTES: usize = 3 << 20;

/// Returns whether a request of `groups` groups, with names of `letters` letters, gets a response.
/// Otherwise its connection ends.
async fn is_answered(client: &mut Client, groups: usize, letters: usize) -> bool {
    let name = "g".repeat(letters);
    let groups = vec![name.as_str().into(); groups];
    let request = DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() };
    client.send(ApiKey::DescribeGroups, 0, |writer, version| request.encode(writer, version)).await;
    client.response().await.is_some()
}

#[test]
fn lists_that_take_much_more_than_their_bytes_end_the_connection() {
    play(1, &[], async |stage| {
        for (groups, letters, expected) in [
            (1_000, 0, true),
            // 24 bytes of memory for two of the frame.
            (20_000, 0, false),
            (20_000, 10, true),
            // Longer than such requests may be.
            (100_000, 10, false),
        ] {
            let mut client = Client::connect(stage.address).await;
            let answered = is_answered(&mut client, groups, letters).await;
            assert_eq!(answered, expected, "{groups} names of {letters} letters");
        }
    });
}

/// Returns whether a request that asks several times for all settings of the broker gets a response.
async fn is_described(client: &mut Client, times: usize) -> bool {
    const BROKER: i8 = 4;
    let broker = DescribeConfigsResource {
        resource_type: BROKER,
        resource_name: "1".into(),
        configuration_keys: None,
    };
    let request =
        DescribeConfigsRequest { resources: vec![broker; times], ..DescribeConfigsRequest::default() };
    client.send(ApiKey::DescribeConfigs, 1, |writer, version| request.encode(writer, version)).await;
    client.response().await.is_some()
}

#[test]
fn a_resource_that_is_named_again_and_again_ends_the_connection() {
    play(1, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert!(is_described(&mut client, 20).await);
        assert!(!is_described(&mut client, 5_000).await);
    });
}

/// A batch of one record of zeros.
fn zeros(bytes: usize) -> Bytes {
    let zeros = vec![0; bytes];
    let mut builder = BatchBuilder::new(Codec::Zstd);
    builder.push(BatchRecord { timestamp: TimestampMs(-1), key: None, value: Some(&zeros), headers: &[] });
    builder.build().into()
}

/// The error code.
async fn sent(client: &mut Client, batch: Bytes) -> i16 {
    client.send_batch("t", 0, -1, batch).await;
    let frame = client.response().await.expect("a batch is answered");
    produced(&frame).0
}

#[test]
fn a_bomb_is_refused_and_a_large_batch_is_not() {
    let (bomb, large) = (zeros(BOMB_BYTES), zeros(LARGE_BYTES));
    // On the shard of the connection, and over the mesh.
    for shards in [1, 3] {
        let (bomb, large) = (bomb.clone(), large.clone());
        play(shards, &[], move |stage| {
            let (bomb, large) = (bomb.clone(), large.clone());
            async move {
                let mut client = Client::connect(stage.address).await;
                client.create_topic("t", 1).await;
                assert_eq!(sent(&mut client, large.clone()).await, NONE);
                assert_eq!(sent(&mut client, bomb).await, INVALID_RECORD);
                assert_eq!(sent(&mut client, large).await, NONE);
                assert_eq!(client.produce("t", 0, &[1; 100]).await, (NONE, 2));
            }
        });
    }
}

/// Batches that inflate to much, each of which takes up to 20 ms aside, hold up their own partition alone,
/// whichever shard owns it; and that one keeps their order.
#[test]
fn only_their_own_partition_waits_for_batches_that_inflate() {
    const LARGE: usize = 20;
    let large = zeros(LARGE_BYTES);
    for shards in [1, 2] {
        let large = large.clone();
        play_once(shards, &[], move |stage| {
            let large = large.clone();
            async move {
                let mut greedy = Client::connect(stage.address).await;
                let mut other = Client::connect(stage.address).await;
                greedy.create_topic("t", 8).await;
                for partition in 1..8 {
                    assert_eq!(other.produce("t", partition, &[1; 100]).await, (NONE, 0));
                }
                for _ in 0..LARGE {
                    greedy.send_batch("t", 0, -1, large.clone()).await;
                }
                greedy.send_produce("t", 0, -1, &[1; 100]).await;
                // All of it has come.
                millrace_rt::sleep(Duration::from_millis(5)).await;
                let begun = millrace_rt::now();
                for partition in 1..8 {
                    let sent = millrace_rt::now();
                    assert_eq!(other.produce("t", partition, &[1; 100]).await, (NONE, 1));
                    let took = millrace_rt::now() - sent;
                    assert!(took < Duration::from_millis(45), "partition {partition} took {took:?}");
                }
                let mut ends = Vec::new();
                for _ in 0..=LARGE {
                    ends.push(produced(&greedy.response().await.expect("each is answered")));
                }
                assert!(ends.iter().map(|end| end.1).eq(0..=LARGE as i64), "{ends:?}");
                let whole = millrace_rt::now() - begun;
                assert!(
                    whole > Duration::from_millis(80),
                    "the large ones took only {whole:?}: nothing is seen"
                );
            }
        });
    }
}
