//! `millrace consume --group`: members that share partitions, leave, are killed, and outlive their broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/reader.rs"]
mod reader;
#[path = "support/stage.rs"]
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use broker::{Broker, signal};
use reader::{Reader, eventually};
use stage::{Stage, arguments_of};

const PARTITIONS: i64 = 4;
/// What readers print of a record.
const FORMAT: [&str; 2] = ["-f", "%p %o\\n"];
const SETTINGS: [&str; 3] = [
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=500",
    "offsets.topic.num.partitions=4",
];

/// A broker that is started again where it was, with a topic `t`.
struct Shared {
    stage: Stage,
    /// Of each partition of the topic.
    records: i64,
}

impl Shared {
    fn start(name: &str) -> Shared {
        let stage = Stage::start(name, &SETTINGS);
        let said = stage.run(&["topic", "create", "t", "-p", &PARTITIONS.to_string()]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        Shared { stage, records: 0 }
    }

    fn address(&self) -> &str {
        &self.stage.address
    }

    /// Kills the broker, and starts it again after a while.
    fn restart(&mut self, after: Duration) {
        signal(&self.stage.broker.child, "KILL");
        self.stage.broker.child.wait().unwrap();
        std::thread::sleep(after);
        let mut arguments = arguments_of(&SETTINGS);
        arguments.extend(["--listen", self.address()]);
        let mut broker = Broker::start(&self.stage.directory, &arguments, &[]);
        broker.json_until("listening");
        self.stage.broker = broker;
    }

    fn stop(self) {
        self.stage.stop();
    }

    /// So many records more in each partition.
    fn produce(&mut self, count: i64, value: &str) {
        let lines = format!("{value}\n").repeat(usize::try_from(count).unwrap());
        for partition in 0..PARTITIONS {
            let arguments =
                ["produce", "t", "-q", "-p", &partition.to_string(), "--bootstrap", self.address()];
            let mut child = self.stage.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success());
        }
        self.records += count;
    }

