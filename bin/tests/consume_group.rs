//! `millrace consume --group`: members that share partitions, leave, are killed, and outlive their broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/reader.rs"]
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use broker::{Broker, PROGRAM, address};
use directory::Directory;
use reader::{Reader, eventually};

const PARTITIONS: i64 = 4;
/// What readers print of a record.
const FORMAT: [&str; 2] = ["-f", "%p %o\\n"];
const SETTINGS: [&str; 8] = [
    "--log-format",
    "json",
    "--set",
    "group.initial.rebalance.delay.ms=0",
    "--set",
    "group.min.session.timeout.ms=500",
    "--set",
    "offsets.topic.num.partitions=4",
];

/// A broker that is started again where it was, with a topic `t`.
struct Stage {
    broker: Option<Broker>,
    address: String,
    /// Of each partition of the topic.
    records: i64,
    directory: Directory,
}

impl Stage {
    fn start(name: &str) -> Stage {
        let directory = Directory::new(name);
        let mut broker = Broker::start(&directory, &SETTINGS, &[]);
        let address = address(&broker.json_until("listening"), "listening");
        let stage = Stage { broker: Some(broker), address, records: 0, directory };
        assert_eq!(stage.run(&["topic", "create", "t", "-p", &PARTITIONS.to_string()]).0, Some(0));
        stage
    }

    /// Kills the broker, and starts it again after a while.
    fn restart(&mut self, after: Duration) {
        drop(self.broker.take());
        std::thread::sleep(after);
        let arguments = [&SETTINGS[..], &["--listen", &self.address]].concat();
        let mut broker = Broker::start(&self.directory, &arguments, &[]);
        broker.json_until("listening");
        self.broker = Some(broker);
    }

    fn stop(mut self) {
        let broker = self.broker.take().unwrap();
        broker.terminate();
        broker.ended_well();
    }

    /// Exit code, standard output and error of a command.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output =
            Command::new(PROGRAM).args(arguments).args(["--bootstrap", &self.address]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// So many records more in each partition.
    fn produce(&mut self, count: i64, value: &str) {
        let lines = format!("{value}\n").repeat(usize::try_from(count).unwrap());
        for partition in 0..PARTITIONS {
            let mut command = Command::new(PROGRAM);
            command.args(["produce", "t", "-q", "-p", &partition.to_string(), "--bootstrap", &self.address]);
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success());
        }
        self.records += count;
    }

    fn describe(&self, group: &str) -> Option<Value> {
        let (code, out, _) = self.run(&["group", "describe", group, "--json"]);
        (code == Some(0)).then(|| serde_json::from_str(out.lines().next().unwrap()).unwrap())
    }

    /// How many partitions each member of a stable group has, in order of the members' ids.
    fn shares(&self, group: &str) -> Vec<usize> {
        let Some(group) = self.describe(group).filter(|group| group["state"] == "Stable") else {
            return Vec::new();
        };
        let members = group["members"].as_array().unwrap().iter();
        members.map(|member| member["assignment"]["t"].as_array().map_or(0, Vec::len)).collect()
    }

    fn members(&self, group: &str) -> usize {
        self.describe(group).map_or(0, |group| group["members"].as_array().unwrap().len())
    }

    /// By partition.
    fn committed(&self, group: &str) -> Vec<i64> {
        let Some(group) = self.describe(group) else { return Vec::new() };
        let of = |line: &Value| line["committed"].as_i64().unwrap_or(-1);
        group["partitions"].as_array().unwrap().iter().map(of).collect()
    }

    /// Every record of the topic by what is printed of it.
    fn all(&self) -> BTreeSet<String> {
        (0..PARTITIONS).flat_map(|p| (0..self.records).map(move |offset| format!("{p} {offset}"))).collect()
    }
}

/// How often each line was printed by any of the readers.
fn counts(readers: &[&Reader]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in readers.iter().flat_map(|reader| reader.lines()) {
        *counts.entry(line).or_insert(0) += 1;
    }
    counts
}

fn printed(readers: &[&Reader]) -> BTreeSet<String> {
    counts(readers).into_keys().collect()
}

#[test]
fn members_share_their_group_until_one_is_killed_and_the_broker_too() {
    let mut stage = Stage::start("consume-group");
    let arguments = [&["t", "-g", "g", "--session-timeout-ms", "2000"][..], &FORMAT].concat();
    stage.produce(100, "first");
    let mut one = Reader::start(&stage.address, &arguments);
    eventually("one reads alone", || printed(&[&one]) == stage.all());

    let two = Reader::start(&stage.address, &arguments);
    eventually("both have partitions", || stage.shares("g") == [2, 2]);
    stage.produce(100, "second");
    eventually("both read", || printed(&[&one, &two]) == stage.all());
    assert_eq!(two.lines().len(), 200, "half of what came then");
    let twice = counts(&[&one, &two]).into_values().filter(|count| *count > 1).count();
    assert_eq!(twice, 0, "what was given back was committed before");

    // Killed, it leaves nothing behind but its last second.
    eventually("both have committed", || stage.committed("g") == [200; 4]);
    two.signal("KILL");
    stage.produce(100, "third");
    eventually("one goes on alone", || printed(&[&one, &two]) == stage.all());
    assert_eq!(stage.shares("g"), [4]);
    let again: Vec<(String, usize)> =
        counts(&[&one, &two]).into_iter().filter(|(_, count)| *count > 1).collect();
    let is_third = |line: &str| line.split_once(' ').unwrap().1.parse::<i64>().unwrap() >= 200;
    assert!(again.iter().all(|(line, _)| is_third(line)), "{again:?}");

    stage.restart(Duration::from_millis(1500));
    stage.produce(100, "fourth");
    eventually("one goes on after the broker's end", || printed(&[&one, &two]) == stage.all());
    one.signal("TERM");
    let (code, complaints) = one.ended();
    assert_eq!(code, Some(0), "{complaints}");
    assert_eq!(complaints.matches("again until it answers").count(), 1, "{complaints}");
    assert_eq!((stage.members("g"), stage.committed("g")), (0, vec![400; 4]));
    stage.stop();
}

