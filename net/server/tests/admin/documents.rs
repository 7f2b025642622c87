//! docs/metrics.md lists what `/metrics` serves. `MILLRACE_BLESS=1` rewrites its tables.

use std::fmt::Write;
use std::path::PathBuf;

use millrace_server::{MetricDescription, metric_descriptions};

/// Metrics with Kafka's names begin so.
const KAFKAS_PREFIX: &str = "kafka_";

fn table(of: impl Fn(&MetricDescription) -> bool) -> String {
    let mut text = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for MetricDescription { name, kind, labels, help } in metric_descriptions().iter().filter(|it| of(it)) {
        let _ = writeln!(text, "| `{name}` | {kind} | {} | {help} |", labels.replace(',', ", "));
    }
    text
}

fn check(part: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin {part} -->\n"), format!("<!-- end {part} -->"));
    let start = text.find(&begin).unwrap() + begin.len();
    let stop = text.find(&end).unwrap();
    if text[start..stop] == *generated {
        return;
    }
    assert!(
        std::env::var_os("MILLRACE_BLESS").is_some(),
        "metrics.md is out of date; run with MILLRACE_BLESS=1"
    );
    std::fs::write(path, format!("{}{generated}{}", &text[..start], &text[stop..])).unwrap();
}

#[test]
fn the_list_of_metrics_is_what_is_served() {
    check("kafka's metrics", &table(|metric| metric.name.starts_with(KAFKAS_PREFIX)));
    check("own metrics", &table(|metric| !metric.name.starts_with(KAFKAS_PREFIX)));
}
