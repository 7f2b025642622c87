//! A long request costs the broker what its length is worth: of each API one with its longest list, of a
//! length and of four times that, which may take eight times the processor's time,
//! where anything quadratic takes sixteen.

use std::time::Duration;

use bytes::Bytes;
use millrace_rt::sleep;
use millrace_wire::{ApiKey, RequestHead, encode_request_frame};

use crate::client::{Client, produced};
use crate::shapes::{PARTITIONS, SHAPES, Shape, TOPIC};
use crate::stage::play_once;

/// What a request of four times the length may take of the shorter one's time.
const RATIO_MAX: u64 = 8;
/// A ratio that is too high is looked at again: neighbours on the same core spoil caches.
const TRIES: usize = 4;
/// A run that is shorter says nothing.
const NANOS_MIN: u64 = 1_000_000;

/// Nanoseconds that this thread, on which the world runs with the broker in it, has had of a processor.
#[expect(clippy::disallowed_methods, reason = "the time of a thread is in no clock that the runtime has")]
fn thread_nanos() -> u64 {
    // What the kernel has counted so far is brought up to date when a thread gives way.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// Nanoseconds from the request to its response, the least of a few.
async fn nanos(client: &mut Client, shape: &Shape, size: usize, number: &mut usize) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..3 {
        *number += 1;
        let encode = (shape.make)(size, *number);
        // What the one before left to do in the background is done.
        sleep(Duration::from_secs(2)).await;
        let before = thread_nanos();
        client.send(shape.api, shape.version, |writer, version| encode(writer, version)).await;
        let response = client.response().await;
        let what = format!("{:?} of {size} {}", shape.api, shape.name);
        assert!(response.is_some(), "{what} ended its connection");
        least = least.min(thread_nanos() - before);
    }
    least
}

/// Of this memory the longest request may have as much as the constants above say.
const MEMORY: &str = "64MiB";
const CONTROL_BYTES: usize = 512 << 10;
const MEMBERS_BYTES: usize = 2 << 20;
const PRODUCE_BYTES: usize = 8 << 20;

/// So long a turn of the shard may be, in a build for use;
/// what is built for tests takes some ten times as long.
const TURN_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 20 });

/// The longest request of a shape that is accepted, in elements.
fn largest(shape: &Shape) -> usize {
    let bytes_max = match shape.api {
        ApiKey::Produce => PRODUCE_BYTES,
        ApiKey::JoinGroup | ApiKey::SyncGroup => MEMBERS_BYTES,
        _ => CONTROL_BYTES,
    };
    let encode = (shape.make)(shape.size, 1_000);
    let header = RequestHead { api: shape.api, version: shape.version, correlation_id: 0, client_id: None };
    let pieces = encode_request_frame(header, |writer| encode(writer, shape.version)).unwrap();
    let bytes: usize = pieces.iter().map(Bytes::len).sum();
    let fitting = shape.size * bytes_max / bytes * 19 / 20;
    shape.most.map_or(fitting, |most| most.min(fitting))
}

#[test]
fn the_longest_requests_give_way_to_others() {
    let keys = [
        ("offsets.topic.num.partitions", "4"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("millrace.memory", MEMORY),
    ];
    play_once(1, &keys, async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert_eq!(client.create_topic(TOPIC, PARTITIONS).await, 0);
        let mut number = 1_000;
        let mut found = Vec::new();
        for shape in SHAPES {
            let size = largest(shape);
            let mut least = Duration::MAX;
            for _ in 0..TRIES {
                number += 1;
                let encode = (shape.make)(size, number);
                sleep(Duration::from_secs(2)).await;
                stage.longest_turn.set(Duration::ZERO);
                client.send(shape.api, shape.version, |writer, version| encode(writer, version)).await;
                if client.response().await.is_none() {
                    // Longer than its memory allows, for what it is: it was refused,
                    // which took its time, too.
                    client = Client::connect(stage.address).await;
                }
                least = least.min(stage.longest_turn.get());
                if least <= TURN_MAX {
                    break;
                }
            }
            println!("{:?}, {size} {}: {least:?}", shape.api, shape.name);
            if least > TURN_MAX {
                found.push(format!("{:?}, {size} {}: {least:?}", shape.api, shape.name));
            }
        }
        assert!(found.is_empty(), "these keep a shard from its other work: {found:#?}");
    });
}

#[test]
fn a_request_takes_what_its_length_is_worth() {
    let keys = [("offsets.topic.num.partitions", "4"), ("group.initial.rebalance.delay.ms", "0")];
    play_once(1, &keys, async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert_eq!(client.create_topic(TOPIC, PARTITIONS).await, 0);
        client.send_produce(TOPIC, 0, -1, b"value").await;
        assert_eq!(produced(&client.response().await.unwrap()), (0, 0));
        let mut number = 0;
        let mut found = Vec::new();
        for shape in SHAPES {
            let mut seen = Vec::new();
            let is_linear = loop {
                let small = nanos(&mut client, shape, shape.size, &mut number).await;
                let large = nanos(&mut client, shape, 4 * shape.size, &mut number).await;
                seen.push((small, large));
                if large < RATIO_MAX * small.max(NANOS_MIN) {
                    break true;
                }
                if seen.len() == TRIES {
                    break false;
                }
            };
            println!("{:?}, {} {}: {seen:?} ns", shape.api, shape.size, shape.name);
            if !is_linear {
                found.push(format!("{:?}, {} {}: {seen:?}", shape.api, shape.size, shape.name));
            }
        }
        assert!(found.is_empty(), "these take more than they are worth: {found:#?}");
    });
}