#[test]
fn a_member_that_waits_for_others_leaves_at_once() {
    let mut stage = Stage::start("consume-group-waits");
    stage.produce(5000, &"x".repeat(1000));
    // The first never gives its partitions back, because nobody takes its output; the second waits for it.
    let mut stuck = Reader::unread(&stage.address, &["t", "-g", "g", "--session-timeout-ms", "1500"]);
    eventually("the stuck one has partitions", || stage.shares("g") == [4]);
    // Twice its session.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(stage.shares("g"), [4], "its heartbeats go on");
    let mut waiting = Reader::start(&stage.address, &["t", "-g", "g"]);
    eventually("a rebalance has begun", || {
        stage.describe("g").is_some_and(|group| group["state"] == "PreparingRebalance")
    });
    waiting.signal("INT");
    assert_eq!(waiting.ended(), (Some(0), String::new()));

    stuck.signal("TERM");
    assert_eq!(stuck.ended(), (Some(143), String::new()));
    assert_eq!(stage.members("g"), 0);
    let committed: i64 = stage.committed("g").into_iter().sum();
    assert!((0..5000).contains(&committed), "what was not written is not committed: {committed}");
    stage.stop();
}

#[test]
fn a_group_begins_where_it_is_told_and_ends_with_what_was_printed() {
    let mut stage = Stage::start("consume-group-begins");
    stage.produce(10, "old");
    let mut late = Reader::start(&stage.address, &[&["t", "-g", "late", "-o", "end"][..], &FORMAT].concat());
    // Where it begins is committed: whoever has the partitions next would begin there.
    eventually("it knows where it begins", || stage.committed("late") == [10; 4]);
    stage.produce(2, "new");
    eventually("it reads what is new", || late.lines().len() == 8);
    assert!(late.lines().iter().all(|line| line.ends_with(" 10") || line.ends_with(" 11")));
    late.signal("INT");
    assert_eq!(late.ended(), (Some(0), String::new()));
    assert_eq!(stage.committed("late"), [12; 4]);

    // Some records, to the record; then the rest, and nothing twice.
    let take = |more: &[&str]| {
        let (code, out, complaints) =
            stage.run(&[&["consume", "t", "-g", "some"], &FORMAT[..], more].concat());
        assert_eq!((code, complaints.as_str()), (Some(0), ""));
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let seen = [take(&["-n", "17"]), take(&["-n", "0"]), take(&["-n", "31"])].concat();
    assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (48, stage.all()));
    assert_eq!(stage.committed("some").into_iter().sum::<i64>(), 48);
    let looked = stage.run(&["consume", "t", "-g", "look", "--no-commit", "-n", "5"]);
    assert_eq!((looked.0, looked.1.lines().count()), (Some(0), 5));
    assert_eq!(stage.committed("look"), [0_i64; 0]);

    // A static member is waited for; it comes back as itself.
    for _ in 0..2 {
        let of_static = ["consume", "t", "-g", "static", "--instance-id", "i", "-n", "3"];
        assert_eq!(stage.run(&of_static).0, Some(0));
        let group = stage.describe("static").unwrap();
        assert_eq!((stage.members("static"), &group["members"][0]["instance"]), (1, &"i".into()));
    }
    assert_eq!(stage.committed("static").into_iter().sum::<i64>(), 6);

    // Whoever reads the output has enough.
    let mut unread = Reader::unread(&stage.address, &["t", "-g", "unread"]);
    drop(unread.child.stdout.take());
    assert_eq!(unread.ended(), (Some(141), String::new()));
    assert_eq!(stage.members("unread"), 0);
    stage.stop();
}

#[test]
fn what_no_group_can_do_is_said() {
    let stage = Stage::start("consume-group-wrong");
    for (arguments, code, expected) in [
        (&["-g", "g", "-p", "1"][..], 2, "'--group <GROUP>' cannot be used with '--partition <N>'"),
        (&["-g", "g", "--until", "end"], 2, "cannot be used with"),
        (&["-g", ""], 2, "a value is required"),
        (&["--no-commit"], 2, "--group <GROUP>"),
        (&["--instance-id", "i"], 2, "--group <GROUP>"),
        (&["-g", "g", "--session-timeout-ms", "0"], 2, "0 is not in"),
        (&["-g", "g", "--session-timeout-ms", "100"], 1, "JoinGroup with INVALID_SESSION_TIMEOUT"),
        (&["none", "-g", "g"], 1, "there is no topic none"),
    ] {
        let (found, _, complaints) = stage.run(&[&["consume", "t"], arguments].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {complaints}");
        assert!(complaints.contains(expected), "{arguments:?}: {complaints}");
    }
    stage.stop();
}
