//! Client quotas of a broker process: they outlive `kill -9`, and hold clients within a tenth of their rates,
//! on one shard and on three. `cargo test -p millrace --test quotas -- --nocapture` prints what was held.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/metrics.rs"]
mod metrics;
#[path = "support/requests.rs"]
mod requests;

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use broker::{Broker, address};
use directory::Directory;
use metrics::{SERVED, metrics};
use millrace_core::base::TimestampMs;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use requests::{Answer, Bytes, Connection};

const PRODUCE: (i16, i16) = (0, 3);
const FETCH: (i16, i16) = (1, 4);
const METADATA: (i16, i16) = (3, 1);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const DESCRIBE_QUOTAS: (i16, i16) = (48, 0);
const ALTER_QUOTAS: (i16, i16) = (49, 0);

const TOPIC: &str = "t";
const PARTITIONS: i32 = 3;
const VALUE_BYTES: usize = 30_000;

/// Bytes in a second.
const PRODUCE_RATE: f64 = 2e6;
const FETCH_RATE: f64 = 3e6;
/// Percent of one shard.
const TIME_PERCENT: f64 = 2.0;

/// What a new client may be ahead is spent by then.
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(6);
/// How far what is held may be from what is set.
const TOLERANCE: f64 = 0.1;

fn start(directory: &Directory, shards: &str) -> (Broker, String, String) {
    let arguments = ["--log-format", "json", "--admin-listen", "127.0.0.1:0", "--shards", shards];
    let mut broker = Broker::start(directory, &arguments, &[]);
    let mut lines = broker.json_until(SERVED);
    if lines.iter().all(|line| line["message"] != "listening") {
        lines.extend(broker.json_until("listening"));
    }
    (broker, address(&lines, "listening"), address(&lines, SERVED))
}

/// Sets a quota of an entity of some parts; a name of everybody is empty.
fn set(connection: &mut Connection, entity: &[(&str, &str)], key: &str, value: f64) {
    let mut body = Bytes::default();
    body.i32(1).i32(entity.len() as i32);
    for (kind, name) in entity {
        body.text(kind);
        if name.is_empty() {
            body.i16(-1)
        } else {
            body.text(name)
        };
    }
    body.i32(1).text(key);
    body.0.extend(value.to_be_bytes());
    body.0.extend([0, 0]);
    let answer = connection.ask(ALTER_QUOTAS, &body.0);
    let mut answer = Answer(&answer);
    let (_throttled, _entries) = (answer.i32(), answer.i32());
    assert_eq!((answer.i16(), answer.text().as_str()), (0, ""), "{entity:?} {key}");
}

