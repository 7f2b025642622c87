//! docs/metrics.md lists what `/metrics` serves, docs/apis.md which APIs are served.
//! `MILLRACE_BLESS=1` rewrites their tables.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use millrace_server::{MetricDescription, metric_descriptions, served_apis};

/// Metrics with Kafka's names begin so.
const KAFKAS_PREFIX: &str = "kafka_";

fn table(of: impl Fn(&MetricDescription) -> bool) -> String {
    let mut text = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for MetricDescription { name, kind, labels, help } in metric_descriptions().iter().filter(|it| of(it)) {
        let _ = writeln!(text, "| `{name}` | {kind} | {} | {help} |", labels.replace(',', ", "));
    }
    text
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn check(document: &str, part: &str, generated: &str) {
    let path = repository().join("docs").join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin {part} -->\n"), format!("<!-- end {part} -->"));
    let start = text.find(&begin).unwrap() + begin.len();
    let stop = text.find(&end).unwrap();
    if text[start..stop] == *generated {
        return;
    }
    assert!(
        std::env::var_os("MILLRACE_BLESS").is_some(),
        "{document} is out of date; run with MILLRACE_BLESS=1"
    );
    std::fs::write(path, format!("{}{generated}{}", &text[..start], &text[stop..])).unwrap();
}

#[test]
fn the_list_of_metrics_is_what_is_served() {
    check("metrics.md", "kafka's metrics", &table(|metric| metric.name.starts_with(KAFKAS_PREFIX)));
    check("metrics.md", "own metrics", &table(|metric| !metric.name.starts_with(KAFKAS_PREFIX)));
}

fn versions(range: &RangeInclusive<i16>) -> String {
    match range.start() == range.end() {
        true => range.start().to_string(),
        false => format!("{}-{}", range.start(), range.end()),
    }
}

fn served() -> String {
    let mut text =
        String::from("| key | API | versions | of Kafka | of controllers, too |\n|---|---|---|---|---|\n");
    for api in served_apis() {
        let lower = match api.advertised_from < *api.versions.start() {
            true => format!(", advertised from {}", api.advertised_from),
            false => String::new(),
        };
        let (ours, kafkas) = (versions(&api.versions), versions(&api.of_kafka));
        let controllers = if api.of_controllers { "yes" } else { "" };
        let _ = writeln!(text, "| {} | {} | {ours}{lower} | {kafkas} | {controllers} |", api.key, api.name);
    }
    text
}

/// The names of APIs that Kafka serves at listeners of a kind, by key, from the schema:
/// `request NAME key N ... listeners A,B`.
fn of_kafkas(kind: &str) -> BTreeMap<i16, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(repository().join("net/wire/schema")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let words: Vec<&str> = text.lines().next().unwrap().split(' ').collect();
        let behind = |word: &str| words.iter().position(|it| *it == word).map(|at| words[at + 1]);
        let (Some(name), Some(key)) = (behind("request"), behind("key")) else { continue };
        if behind("listeners").is_some_and(|listeners| listeners.split(',').any(|it| it == kind)) {
            found.insert(key.parse().unwrap(), name.strip_suffix("Request").unwrap().to_owned());
        }
    }
    found
}

fn not_served() -> String {
    let (mut missing, controllers) = (of_kafkas("broker"), of_kafkas("controller"));
    for api in served_apis() {
        assert_eq!(missing.remove(&api.key).as_deref(), Some(api.name), "a broker of Kafka serves it");
        assert!(
            !api.of_controllers || controllers.contains_key(&api.key),
            "a controller serves {}",
            api.name
        );
    }
    let names: Vec<String> = missing.iter().map(|(key, name)| format!("{name} ({key})")).collect();
    format!("{}.\n", names.join(", "))
}

#[test]
fn the_list_of_apis_is_what_is_served() {
    check("apis.md", "served", &served());
    check("apis.md", "not served", &not_served());
}
