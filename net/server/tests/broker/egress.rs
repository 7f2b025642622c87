//! Readers that ask for much and take nothing: what they hold, which others are served beside them,
//! and when they are closed.

use std::time::Duration;

use bytes::Bytes;
use millrace_core::log::BatchWalk;
use millrace_rt::{now, sleep};
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::fetch_response::FetchResponse;
use millrace_wire::{ApiKey, Reader};

use crate::client::{Client, FETCH, HEADER_BYTES};
use crate::stage::{Stage, play};

const TOPIC: &str = "egress";
const VALUE_BYTES: usize = 60_000;
/// More than tails and read cache of the smallest broker keep.
const RECORDS: i64 = 600;
/// Together they ask for more than the broker may use, each for other records.
const STALLED: i64 = 36;
/// Enough to fill what the network takes without a reader.
const REQUESTS_EACH: i64 = 12;
const MEMORY: &str = "32MiB";
const MEMORY_BYTES: u64 = 32 << 20;
/// After which a peer that takes nothing is closed, and the longest until the broker looks.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOKS: Duration = Duration::from_secs(6);

fn fill(offset: i64) -> u8 {
    (offset % 251) as u8
}

pub(crate) async fn store(client: &mut Client, topic: &str, first: i64, count: i64) {
    for offset in first..first + count {
        let value = vec![fill(offset); VALUE_BYTES];
        assert_eq!(client.produce(topic, 0, &value).await, (0, offset));
    }
}

/// A connection that asks for a mebibyte again and again.
async fn stall(stage: &Stage, from: i64) -> Client {
    let mut client = Client::connect(stage.address).await;
    for _ in 0..REQUESTS_EACH {
        client.send_fetch(TOPIC, 0, from, 500).await;
    }
    client
}

/// Reads from `next` on until `end`, and checks every batch.
pub(crate) async fn read(client: &mut Client, topic: &str, mut next: i64, end: i64) {
    while next < end {
        client.send_fetch(topic, 0, next, 500).await;
        let frame = client.response().await.expect("a fetch is answered");
        let body = frame.slice(HEADER_BYTES..);
        let response = FetchResponse::decode(&mut Reader::new(&body), FETCH).unwrap();
        let partition = &response.responses[0].partitions[0];
        assert_eq!(
            partition.error_code, 0,
            "at {next}, log {}..{}",
            partition.log_start_offset, partition.high_watermark
        );
        let records: Bytes = partition.records.clone().unwrap_or_default().into_bytes();
        for batch in BatchWalk::new(&records) {
            let batch = batch.unwrap();
            assert_eq!(batch.header.base_offset.0, next);
            let last = batch.bytes.len() - 2;
            assert_eq!(batch.bytes[last], fill(next), "the record's last byte at {next}");
            next += 1;
        }
    }
}

#[test]
fn readers_that_take_nothing_hold_little_and_are_closed() {
    // The records bear old times.
    play(1, &[("millrace.memory", MEMORY), ("log.retention.ms", "-1")], async |stage| {
        let mut honest = Client::connect(stage.address).await;
        honest.create_topic(TOPIC, 1).await;
        store(&mut honest, TOPIC, 0, RECORDS).await;
        let begun = now();
        let mut stalled = Vec::new();
        for reader in 0..STALLED {
            stalled.push(stall(&stage, reader * (RECORDS - 20) / STALLED).await);
        }
        sleep(Duration::from_secs(1)).await;
        // One that is slow, but takes something now and then.
        let mut slow = stall(&stage, 0).await;
        read(&mut honest, TOPIC, 0, RECORDS).await;
        store(&mut honest, TOPIC, RECORDS, 50).await;
        assert!(now() - begun < PATIENCE, "nobody waits for the stalled ones to be closed");
        let peak = stage.memory_peak.get();
        assert!(peak < MEMORY_BYTES, "{peak} bytes of memory");
        assert_eq!(stage.context.connections(), [STALLED as u32 + 2]);
        while now() - begun < PATIENCE + LOOKS {
            assert!(slow.response().await.is_some(), "a slow reader is served");
            sleep(Duration::from_secs(8)).await;
        }
        let left = stage.context.connections();
        assert!(left[0] < STALLED as u32 / 2, "{left:?} connections are left");
        read(&mut honest, TOPIC, RECORDS, RECORDS + 50).await;
        assert!(slow.response().await.is_some(), "a slow reader is served");
    });
}

#[test]
fn who_is_in_nobodys_way_may_take_its_time() {
    play(2, &[("log.retention.ms", "-1")], async |stage| {
        let mut honest = Client::connect(stage.address).await;
        honest.create_topic(TOPIC, 1).await;
        store(&mut honest, TOPIC, 0, 20).await;
        let mut stalled = stall(&stage, 0).await;
        sleep(PATIENCE * 3).await;
        for _ in 0..REQUESTS_EACH {
            assert!(stalled.response().await.is_some());
        }
    });
}

/// What a reader of so small a broker asks for is cut, and it waits all the same for as much as it wants to.
#[test]
fn a_fetch_that_is_cut_waits_for_its_least() {
    play(2, &[("millrace.memory", MEMORY), ("log.retention.ms", "-1")], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic(TOPIC, 1).await;
        assert_eq!(client.produce(TOPIC, 0, b"little").await.0, 0);
        for (least, in_vain) in [(1, false), (20_000, true)] {
            let begun = now();
            let wanted = FetchPartition {
                partition: 0,
                fetch_offset: 0,
                partition_max_bytes: i32::MAX,
                ..FetchPartition::default()
            };
            let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![wanted], ..FetchTopic::default() };
            let request = FetchRequest {
                max_wait_ms: 400,
                min_bytes: least,
                topics: vec![topic],
                ..FetchRequest::default()
            };
            client.send(ApiKey::Fetch, FETCH, |writer, version| request.encode(writer, version)).await;
            assert!(client.response().await.is_some());
            let waited = now() - begun >= Duration::from_millis(400);
            assert_eq!(waited, in_vain, "{least} bytes in {:?}", now() - begun);
        }
    });
}