/// Every quota, as lines.
fn describe(connection: &mut Connection) -> Vec<String> {
    let mut body = Bytes::default();
    body.i32(0).0.push(0);
    let answer = connection.ask(DESCRIBE_QUOTAS, &body.0);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i32(), answer.i16(), answer.text().as_str()), (0, 0, ""));
    let mut lines = Vec::new();
    for _ in 0..answer.i32() {
        let mut line = String::new();
        for _ in 0..answer.i32() {
            line += &format!("{}={} ", answer.text(), answer.text());
        }
        for _ in 0..answer.i32() {
            line += &answer.text();
            let (value, rest) = answer.0.split_first_chunk().unwrap();
            answer.0 = rest;
            line += &format!("={} ", f64::from_be_bytes(*value));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[test]
fn quotas_outlive_a_killed_broker() {
    let directory = Directory::new("quotas");
    let (mut broker, address, _) = start(&directory, "1");
    let mut connection = Connection::open(&address);
    set(&mut connection, &[("client-id", "app")], "producer_byte_rate", 1e6);
    set(&mut connection, &[("user", ""), ("client-id", "app")], "request_percentage", 12.5);
    set(&mut connection, &[("ip", "")], "connection_creation_rate", 1e3);
    let before = describe(&mut connection);
    assert_eq!(
        before,
        [
            "ip= connection_creation_rate=1000",
            "client-id=app producer_byte_rate=1000000",
            "client-id=app user= request_percentage=12.5",
        ]
    );
    broker.child.kill().unwrap();
    assert_eq!(broker.child.wait().unwrap().code(), None);
    let (broker, address, _) = start(&directory, "3");
    assert_eq!(describe(&mut Connection::open(&address)), before);
    broker.terminate();
    broker.ended_well();
}

fn create_topic(connection: &mut Connection) {
    let mut body = Bytes::default();
    body.i32(1).text(TOPIC).i32(PARTITIONS).i16(1).i32(0).i32(0).i32(10_000).0.push(0);
    let answer = connection.ask(CREATE_TOPICS, &body.0);
    let mut answer = Answer(&answer);
    let (_throttled, _topics) = (answer.i32(), answer.i32());
    assert_eq!((answer.text().as_str(), answer.i16()), (TOPIC, 0));
}

/// A request to append one record; its length as the broker counts it is given by the connection's frame.
fn produce_body(partition: i32) -> Vec<u8> {
    let value = vec![7; VALUE_BYTES];
    let batch = BatchBuilder::new(Codec::None).record(BatchRecord::of_value(TimestampMs(0), &value)).build();
    let mut body = Bytes::default();
    body.i16(-1).i16(-1).i32(10_000).i32(1).text(TOPIC).i32(1).i32(partition).i32(batch.len() as i32);
    body.0.extend(batch);
    body.0
}

/// Key, version, correlation id, client id.
fn frame_bytes(client: &str, body: &[u8]) -> usize {
    2 + 2 + 4 + 2 + client.len() + body.len()
}

fn fetch_body(partition: i32) -> Vec<u8> {
    let mut body = Bytes::default();
    body.i32(-1).i32(100).i32(1).i32(50 << 20).0.push(0);
    body.i32(1).text(TOPIC).i32(1).i32(partition).i32(0).i32(0).i32(50 << 20);
    body.0
}

/// When answers came behind the warm-up, and what each was worth.
type Arrivals = Vec<(Instant, usize)>;

/// What came in a second between the first and the last of a client's answers, on whatever connection.
fn per_second(mut arrivals: Arrivals) -> f64 {
    arrivals.sort();
    let [(first, _), rest @ ..] = &arrivals[..] else { panic!("nothing came") };
    let (last, _) = rest.last().expect("more than one answer came");
    let amount: usize = rest.iter().map(|(_, amount)| amount).sum();
    amount as f64 / (*last - *first).as_secs_f64()
}

/// Asks again and again on a connection of its own, as fast as the broker reads;
/// `measure` says what an answer is worth.
fn load(
    address: &str,
    client: &'static str,
    request: (i16, i16),
    body: Vec<u8>,
    measure: impl Fn(&[u8]) -> usize + Send + 'static,
) -> JoinHandle<Arrivals> {
    let mut connection = Connection::open(address);
    connection.client = client;
    std::thread::spawn(move || {
        let (began, mut arrivals) = (Instant::now(), Arrivals::new());
        while began.elapsed() < WARM_UP + MEASURED {
            let answer = connection.ask(request, &body);
            let amount = measure(&answer);
            if began.elapsed() >= WARM_UP && amount > 0 {
                arrivals.push((Instant::now(), amount));
            }
        }
        arrivals
    })
}

/// A sample of the broker's metrics.
fn metric(admin: &str, name: &str) -> f64 {
    let text = metrics(admin);
    let sample =
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    sample.trim().parse().unwrap()
}

fn check(what: &str, shards: &str, found: f64, set: f64) {
    let held = found / set;
    println!("{what}, {shards} shards: {found:.4} a second, {set} are set: {:.1} %", held * 100.0);
    assert!((held - 1.0).abs() < TOLERANCE, "{what} with {shards} shards: {held:.3} of the rate");
}

/// Producers on three connections, a consumer on three and others who ask for metadata,
/// each client on as many shards as there are.
fn hold(shards: &str) {
    const SPENT: &str = "millrace_quota_spent_total{quota=\"request_percentage\",user=\"\",client=\"asker\"}";
    const THROTTLED: &str = "millrace_quota_throttled_total{quota=\"request_percentage\"}";
    let directory = Directory::new(&format!("rates-{shards}"));
    let (_broker, address, admin) = start(&directory, shards);
    let mut connection = Connection::open(&address);
    create_topic(&mut connection);
    for partition in 0..PARTITIONS {
        for _ in 0..100 {
            connection.ask(PRODUCE, &produce_body(partition));
        }
    }
    set(&mut connection, &[("client-id", "producer")], "producer_byte_rate", PRODUCE_RATE);
    set(
        &mut connection,
        &[("user", "ANONYMOUS"), ("client-id", "consumer")],
        "consumer_byte_rate",
        FETCH_RATE,
    );
    set(&mut connection, &[("client-id", "asker")], "request_percentage", TIME_PERCENT);
    let all_topics = (-1i32).to_be_bytes().to_vec();
    let mut loads = Vec::new();
    for partition in 0..PARTITIONS {
        let body = produce_body(partition);
        let bytes = frame_bytes("producer", &body);
        loads.push(("produce", load(&address, "producer", PRODUCE, body, move |_| bytes)));
        let with_records = |answer: &[u8]| if answer.len() > VALUE_BYTES { answer.len() } else { 0 };
        loads.push(("fetch", load(&address, "consumer", FETCH, fetch_body(partition), with_records)));
        loads.push(("metadata", load(&address, "asker", METADATA, all_topics.clone(), |_| 1)));
    }
    std::thread::sleep(WARM_UP);
    let (began, before) = (Instant::now(), metric(&admin, SPENT));
    std::thread::sleep(MEASURED - Duration::from_millis(500));
    let (took, spent) = (began.elapsed(), metric(&admin, SPENT) - before);
    let mut arrivals = BTreeMap::<&str, Arrivals>::new();
    for (kind, load) in loads {
        arrivals.entry(kind).or_default().extend(load.join().unwrap());
    }
    let mut rate = |kind| per_second(arrivals.remove(kind).unwrap());
    check("produce", shards, rate("produce"), PRODUCE_RATE);
    check("fetch", shards, rate("fetch"), FETCH_RATE);
    check("percent of a shard's time", shards, spent / took.as_secs_f64() * 100.0, TIME_PERCENT);
    println!("metadata, {shards} shards: {:.0} answers a second", rate("metadata"));
    assert!(metric(&admin, THROTTLED) > 10.0, "who asks for metadata was to rest");
}

#[test]
fn clients_are_held_to_their_rates_on_one_shard() {
    hold("1");
}

#[test]
fn clients_are_held_to_their_rates_on_three_shards() {
    hold("3");
}
