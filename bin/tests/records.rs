//! `millrace produce` and `millrace consume` against a broker process.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/stage.rs"]
mod stage;

use std::io::Write;
use std::process::Stdio;

use stage::{Said, Stage};

/// A command against the broker with text on standard input.
fn fed(stage: &Stage, arguments: &[&str], input: &[u8]) -> Said {
    let mut command = stage.command(&[arguments, &["--bootstrap", &stage.address]].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    Said::of(child.wait_with_output().unwrap())
}

fn start(name: &str) -> Stage {
    let stage = Stage::start(name, &[]);
    assert_eq!(stage.run(&["topic", "create", "t", "-p", "3"]).code, Some(0));
    stage
}

#[test]
fn records_come_out_as_they_went_in() {
    let stage = start("records");
    let said = fed(&stage, &["produce", "t", "-p", "1", "-H", "h=1"], b"one\ntwo\n\nfour");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.rows("topic"), [["t", "1", "4", "0", "3"]]);
    let read = |arguments: &[&str]| {
        let said = stage.run(&[&["consume", "t"], arguments].concat());
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.err);
        said.out
    };
    assert_eq!(read(&["--until", "end"]), "one\ntwo\n\nfour\n");
    for (arguments, expected) in [
        (&["-o", "2", "--until", "end"][..], "2\n3\n"),
        (&["-o", "-1", "--until", "end"], "3\n"),
        (&["-o", "+1", "--num", "2"], "1\n2\n"),
        (&["-o", "start", "--until", "2"], "0\n1\n"),
        (&["-o", "@1000", "-n", "1"], "0\n"),
        (&["-o", "@-1h", "--until", "@2999-01-01"], "0\n1\n2\n3\n"),
        (&["-o", "end", "--until", "end"], ""),
        (&["-n", "0"], ""),
    ] {
        assert_eq!(read(&[&["-p", "1", "-f", "%o\\n"], arguments].concat()), expected, "{arguments:?}");
    }
    assert_eq!(read(&["-n", "1", "-f", "%t/%p/%o/%k/%K/%v/%V/%h%%\\x21"]), "t/1/0//-1/one/3/h=1%!");

    // Keys go where Kafka's clients put them; each compression is read again.
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let input = format!("abc:{compression}\nfoobar:{compression}\n");
        let said =
            fed(&stage, &["produce", "t", "-f", "%k:%v\\n", "-z", compression, "--json"], input.as_bytes());
        assert_eq!(said.code, Some(0), "{compression}: {}", said.err);
        let stored = read(&["--until", "end", "-f", "%k=%v\\n"]);
        for key in ["abc", "foobar"] {
            assert!(stored.contains(&format!("{key}={compression}\n")), "{stored}");
        }
    }
    // 479470107 and -790332482 without its sign bit, by 3.
    let lines = read(&["--until", "end", "-f", "%k %p\\n"]);
    assert_eq!(lines.lines().filter(|line| *line == "abc 0").count(), 5, "{lines}");
    assert_eq!(lines.lines().filter(|line| *line == "foobar 0").count(), 5, "{lines}");
    stage.stop();
}

#[test]
fn objects_go_in_as_they_come_out() {
    let stage = start("records-json");
    let input = concat!(
        r#"{"partition":2,"timestamp":1700000000000,"key":"k","value":null,"#,
        r#""headers":[{"key":"a","value":"1"}]}"#,
        "\n",
        r#"{"partition":2,"timestamp":1700000000001,"key":null,"value_base64":"/w==","headers":[]}"#,
        "\n"
    );
    assert_eq!(fed(&stage, &["produce", "t", "--format", "json", "-q"], input.as_bytes()).code, Some(0));
    let said = stage.run(&["consume", "t", "--format", "json", "--until", "end"]);
    let objects = said.objects();
    assert_eq!((&objects[0]["key"], objects[0]["value"].is_null()), (&"k".into(), true), "{}", said.out);
    assert_eq!(
        (&objects[0]["timestamp"], &objects[0]["partition"]),
        (&1_700_000_000_000_i64.into(), &2.into())
    );
    assert_eq!(
        (&objects[0]["headers"][0]["value"], &objects[1]["value_base64"]),
        (&"1".into(), &"/w==".into())
    );
    assert_eq!(stage.run(&["topic", "create", "copy", "-p", "3"]).code, Some(0));
    assert_eq!(
        fed(&stage, &["produce", "copy", "--format", "json", "-q"], said.out.as_bytes()).code,
        Some(0)
    );
    let copy = stage.run(&["consume", "copy", "--json", "--until", "end"]);
    assert_eq!(copy.out.replace("\"copy\"", "\"t\""), said.out);
    // By time: the second record is the first that is not older.
    let said =
        stage.run(&["consume", "t", "-o", "@1700000000001", "--until", "end", "-p", "2", "-f", "%o\\n"]);
    assert_eq!(said.out, "1\n");
    stage.stop();
}

#[test]
fn records_without_an_answer_arrive_and_many_are_batched() {
    let stage = start("records-many");
    let said = fed(&stage, &["produce", "t", "--acks", "0"], b"a\nb\n");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.rows("topic")[0][2..], ["2", "-", "-"]);
    let lines: String = (0..100_000).map(|line| format!("line {line}\n")).collect();
    let said = fed(&stage, &["produce", "t", "--json", "-k", "same"], lines.as_bytes());
    let objects = said.objects();
    assert_eq!((said.code, objects.len(), &objects[0]["records"]), (Some(0), 1, &100_000.into()));
    let said = stage.run(&["consume", "t", "--until", "end"]);
    assert_eq!(said.out.lines().count(), 100_002);
    assert!(said.out.contains("a\nb\n") && said.out.contains(&lines), "all, and in their order");
    stage.stop();
}

#[test]
fn what_cannot_be_produced_or_consumed_is_said() {
    let stage = start("records-wrong");
    for (arguments, code, expected) in [
        (&["produce", "none"][..], 1, "there is no topic none"),
        (&["produce", "t", "-p", "3"], 1, "topic t has no partition 3"),
        (&["produce", "t", "-f", "%v"], 2, "has to stand behind"),
        (&["produce", "t", "-f", "%q\\n"], 2, "%q stands for nothing"),
        (&["produce", "t", "-z", "zip"], 2, "possible values"),
        (&["consume", "none"], 1, "there is no topic none"),
        (&["consume", "t", "-p", "3"], 1, "topic t has no partition 3"),
        (&["consume", "t", "-o", "soon"], 2, "none of start, end"),
        (&["consume", "t", "-f", "%"], 2, "single %"),
        (&["consume"], 2, "TOPIC"),
    ] {
        let said = fed(&stage, arguments, b"x\n");
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(expected), "{arguments:?}: {}", said.err);
    }
    let said = fed(&stage, &["produce", "t", "-f", "%k\\t%v\\n", "-p", "0"], b"k\tv\nno separator\n");
    assert_eq!((said.code, &said.rows("topic")[0][2..]), (Some(1), &["1", "0", "0"][..]));
    assert!(said.err.contains("standard input: the last record is not whole"), "{}", said.err);
    let said = fed(&stage, &["produce", "t", "--format", "json"], b"{\"partition\":9,\"value\":\"x\"}\n");
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("t-9 are not stored: topic t has no partition 9"), "{}", said.err);
    let big = vec![b'x'; 2_000_000];
    let said = fed(&stage, &["produce", "t"], &big);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("MESSAGE_TOO_LARGE"), "{}", said.err);
    stage.stop();
}
