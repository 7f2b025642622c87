//! Requests that would take much more than their bytes: long lists of next to nothing, and batches that are bombs.

use bytes::Bytes;
use millrace_core::base::TimestampMs;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_wire::ApiKey;
use millrace_wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_wire::messages::describe_groups_request::DescribeGroupsRequest;

use crate::client::{Client, produced};
use crate::stage::play;

const NONE: i16 = 0;
const INVALID_RECORD: i16 = 87;
/// Beyond what the records of a batch may come to.
const BOMB_BYTES: usize = 130 << 20;
/// More than is inflated at once.
const LARGE_BYTES: usize = 3 << 20;

/// Whether a request of so many groups, with names of so many letters, is answered; else its connection ends.
async fn is_answered(client: &mut Client, groups: usize, letters: usize) -> bool {
    let name = "g".repeat(letters);
    let groups = vec![name.as_str().into(); groups];
    let request = DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() };
    client.send(ApiKey::DescribeGroups, 0, |writer, version| request.encode(writer, version)).await;
    client.answer().await.is_some()
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

/// Whether a request for all settings of the broker, so many times, is answered.
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
    client.answer().await.is_some()
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
    let frame = client.answer().await.expect("a batch is answered");
    produced(&frame).0
}

/// Whether others are answered meanwhile is for `millrace-perf hostile` to say: here time is virtual.
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
