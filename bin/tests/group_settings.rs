//! Settings of single groups, and the feature behind the consumer protocol, over a broker process that is
//! killed: what was answered holds, and acts.
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
#[path = "support/settings.rs"]
mod settings;

use std::time::{Duration, Instant};

use broker::{Broker, address};
use directory::Directory;
use requests::{Answer, Bytes, Connection};
use settings::described;

const FIND_COORDINATOR: (i16, i16) = (10, 0);
const INCREMENTAL_ALTER_CONFIGS: (i16, i16) = (44, 0);
const UPDATE_FEATURES: (i16, i16) = (57, 1);
const CONSUMER_GROUP_HEARTBEAT: (i16, i16) = (68, 0);

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSUPPORTED_VERSION: i16 = 35;

/// Type of a resource.
const GROUP: i8 = 32;
const INTERVAL: &str = "consumer.heartbeat.interval.ms";
const SESSION: &str = "consumer.session.timeout.ms";
/// What holds for groups without a setting.
const DEFAULT_INTERVAL_MS: i32 = 5_000;

/// A coordinator that is just read, or made, is there by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// A broker on the directory, and a connection to it.
fn start(directory: &Directory) -> (Broker, Connection) {
    let arguments = ["--log-format", "json", "--set", "offsets.topic.num.partitions=2"];
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

/// Sets a key of a group, or, without a value, deletes it.
fn alter(connection: &mut Connection, group: &str, key: &str, value: Option<&str>) {
    let mut body = Bytes::default();
    body.i32(1).i8(GROUP).text(group).i32(1).text(key).i8(i8::from(value.is_none()));
    match value {
        Some(value) => body.text(value),
        None => body.i16(-1),
    };
    body.i8(0);
    let answer = connection.ask(INCREMENTAL_ALTER_CONFIGS, &body.0);
    let mut answer = Answer(&answer);
    // Behind the throttle time and the number of resources.
    assert_eq!((answer.i32(), answer.i32(), answer.i16()), (0, 1, 0), "{}", answer.text());
}

/// The request of a member that joins.
fn joining(group: &str) -> Bytes {
    let mut body = Bytes::default();
    // Header and body are of the compact form: lengths are one more than they are, and tags end each part.
    body.i8(0).compact(group).compact("m").i32(0).i8(0).i8(0).i32(60_000);
    body.i8(2).compact("topic").i8(0).i8(1).i8(0);
    body
}

/// A member joins, or joins again; when the next heartbeat is expected of it.
fn interval_ms(connection: &mut Connection, group: &str) -> i32 {
    let mut asked = Bytes::default();
    asked.text(group);
    let deadline = Instant::now() + PATIENCE;
    loop {
        connection.ask(FIND_COORDINATOR, &asked.0);
        let answer = connection.ask(CONSUMER_GROUP_HEARTBEAT, &joining(group).0);
        let mut answer = Answer(&answer);
        let (_tags, _throttle, error) = (answer.i8(), answer.i32(), answer.i16());
        if error == 0 {
            let (_message, member, epoch) = (answer.compact(), answer.compact(), answer.i32());
            assert!(member == "m" && epoch > 0, "{member} at epoch {epoch}");
            return answer.i32();
        }
        // The coordinator is read, is not there yet, or is not known.
        assert!((14..=16).contains(&error) && Instant::now() < deadline, "error {error}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks for a level of the feature by which groups of the consumer protocol are served.
fn update_group_version(connection: &mut Connection, level: i16, upgrade_type: i8) {
    let mut body = Bytes::default();
    body.i8(0).i32(60_000).i8(2).compact("group.version").i16(level).i8(upgrade_type).i8(0);
    body.i8(0).i8(0);
    let answer = connection.ask(UPDATE_FEATURES, &body.0);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i8(), answer.i32(), answer.i16()), (0, 0, 0), "{}", answer.compact());
}

fn is_refused(connection: &mut Connection, group: &str) -> bool {
    let answer = connection.ask(CONSUMER_GROUP_HEARTBEAT, &joining(group).0);
    let mut answer = Answer(&answer);
    (answer.i8(), answer.i32(), answer.i16()) == (0, 0, UNSUPPORTED_VERSION)
}

#[test]
fn the_level_of_a_feature_outlives_a_kill_and_acts() {
    let directory = Directory::new("features");
    let (broker, mut client) = start(&directory);
    assert!(interval_ms(&mut client, "g") > 0);
    update_group_version(&mut client, 0, SAFE_DOWNGRADE);
    assert!(is_refused(&mut client, "g"));
    kill(broker);

    let (broker, mut client) = start(&directory);
    assert!(is_refused(&mut client, "g"));
    update_group_version(&mut client, 1, UPGRADE);
    assert!(!is_refused(&mut client, "g"));
    kill(broker);

    let (broker, mut client) = start(&directory);
    assert!(interval_ms(&mut client, "g") > 0);
    broker.terminate();
    broker.ended_well();
}

#[test]
fn settings_of_a_group_outlive_a_kill_and_act() {
    let directory = Directory::new("group-settings");
    let (broker, mut client) = start(&directory);
    assert_eq!(interval_ms(&mut client, "set"), DEFAULT_INTERVAL_MS);
    alter(&mut client, "set", INTERVAL, Some("6000"));
    alter(&mut client, "set", SESSION, Some("50000"));
    // The group need not be there.
    alter(&mut client, "unborn", INTERVAL, Some("7000"));
    assert_eq!(interval_ms(&mut client, "set"), 6_000);
    kill(broker);

    let (broker, mut client) = start(&directory);
    assert_eq!(described(&mut client, (GROUP, "set"), INTERVAL), "6000");
    assert_eq!(described(&mut client, (GROUP, "set"), SESSION), "50000");
    assert_eq!(interval_ms(&mut client, "set"), 6_000);
    assert_eq!(interval_ms(&mut client, "unborn"), 7_000);
    assert_eq!(interval_ms(&mut client, "other"), DEFAULT_INTERVAL_MS);
    alter(&mut client, "set", INTERVAL, None);
    alter(&mut client, "unborn", INTERVAL, Some("8000"));
    kill(broker);

    let (broker, mut client) = start(&directory);
    assert_eq!(described(&mut client, (GROUP, "set"), INTERVAL), DEFAULT_INTERVAL_MS.to_string());
    assert_eq!(described(&mut client, (GROUP, "set"), SESSION), "50000");
    assert_eq!(interval_ms(&mut client, "set"), DEFAULT_INTERVAL_MS);
    assert_eq!(interval_ms(&mut client, "unborn"), 8_000);
    broker.terminate();
    broker.ended_well();
}
