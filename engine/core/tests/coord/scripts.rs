//! Runs the scripts and compares what comes of each line.
//! `MILLRACE_BLESS=1` writes what came of it instead; read it.

use std::path::PathBuf;

use crate::script::Runner;

/// Runs `case: NAME [settings]` and the lines below;
/// lines with `| ` are what must come of the line above them.
fn check(file: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/coord/scripts").join(file);
    #[expect(clippy::disallowed_methods, reason = "a test reads a file of the repository")]
    let text = std::fs::read_to_string(&path).unwrap();
    let (mut runner, mut found, mut cases) = (Runner::new(""), String::new(), 0);
    for line in text.lines().filter(|line| !line.starts_with("| ")) {
        found.push_str(line);
        found.push('\n');
        if let Some(case) = line.strip_prefix("case: ") {
            let settings = case.split_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'));
            runner = Runner::new(settings);
            cases += 1;
        } else if !line.is_empty() && !line.starts_with('#') {
            for shown in runner.run(line) {
                found.push_str(&format!("| {shown}\n"));
            }
        }
    }
    assert!(cases > 0, "{file} has cases");
    if text == found {
        return;
    }
    if std::env::var_os("MILLRACE_BLESS").is_some() {
        #[expect(clippy::disallowed_methods, reason = "asked for by MILLRACE_BLESS")]
        std::fs::write(path, found).unwrap();
        return;
    }
    let place = text.lines().zip(found.lines()).position(|(a, b)| a != b).unwrap_or(0);
    let around =
        |text: &str| text.lines().skip(place.saturating_sub(4)).take(8).collect::<Vec<_>>().join("\n");
    panic!("{file}:{} expects\n{}\nbut\n{}", place + 1, around(&text), around(&found));
}

#[test]
fn joining() {
    check("joining.txt");
}

#[test]
fn assigning() {
    check("assigning.txt");
}

#[test]
fn leaving() {
    check("leaving.txt");
}

#[test]
fn static_members() {
    check("static_members.txt");
}

#[test]
fn timeouts() {
    check("timeouts.txt");
}

#[test]
fn offsets() {
    check("offsets.txt");
}

#[test]
fn deletion() {
    check("deletion.txt");
}

#[test]
fn oversize() {
    check("oversize.txt");
}

#[test]
fn expiry() {
    check("expiry.txt");
}

#[test]
fn consumer_joining() {
    check("consumer_joining.txt");
}

#[test]
fn consumer_reconciling() {
    check("consumer_reconciling.txt");
}

#[test]
fn consumer_leaving() {
    check("consumer_leaving.txt");
}

#[test]
fn consumer_patterns() {
    check("consumer_patterns.txt");
}

#[test]
fn consumer_restarts() {
    check("consumer_restarts.txt");
}

#[test]
fn consumer_and_classic() {
    check("consumer_and_classic.txt");
}

#[test]
fn migrating_up() {
    check("migrating_up.txt");
}

#[test]
fn migrating_members() {
    check("migrating_members.txt");
}

#[test]
fn migrating_down() {
    check("migrating_down.txt");
}

#[test]
fn consumer_failing() {
    check("consumer_failing.txt");
}

#[test]
fn consumer_settings() {
    check("consumer_settings.txt");
}

#[test]
fn restarts() {
    check("restarts.txt");
}