    fn describe(&self, group: &str) -> Option<Value> {
        let said = self.stage.run(&["group", "describe", group, "--json"]);
        (said.code == Some(0)).then(|| said.objects().swap_remove(0))
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
    let mut shared = Shared::start("consume-group");
    let arguments = [&["t", "-g", "g", "--session-timeout-ms", "2000"][..], &FORMAT].concat();
    shared.produce(100, "first");
    let mut one = Reader::start(shared.address(), &arguments);
    eventually("one reads alone", || printed(&[&one]) == shared.all());

    let two = Reader::start(shared.address(), &arguments);
    eventually("both have partitions", || shared.shares("g") == [2, 2]);
    shared.produce(100, "second");
    eventually("both read", || printed(&[&one, &two]) == shared.all());
    assert_eq!(two.lines().len(), 200, "half of what came then");
    let twice = counts(&[&one, &two]).into_values().filter(|count| *count > 1).count();
    assert_eq!(twice, 0, "what was given back was committed before");

    // Killed, it leaves nothing behind but its last second.
    eventually("both have committed", || shared.committed("g") == [200; 4]);
    two.signal("KILL");
    shared.produce(100, "third");
    eventually("one goes on alone", || printed(&[&one, &two]) == shared.all());
    assert_eq!(shared.shares("g"), [4]);
    let again: Vec<(String, usize)> =
        counts(&[&one, &two]).into_iter().filter(|(_, count)| *count > 1).collect();
    let is_third = |line: &str| line.split_once(' ').unwrap().1.parse::<i64>().unwrap() >= 200;
    assert!(again.iter().all(|(line, _)| is_third(line)), "{again:?}");

    shared.restart(Duration::from_millis(1500));
    shared.produce(100, "fourth");
    eventually("one goes on after the broker's end", || printed(&[&one, &two]) == shared.all());
    one.signal("TERM");
    let (code, complaints) = one.ended();
    assert_eq!(code, Some(0), "{complaints}");
    assert_eq!(complaints.matches("again until it answers").count(), 1, "{complaints}");
    assert_eq!((shared.members("g"), shared.committed("g")), (0, vec![400; 4]));
    shared.stop();
}

#[test]
fn a_member_that_waits_for_others_leaves_at_once() {
    let mut shared = Shared::start("consume-group-waits");
    shared.produce(5000, &"x".repeat(1000));
    // The first never gives its partitions back, because nobody takes its output; the second waits for it.
    let mut stuck = Reader::unread(shared.address(), &["t", "-g", "g", "--session-timeout-ms", "1500"]);
    eventually("the stuck one has partitions", || shared.shares("g") == [4]);
    // Twice its session.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(shared.shares("g"), [4], "its heartbeats go on");
    let mut waiting = Reader::start(shared.address(), &["t", "-g", "g"]);
    eventually("a rebalance has begun", || {
        shared.describe("g").is_some_and(|group| group["state"] == "PreparingRebalance")
    });
    waiting.signal("INT");
    assert_eq!(waiting.ended(), (Some(0), String::new()));

    stuck.signal("TERM");
    assert_eq!(stuck.ended(), (Some(143), String::new()));
    assert_eq!(shared.members("g"), 0);
    let committed: i64 = shared.committed("g").into_iter().sum();
    assert!((0..5000).contains(&committed), "what was not written is not committed: {committed}");
    shared.stop();
}

#[test]
fn a_group_begins_where_it_is_told_and_ends_with_what_was_printed() {
    let mut shared = Shared::start("consume-group-begins");
    shared.produce(10, "old");
    let mut late =
        Reader::start(shared.address(), &[&["t", "-g", "late", "-o", "end"][..], &FORMAT].concat());
    // Where it begins is committed: whoever has the partitions next would begin there.
    eventually("it knows where it begins", || shared.committed("late") == [10; 4]);
    shared.produce(2, "new");
    eventually("it reads what is new", || late.lines().len() == 8);
    assert!(late.lines().iter().all(|line| line.ends_with(" 10") || line.ends_with(" 11")));
    late.signal("INT");
    assert_eq!(late.ended(), (Some(0), String::new()));
    assert_eq!(shared.committed("late"), [12; 4]);

    // Some records, to the record; then the rest, and nothing twice.
    let take = |more: &[&str]| {
        let said = shared.stage.run(&[&["consume", "t", "-g", "some"], &FORMAT[..], more].concat());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        said.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let seen = [take(&["-n", "17"]), take(&["-n", "0"]), take(&["-n", "31"])].concat();
    assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (48, shared.all()));
    assert_eq!(shared.committed("some").into_iter().sum::<i64>(), 48);
    let looked = shared.stage.run(&["consume", "t", "-g", "look", "--no-commit", "-n", "5"]);
    assert_eq!((looked.code, looked.out.lines().count()), (Some(0), 5));
    assert_eq!(shared.committed("look"), [0_i64; 0]);

    // A static member is waited for; it comes back as itself.
    for _ in 0..2 {
        let of_static = ["consume", "t", "-g", "static", "--instance-id", "i", "-n", "3"];
        assert_eq!(shared.stage.run(&of_static).code, Some(0));
        let group = shared.describe("static").unwrap();
        assert_eq!((shared.members("static"), &group["members"][0]["instance"]), (1, &"i".into()));
    }
    assert_eq!(shared.committed("static").into_iter().sum::<i64>(), 6);

    // Whoever reads the output has enough.
    let mut unread = Reader::unread(shared.address(), &["t", "-g", "unread"]);
    drop(unread.child.stdout.take());
    assert_eq!(unread.ended(), (Some(141), String::new()));
    assert_eq!(shared.members("unread"), 0);
    shared.stop();
}

#[test]
fn what_no_group_can_do_is_said() {
    let shared = Shared::start("consume-group-wrong");
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
        let said = shared.stage.run(&[&["consume", "t"], arguments].concat());
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(expected), "{arguments:?}: {}", said.err);
    }
    let listed = shared.stage.run(&["group", "list"]);
    assert_eq!(listed.rows("group"), Vec::<Vec<&str>>::new(), "nobody has become a member");
    shared.stop();
}
