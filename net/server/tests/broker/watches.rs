//! Readers that wait for thousands of partitions: what they take has a bound,
//! and who finds no room hears soon what is there.

use std::time::Duration;

use millrace_rt::now;
use millrace_wire::ApiKey;
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};

use crate::client::{Client, FETCH};
use crate::stage::play;

const PARTITIONS: i32 = 1_300;
/// A 32nd of it is for three such readers.
const MEMORY: &str = "32MiB";
const LISTED: usize = 3;
const MAX_WAIT_MS: i32 = 3_000;

async fn wait_for_all(client: &mut Client) {
    let wanted =
        |partition| FetchPartition { partition, partition_max_bytes: 100, ..FetchPartition::default() };
    let topic = FetchTopic {
        topic: "t".into(),
        partitions: (0..PARTITIONS).map(wanted).collect(),
        ..FetchTopic::default()
    };
    let request = FetchRequest {
        max_wait_ms: MAX_WAIT_MS,
        min_bytes: 1,
        max_bytes: 1_000,
        topics: vec![topic],
        ..FetchRequest::default()
    };
    client.send(ApiKey::Fetch, FETCH, |writer, version| request.encode(writer, version)).await;
}

#[test]
fn readers_beyond_the_memory_for_those_who_wait_hear_soon_what_is_there() {
    play(1, &[("millrace.memory", MEMORY)], async |stage| {
        let mut producer = Client::connect(stage.address).await;
        assert_eq!(producer.create_topic("t", PARTITIONS).await, 0);
        let begun = now();
        let mut readers = Vec::new();
        for _ in 0..LISTED {
            let mut reader = Client::connect(stage.address).await;
            wait_for_all(&mut reader).await;
            readers.push(reader);
            millrace_rt::sleep(Duration::from_millis(20)).await;
        }
        let mut last = Client::connect(stage.address).await;
        let asked = now();
        wait_for_all(&mut last).await;
        assert!(last.response().await.is_some());
        let waited = now() - asked;
        assert!(waited >= Duration::from_millis(50) && waited < Duration::from_millis(500), "{waited:?}");
        // Those who found room are told of the record, and of nothing before.
        assert_eq!(producer.produce("t", 7, b"value").await.0, 0);
        for reader in &mut readers {
            assert!(reader.response().await.is_some());
        }
        assert!(now() - begun < Duration::from_millis(1_000));
        wait_for_all(&mut last).await;
        assert!(last.response().await.is_some());
    });
}
