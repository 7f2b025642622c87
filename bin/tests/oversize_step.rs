//! Changes of groups that no batch of `__consumer_offsets` holds, over a broker process that is killed: those
//! that may be written in parts are there afterwards, whole; those that may not were refused, whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/compact.rs"]
mod compact;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/requests.rs"]
mod requests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use broker::{Broker, address};
use directory::Directory;
use requests::{Answer, Bytes, Connection};

const OFFSET_COMMIT: (i16, i16) = (8, 2);
const OFFSET_FETCH: (i16, i16) = (9, 2);
const FIND_COORDINATOR: (i16, i16) = (10, 0);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const CONSUMER_GROUP_HEARTBEAT: (i16, i16) = (68, 0);

const UNKNOWN_SERVER_ERROR: i16 = -1;

const TOPIC: &str = "later";
const GROUP: &str = "large";
/// One for each partition.
const MEMBERS: usize = 40;
const MEMBER_ID_BYTES: usize = 60;
const METADATA_BYTES: usize = 100;
/// Partitions of one commit that fits.
const PARTITIONS_AT_ONCE: usize = 10;

/// What a batch of the broker may have.
const BATCH_BYTES_MAX: usize = 2_000;
/// Of a new assignment there is a record for each member, with the member's id and the topic's.
const _: () = assert!(MEMBERS * (MEMBER_ID_BYTES + 16) > BATCH_BYTES_MAX);
const _: () = assert!(MEMBERS * METADATA_BYTES > BATCH_BYTES_MAX);

/// A coordinator that is just read, or made, is there by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a heartbeat is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Beat {
    epoch: i32,
    partitions: BTreeSet<i32>,
}

fn start(directory: &Directory) -> (Broker, Connection) {
    let batch = format!("message.max.bytes={BATCH_BYTES_MAX}");
    let settings = ["offsets.topic.num.partitions=1", "group.consumer.assignment.interval.ms=0", &batch];
    let mut arguments = vec!["--log-format", "json"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    let mut broker = Broker::start(directory, &arguments, &[]);
    let address = address(&broker.json_until("listening"), "listening");
    let connection = Connection::open(&address);
    (broker, connection)
}

/// As `kill -9` does it: the process says and writes nothing more.
fn kill(mut broker: Broker) {
    broker.child.kill().unwrap();
    assert_eq!(broker.child.wait().unwrap().code(), None);
}

fn member_id(number: usize) -> String {
    format!("{number:0MEMBER_ID_BYTES$}")
}

/// Asks until the coordinator is there.
fn ask_coordinator(
    client: &mut Connection,
    request: (i16, i16),
    body: &[u8],
    error_of: impl Fn(&[u8]) -> i16,
) -> Vec<u8> {
    let mut asked = Bytes::default();
    asked.text(GROUP);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.ask(request, body);
        let error = error_of(&answer);
        // The coordinator is read, is not there yet, or is not known.
        if !(14..=16).contains(&error) {
            return answer;
        }
        assert!(Instant::now() < deadline, "error {error}");
        client.ask(FIND_COORDINATOR, &asked.0);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A heartbeat that says everything and owns nothing; epoch 0 joins.
fn beat(client: &mut Connection, member: usize, epoch: i32) -> Beat {
    let mut body = Bytes::default();
    // Lengths of the compact form are one more than they are, and tags end each part.
    body.i8(0).compact(GROUP).compact(&member_id(member)).i32(epoch).i8(0).i8(0).i32(60_000);
    body.i8(2).compact(TOPIC).i8(0).i8(1).i8(0);
    let error_of = |answer: &[u8]| Answer(&answer[5..]).i16();
    let answer = ask_coordinator(client, CONSUMER_GROUP_HEARTBEAT, &body.0, error_of);
    let mut answer = Answer(&answer);
    let (_tags, _throttle, error, message) = (answer.i8(), answer.i32(), answer.i16(), answer.compact());
    assert_eq!(error, 0, "member {member}: {message}");
    let (_member, epoch, _interval) = (answer.compact(), answer.i32(), answer.i32());
    let mut partitions = BTreeSet::new();
    // None where nothing is new.
    if answer.i8() == 1 {
        for _topic in 1..answer.i8() {
            answer.0 = &answer.0[16..];
            partitions.extend((1..answer.i8()).map(|_| answer.i32()));
            answer.i8();
        }
    }
    Beat { epoch, partitions }
}

/// Every member of the group says where it stands; what each is told.
fn beat_all(client: &mut Connection, before: &[Beat]) -> Vec<Beat> {
    before.iter().enumerate().map(|(member, beat_before)| beat(client, member, beat_before.epoch)).collect()
}

/// Until each member has a partition of its own.
fn settle(client: &mut Connection, mut beats: Vec<Beat>) -> Vec<Beat> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told: BTreeSet<i32> = beats.iter().flat_map(|beat| beat.partitions.iter().copied()).collect();
        if told.len() == MEMBERS && beats.iter().all(|beat| beat.partitions.len() == 1) {
            return beats;
        }
        assert!(Instant::now() < deadline, "{beats:?}");
        beats = beat_all(client, &beats);
    }
}

