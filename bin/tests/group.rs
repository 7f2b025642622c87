//! `millrace group` against a broker process: what it prints, and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/member.rs"]
mod member;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/stage.rs"]
mod stage;

use serde_json::Value;

use member::Member;
use stage::{Said, Stage};

const TOPIC: &str = "orders";

/// A broker with a topic of two partitions that holds records.
struct Groups(Stage);

impl Groups {
    fn start(name: &str) -> Groups {
        let stage =
            Stage::start(name, &["offsets.topic.num.partitions=4", "group.initial.rebalance.delay.ms=0"]);
        let load = ["--topic", TOPIC, "--partitions", "2", "--duration", "0.2", "--warm-up", "0", "--quiet"];
        let said = stage.run(&[&["bench"], &load[..]].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        Groups(stage)
    }

    fn stop(self) {
        self.0.stop();
    }

    fn group(&self, arguments: &[&str]) -> Said {
        self.0.run(&[&["group"], arguments].concat())
    }

    /// Commits for a group without members.
    fn seek(&self, group: &str, to: &[&str]) -> Said {
        self.group(&[&["seek", group, "--topic", TOPIC], to].concat())
    }

    /// Committed offset and end of each partition.
    fn partitions(&self, group: &str) -> Vec<(Option<i64>, i64)> {
        let said = self.group(&["describe", group, "--json"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let object = &said.objects()[0];
        let of = |line: &Value| (line["committed"].as_i64(), line["end"].as_i64().unwrap());
        object["partitions"].as_array().unwrap().iter().map(of).collect()
    }
}

#[test]
fn groups_are_listed_described_moved_and_deleted() {
    let stage = Groups::start("group-life");
    assert_eq!(stage.group(&["list"]).rows("group"), Vec::<Vec<&str>>::new());

    // A dry run tells and commits nothing.
    let said = stage.seek("g", &["--to", "3"]);
    assert_eq!(
        (said.code, said.rows("topic")),
        (Some(0), vec![vec![TOPIC, "0", "-", "3"], vec![TOPIC, "1", "-", "3"]])
    );
    assert!(said.err.contains("nothing was changed"), "{}", said.err);
    assert_eq!(stage.group(&["list"]).rows("group"), Vec::<Vec<&str>>::new());

    let said = stage.seek("g", &["--to", "3", "--execute"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let said = stage.group(&["list"]);
    assert_eq!(said.rows("group"), [["g", "classic", "-", "Empty"]], "{}", said.out);
    let partitions = stage.partitions("g");
    assert!(partitions.len() == 2 && partitions.iter().all(|(committed, _)| *committed == Some(3)));
    let ends: Vec<i64> = partitions.iter().map(|(_, end)| *end).collect();
    assert!(ends.iter().all(|end| *end > 10), "{ends:?}");

    let said = stage.group(&["describe", "g"]);
    assert!(
        said.out.starts_with("group g: Empty, type classic, assignor -, 0 member(s), lag "),
        "{}",
        said.out
    );
    let expected: Vec<Vec<String>> = (0..2)
        .map(|index| {
            let (end, lag) = (ends[index].to_string(), (ends[index] - 3).to_string());
            vec![TOPIC.to_owned(), index.to_string(), "3".to_owned(), end, lag, "-".to_owned()]
        })
        .collect();
    assert_eq!(said.rows("topic"), expected, "{}", said.out);

    // One partition, and both ways.
    let said = stage.seek("g", &["--partition", "1", "--shift", "4", "--execute", "--json"]);
    let object = &said.objects()[0];
    assert_eq!((object["committed"].as_i64(), object["seek"].as_i64()), (Some(3), Some(7)));
    assert_eq!((said.objects().len(), object["executed"].as_bool()), (1, Some(true)));
    stage.seek("g", &["--shift", "-2", "--execute"]);
    assert_eq!(stage.partitions("g").iter().map(|it| it.0).collect::<Vec<_>>(), [Some(1), Some(5)]);
    stage.seek("g", &["--to", "latest", "--execute"]);
    assert_eq!(
        stage.partitions("g").iter().map(|it| it.0).collect::<Vec<_>>(),
        [Some(ends[0]), Some(ends[1])]
    );
    stage.seek("g", &["--to", "earliest", "--execute"]);
    assert_eq!(stage.partitions("g").iter().map(|it| it.0).collect::<Vec<_>>(), [Some(0), Some(0)]);

    // What no log holds becomes what the log has.
    let said = stage.seek("g", &["--to", "2999-01-01T00:00:00Z", "--partition", "0", "--execute"]);
    assert!(said.err.contains("orders-0: no record is so young"), "{}", said.err);
    let said = stage.seek("g", &["--to", "1000000000000", "--partition", "1", "--execute"]);
    assert!(said.err.contains("orders-1: the log ends earlier"), "{}", said.err);
    assert_eq!(
        stage.partitions("g").iter().map(|it| it.0).collect::<Vec<_>>(),
        [Some(ends[0]), Some(ends[1])]
    );
    stage.seek("g", &["--to", "1971-01-01", "--execute"]);
    assert_eq!(stage.partitions("g").iter().map(|it| it.0).collect::<Vec<_>>(), [Some(0), Some(0)]);

    let said = stage.group(&["delete", "g", "none"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "deleted g\n"));
    assert!(said.err.contains("there is no group none"), "{}", said.err);
    let said = stage.group(&["describe", "g"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("there is no group g"), "{}", said.err);
    stage.stop();
}

#[test]
fn a_group_with_members_is_described_and_left_alone() {
    let stage = Groups::start("group-members");
    stage.seek("live", &["--to", "2", "--partition", "0", "--execute"]);
    stage.seek("idle", &["--to", "earliest", "--execute"]);
    let member = Member::join(&stage.0.address, "live", TOPIC, &[0, 1]);

    let said = stage.group(&["describe", "live"]);
    assert!(
        said.out.starts_with("group live: Stable, type classic, assignor range, 1 member(s), lag "),
        "{}",
        said.out
    );
    let expected = [member.id.as_str(), "-", requests::CLIENT, "/127.0.0.1", TOPIC, "0,1"];
    assert_eq!(said.rows("member"), [expected], "{}", said.out);
    let rows = said.rows("topic");
    assert_eq!((rows[0][2], rows[0][5]), ("2", member.id.as_str()));
    // Nothing is committed of the second, so nobody knows how far behind it is.
    assert_eq!((rows[1][2], rows[1][4], rows[1][5]), ("-", "-", member.id.as_str()));
    let object = &stage.group(&["describe", "live", "--json"]).objects()[0];
    assert_eq!(object["members"][0]["assignment"], serde_json::json!({ TOPIC: [0, 1] }), "{object:#}");
    assert_eq!((object["partitions"][1]["lag"].is_null(), object["state"].as_str()), (true, Some("Stable")));

    for arguments in [&["--to", "earliest", "--execute"][..], &["--to", "earliest"]] {
        let said = stage.seek("live", arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(said.err.contains("stop them first; nothing was changed"), "{}", said.err);
    }
    let said = stage.group(&["delete", "live", "--json"]);
    assert_eq!((said.code, said.objects()[0]["deleted"].as_bool()), (Some(1), Some(false)));
    assert!(said.err.contains("group live has members"), "{}", said.err);
    assert_eq!(stage.partitions("live")[0].0, Some(2));

    let names = |arguments: &[&str]| -> Vec<String> {
        let said = stage.group(&[arguments, &["--json"]].concat());
        said.objects().iter().map(|group| group["group"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["list"]), ["idle", "live"]);
    assert_eq!(names(&["list", "--state", "stable"]), ["live"]);
    assert_eq!(names(&["list", "--state", "empty"]), ["idle"]);
    assert_eq!(
        names(&["list", "--type", "classic", "--state", "stable", "--state", "empty"]),
        ["idle", "live"]
    );
    assert_eq!(names(&["list", "--type", "consumer"]), Vec::<String>::new());
}

#[test]
fn what_cannot_be_done_is_said() {
    let stage = Groups::start("group-wrong");
    for (arguments, code, expected) in [
        (&["describe", "none"][..], 1, "there is no group none"),
        (&["seek", "g", "--topic", "none", "--to", "latest"], 1, "there is no topic none"),
        (
            &["seek", "g", "--topic", TOPIC, "--partition", "2", "--to", "latest"],
            1,
            "topic orders has no partition 2",
        ),
        (&["seek", "g", "--topic", TOPIC, "--shift", "1"], 1, "nothing is committed of orders-0"),
        (&["seek", "g", "--topic", TOPIC], 2, "--to"),
        (&["seek", "g", "--topic", TOPIC, "--to", "1", "--shift", "1"], 2, "cannot be used with"),
        (&["seek", "g", "--topic", TOPIC, "--to", "soon"], 2, "none of start, end, an offset"),
        (&["seek", "g", "--topic", TOPIC, "--to", "1", "--execute", "--dry-run"], 2, "cannot be used with"),
        (&["seek", "g", "--to", "1"], 2, "--topic"),
        (&["describe"], 2, "GROUP"),
        (&["list", "--state", "tired"], 2, "possible values"),
    ] {
        let said = stage.group(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(expected), "{arguments:?}: {}", said.err);
    }
    // Port 1 is reserved, and nobody listens there.
    let said = stage.0.said(&["group", "list", "--bootstrap", "127.0.0.1:1"]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("connecting to 127.0.0.1:1"), "{}", said.err);
    let said = stage.0.said(&["group", "list", "--bootstrap", "nowhere"]);
    assert_eq!(said.code, Some(3), "{}", said.err);
}
