//! Commands of users against a broker process: what they print, and their exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/stage.rs"]
mod stage;

use std::process::Command;

use stage::Stage;

/// Each command with its exit code and a part of what it says on standard error.
fn check_refused(stage: &Stage, cases: &[(&[&str], i32, &str)]) {
    for (arguments, code, expected) in cases {
        let said = stage.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(*code), ""), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(expected), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn topics_are_created_described_grown_and_deleted() {
    let stage = Stage::start("topic-life", &[]);
    let said = stage.run(&["topic", "create", "a", "b", "-p", "3", "-c", "retention.ms=60000"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(
        said.out,
        "created a: 3 partition(s), 1 replica(s)\ncreated b: 3 partition(s), 1 replica(s)\n"
    );
    assert_eq!(stage.run(&["topic", "list"]).rows("topic"), [["a", "3", "1"], ["b", "3", "1"]]);
    // What is asked for as a trial is not done.
    let said = stage.run(&["topic", "create", "c", "--dry-run"]);
    assert!(said.out.starts_with("would create c"), "{}", said.out);
    let said = stage.run(&["topic", "alter", "a", "--partitions", "4", "--dry-run"]);
    assert_eq!(said.out, "topic a would have 4 partitions\n");
    assert_eq!(stage.run(&["topic", "list", "--json"]).objects()[0]["partitions"], 3);
    let said = stage.run(&["topic", "alter", "a", "--partitions", "4"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "topic a has 4 partitions\n"));

    let said = stage.run(&["topic", "describe", "a"]);
    // Kafka's controllers write the first of the two for all brokers.
    let expected = [
        ["min.insync.replicas", "1", "DYNAMIC_DEFAULT_BROKER_CONFIG"],
        ["retention.ms", "60000", "DYNAMIC_TOPIC_CONFIG"],
    ];
    assert_eq!(said.rows("key"), expected, "{}", said.out);
    let rows = said.rows("partition");
    assert_eq!((rows.len(), &rows[3][..]), (4, &["3", "1", "0", "1", "1", "-", "0", "0"][..]));
    let object = &stage.run(&["topic", "describe", "a", "--format", "json"]).objects()[0];
    assert_eq!((object["id"].as_str().map(str::len), &object["internal"]), (Some(22), &false.into()));
    assert_eq!((&object["partitions"][3]["leader"], &object["partitions"][3]["end"]), (&1.into(), &0.into()));

    let said = stage.run(&["topic", "create", "a", "c"]);
    assert_eq!((said.code, said.out.lines().count()), (Some(1), 1), "the others are created");
    assert!(said.err.contains("'a' already exists (TOPIC_ALREADY_EXISTS)"), "{}", said.err);
    let said = stage.run(&["topic", "create", "a", "--if-not-exists", "--json"]);
    assert_eq!((said.code, &said.objects()[0]["created"]), (Some(0), &false.into()));
    let said = stage.run(&["topic", "delete", "a", "none", "--json"]);
    let objects = said.objects();
    let of = |name: &str| objects.iter().find(|object| object["topic"] == name).unwrap()["deleted"].clone();
    assert_eq!((said.code, of("a"), of("none")), (Some(1), true.into(), false.into()));
    assert!(said.err.contains("there is no topic none"), "{}", said.err);
    assert_eq!(stage.run(&["topic", "delete", "none", "--if-exists"]).code, Some(0));
    assert_eq!(stage.run(&["topic", "list"]).rows("topic").len(), 2);

    check_refused(
        &stage,
        &[
            (&["topic", "describe", "none"], 1, "there is no topic none"),
            (&["topic", "create", "no/name"], 1, "INVALID_TOPIC_EXCEPTION"),
            (&["topic", "create", "d", "-c", "retention.ms=soon"], 1, "INVALID_CONFIG"),
            (&["topic", "create", "d", "-r", "3"], 1, "INVALID_REPLICATION_FACTOR"),
            (&["topic", "create", "d", "-p", "0"], 2, "0 is not in"),
            (&["topic", "create"], 2, "TOPIC"),
            (&["topic", "alter", "b", "-p", "2"], 1, "INVALID_PARTITIONS"),
            (&["topic", "alter", "none", "-p", "2"], 1, "UNKNOWN_TOPIC_OR_PARTITION"),
            (&["topic", "trim", "none", "--to", "end"], 1, "there is no topic none"),
            (&["topic", "trim", "b", "--to", "soon"], 2, "none of start, end"),
            (&["topic", "list", "--format", "xml"], 2, "possible values"),
        ],
    );
    let said = stage.said(&["topic", "list", "--bootstrap", "127.0.0.1:1"]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    stage.stop();
}

#[test]
fn logs_are_trimmed() {
    let stage = Stage::start("topic-trim", &[]);
    let load =
        ["bench", "--topic", "t", "--partitions", "2", "--duration", "0.2", "--warm-up", "0", "--quiet"];
    assert_eq!(stage.run(&load).code, Some(0));
    let starts = || {
        let object = &stage.run(&["topic", "describe", "t", "--json"]).objects()[0];
        [0, 1].map(|index| object["partitions"][index]["start"].as_i64().unwrap())
    };
    let said = stage.run(&["topic", "trim", "t", "--to", "5"]);
    assert_eq!(said.rows("topic"), [["t", "0", "0", "5"], ["t", "1", "0", "5"]]);
    assert!(said.err.contains("nothing was changed"), "{}", said.err);
    assert_eq!(starts(), [0, 0]);
    let said = stage.run(&["topic", "trim", "t", "--to", "+5", "--partition", "1", "--execute", "--json"]);
    assert_eq!((said.code, &said.objects()[0]["executed"]), (Some(0), &true.into()), "{}", said.err);
    assert_eq!(starts(), [0, 5]);
    let said = stage.run(&["topic", "trim", "t", "--to", "3", "--partition", "1", "--execute"]);
    assert!(said.err.contains("t-1: the log begins later, so 5 is taken"), "{}", said.err);
    assert_eq!(starts(), [0, 5]);
}

#[test]
fn settings_are_read_set_and_unset() {
    let stage = Stage::start("config", &[]);
    assert_eq!(stage.run(&["topic", "create", "t"]).code, Some(0));
    let get = |arguments: &[&str]| stage.run(&[&["config", "get"], arguments].concat());
    let changed = || {
        let objects = get(&["topic", "t", "--changed", "--json"]).objects();
        objects.iter().map(|object| object["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let said = get(&["topic", "t", "retention.ms"]);
    assert_eq!(said.rows("key"), [["retention.ms", "604800000", "DEFAULT_CONFIG"]]);
    assert!(get(&["topic", "t"]).rows("key").len() > 20);
    assert_eq!(changed(), ["min.insync.replicas"]);
    let said = stage.run(&["config", "set", "topic", "t", "retention.ms=1000", "--dry-run"]);
    assert_eq!(said.out, "would change retention.ms of topic t\n", "{}", said.err);
    assert_eq!(changed(), ["min.insync.replicas"]);
    let said = stage.run(&["config", "set", "topic", "t", "retention.ms=1000", "cleanup.policy+=compact"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "changed retention.ms, cleanup.policy of topic t\n")
    );
    let said = get(&["topic", "t", "--changed", "--json"]);
    let values: Vec<_> = said.objects().iter().map(|object| object["value"].clone()).collect();
    assert_eq!(values, ["delete,compact", "1", "1000"]);
    let said = stage.run(&["config", "unset", "topic", "t", "retention.ms", "cleanup.policy"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(changed(), ["min.insync.replicas"]);

    assert_eq!(get(&["broker", "1", "node.id"]).rows("key")[0][1], "1");
    let said = stage.run(&["config", "set", "broker", "default", "message.max.bytes=2000000"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let said = get(&["broker", "1", "message.max.bytes"]);
    let expected = ["message.max.bytes", "2000000", "DYNAMIC_DEFAULT_BROKER_CONFIG"];
    assert_eq!(said.rows("key"), [expected]);
    let said = stage.run(&["config", "set", "logger", "1", "root=WARN"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(get(&["logger", "1", "root"]).rows("key")[0][1], "WARN");

    check_refused(
        &stage,
        &[
            (&["config", "get", "topic", "none"], 1, "UNKNOWN_TOPIC_OR_PARTITION"),
            (&["config", "get", "broker", "7"], 1, "there is no broker 7"),
            (&["config", "get", "broker", "one"], 2, "one is no broker's id"),
            (&["config", "get", "thing", "t"], 2, "possible values"),
            (&["config", "set", "topic", "t", "retention.ms=soon"], 1, "INVALID_CONFIG"),
            (&["config", "set", "topic", "t", "retention.ms"], 2, "it has no `=`"),
            (&["config", "set", "topic", "t"], 2, "KEY=VALUE"),
        ],
    );
    let said = get(&["topic", "t", "no.such.key"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("topic t has no setting no.such.key"), "{}", said.err);
    stage.stop();
}

#[test]
fn the_cluster_and_its_brokers_are_described() {
    let stage = Stage::start("cluster", &[]);
    assert_eq!(stage.run(&["topic", "create", "t", "-p", "2"]).code, Some(0));
    let object = &stage.run(&["cluster", "info", "--json"]).objects()[0];
    assert_eq!((object["cluster"].as_str().map(str::len), &object["controller"]), (Some(22), &1.into()));
    assert_eq!((&object["topics"], &object["partitions"]), (&1.into(), &2.into()));
    let said = stage.run(&["cluster", "info"]);
    assert_eq!(said.rows("broker"), [["1", stage.address.as_str(), "-"]], "{}", said.out);
    let said = stage.run(&["cluster", "health", "--wait", "5"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "healthy\n", ""));
    assert_eq!(stage.run(&["cluster", "health", "--json"]).objects()[0]["healthy"], true);
    let said = stage.run(&["broker", "list"]);
    let rows = said.rows("broker");
    assert_eq!(rows[0][..6], ["1", stage.address.as_str(), "-", "serving", "2", "2"]);
    let object = &stage.run(&["broker", "describe", "1", "--logs", "--json"]).objects()[0];
    assert!(object["usable"].as_i64().unwrap() > 0 && object["total"].as_i64() >= object["usable"].as_i64());
    assert_eq!((&object["logs"], &object["partitions"][1]["topic"]), (&2.into(), &"t".into()));
    let said = stage.run(&["broker", "describe", "1", "--logs"]);
    assert_eq!(said.rows("topic").len(), 2);
    check_refused(&stage, &[(&["broker", "describe", "7"], 1, "there is no broker 7")]);
}

#[test]
fn quotas_are_listed_described_and_altered() {
    let stage = Stage::start("quotas", &[]);
    let quota = |arguments: &[&str]| stage.run(&[&["quota"], arguments].concat());
    assert_eq!(quota(&["list"]).rows("entity").len(), 0);
    let said = quota(&["alter", "--client-id", "app", "--set", "producer_byte_rate=1048576", "--dry-run"]);
    assert_eq!(said.out, "would change producer_byte_rate of client-id=app\n", "{}", said.err);
    assert_eq!(quota(&["list"]).rows("entity").len(), 0);
    let rates = ["--set", "producer_byte_rate=1048576", "--set", "request_percentage=12.5"];
    let said = quota(&[&["alter", "--user", "u", "--default", "client-id"], &rates[..]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(quota(&["alter", "--ip", "127.0.0.9", "--set", "connection_creation_rate=5"]).code, Some(0));
    let said = quota(&["list"]);
    let both = "client-id=<default>,user=u";
    let expected = [
        [both, "producer_byte_rate", "1048576"],
        [both, "request_percentage", "12.5"],
        ["ip=127.0.0.9", "connection_creation_rate", "5"],
    ];
    assert_eq!(said.rows("entity"), expected, "{}", said.out);
    let object = &quota(&["describe", "--user", "u", "--default", "client-id", "--json"]).objects()[0];
    assert_eq!((&object["entity"]["user"], object["entity"]["client-id"].is_null()), (&"u".into(), true));
    assert_eq!(object["quotas"]["request_percentage"], 12.5);
    let said = quota(&["alter", "--ip", "127.0.0.9", "--unset", "connection_creation_rate"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(quota(&["list"]).rows("entity").len(), 2);
    check_refused(
        &stage,
        &[
            (&["quota", "describe", "--user", "u"], 1, "user=u has no quota"),
            (&["quota", "describe"], 2, "name whom"),
            (&["quota", "alter", "--user", "u"], 2, "--set"),
            (&["quota", "alter", "--user", "u", "--set", "producer_byte_rate=x"], 2, "x is no number"),
            (&["quota", "alter", "--user", "u", "--set", "no_such_rate=1"], 1, "INVALID_REQUEST"),
            (
                &["quota", "alter", "--user", "u", "--ip", "127.0.0.9", "--set", "producer_byte_rate=1"],
                1,
                "INVALID_REQUEST",
            ),
        ],
    );
    stage.stop();
}

#[test]
fn profiles_name_clusters() {
    let stage = Stage::start("profiles", &[]);
    let list = || stage.said(&["profile", "list"]).out;
    assert_eq!(list(), "profile  bootstrap  description\n");
    let said = stage.said(&["profile", "create", "here", "-b", &stage.address, "--description", "this"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(stage.said(&["profile", "create", "gone", "-b", "127.0.0.1:1"]).code, Some(0));
    let objects = stage.said(&["profile", "list", "--json"]).objects();
    assert_eq!((&objects[1]["profile"], &objects[1]["current"]), (&"here".into(), &true.into()));
    // The one in use, another, and brokers that are named.
    assert_eq!(stage.said(&["topic", "list"]).code, Some(0));
    assert_eq!(stage.said(&["topic", "list", "--profile", "gone"]).code, Some(3));
    assert_eq!(stage.run(&["topic", "list", "--profile", "gone"]).code, Some(0));
    assert_eq!(
        stage.said(&["topic", "list", "--bootstrap", &format!("127.0.0.1:1,{}", stage.address)]).code,
        Some(0)
    );
    assert_eq!(stage.said(&["profile", "use", "gone"]).code, Some(0));
    assert!(list().contains("gone*"), "{}", list());
    assert_eq!(stage.said(&["topic", "list"]).code, Some(3));
    assert_eq!(stage.said(&["profile", "delete", "gone"]).code, Some(0));
    assert!(!list().contains("gone") && list().contains("here "), "{}", list());
    for arguments in [
        &["profile", "use", "none"][..],
        &["profile", "delete", "none"],
        &["topic", "list", "--profile", "none"],
    ] {
        let said = stage.said(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}");
        assert!(said.err.contains("there is no profile none"), "{}", said.err);
    }
}

/// Bash itself completes with the script, where there is one.
#[test]
fn shells_complete_the_command_line() {
    for (shell, expected) in
        [("bash", "complete -F"), ("zsh", "#compdef millrace"), ("fish", "complete -c millrace")]
    {
        let script = Command::new(broker::PROGRAM).args(["completion", shell]).output().unwrap();
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains(expected) && script.contains("if-not-exists"), "{shell}");
        if shell == "bash" {
            let ask = "COMP_WORDS=(millrace topic cr); COMP_CWORD=2; _millrace millrace cr topic; \
                       echo \"${COMPREPLY[@]}\"";
            let answer = Command::new("bash").args(["-c", &format!("{script}\n{ask}")]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "create");
        }
    }
    assert_eq!(
        Command::new(broker::PROGRAM).args(["completion", "cmd"]).output().unwrap().status.code(),
        Some(2)
    );
}