fn create_topic(client: &mut Connection) {
    let mut body = Bytes::default();
    body.i32(1).text(TOPIC).i32(MEMBERS as i32).i16(1).i32(0).i32(0).i32(10_000).i8(0);
    let answer = client.ask(CREATE_TOPICS, &body.0);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i32(), answer.i32(), answer.text().as_str(), answer.i16()), (0, 1, TOPIC, 0));
}

/// Commits `offset` of these partitions, each with a note of its own, as a tool does it; the errors of all.
fn commit(client: &mut Connection, partitions: std::ops::Range<usize>, offset: i32) -> BTreeSet<i16> {
    let mut body = Bytes::default();
    // No generation, no member, and the broker's retention.
    body.text("tool").i32(-1).text("").i32(-1).i32(-1).i32(1).text(TOPIC).i32(partitions.len() as i32);
    for partition in partitions.clone() {
        body.i32(partition as i32).i32(0).i32(offset).text(&note(partition, offset));
    }
    let first_error = |answer: &[u8]| {
        let mut answer = Answer(answer);
        let _before = (answer.i32(), answer.text(), answer.i32(), answer.i32());
        answer.i16()
    };
    let answer = ask_coordinator(client, OFFSET_COMMIT, &body.0, first_error);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i32(), answer.text().as_str(), answer.i32()), (1, TOPIC, partitions.len() as i32));
    partitions.map(|_| (answer.i32(), answer.i16()).1).collect()
}

fn note(partition: usize, offset: i32) -> String {
    format!("{:0METADATA_BYTES$}", 1_000 * partition + offset as usize)
}

/// Offset and note of each partition, as they are committed.
fn committed(client: &mut Connection) -> Vec<(i32, String)> {
    let mut body = Bytes::default();
    body.text("tool").i32(1).text(TOPIC).i32(MEMBERS as i32);
    (0..MEMBERS).for_each(|partition| {
        body.i32(partition as i32);
    });
    // The error of the whole comes last.
    let error_of = |answer: &[u8]| Answer(&answer[answer.len() - 2..]).i16();
    let answer = ask_coordinator(client, OFFSET_FETCH, &body.0, error_of);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i32(), answer.text().as_str(), answer.i32()), (1, TOPIC, MEMBERS as i32));
    let mut found: Vec<(i32, i32, String)> = Vec::new();
    for _ in 0..MEMBERS {
        let (partition, high, low, note) = (answer.i32(), answer.i32(), answer.i32(), answer.text());
        assert_eq!((high, answer.i16()), (0, 0), "partition {partition}");
        found.push((partition, low, note));
    }
    found.sort_unstable();
    found.into_iter().map(|(_, offset, note)| (offset, note)).collect()
}

#[test]
fn what_no_batch_holds_is_there_whole_after_a_kill_or_was_refused() {
    let directory = Directory::new("oversize-step");
    let (broker, mut client) = start(&directory);
    let joined = (0..MEMBERS).map(|member| beat(&mut client, member, 0)).collect();
    create_topic(&mut client);
    let settled = settle(&mut client, joined);
    for first in (0..MEMBERS).step_by(PARTITIONS_AT_ONCE) {
        assert_eq!(commit(&mut client, first..first + PARTITIONS_AT_ONCE, 7), BTreeSet::from([0]));
    }
    // Offsets are committed in one batch, as Kafka does it.
    assert_eq!(commit(&mut client, 0..MEMBERS, 8), BTreeSet::from([UNKNOWN_SERVER_ERROR]));
    let expected: Vec<(i32, String)> = (0..MEMBERS).map(|partition| (7, note(partition, 7))).collect();
    assert_eq!(committed(&mut client), expected);
    kill(broker);

    let (broker, mut client) = start(&directory);
    assert_eq!(committed(&mut client), expected);
    assert_eq!(beat_all(&mut client, &settled), settled);
    broker.terminate();
    broker.ended_well();
}
