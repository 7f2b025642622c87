//! Where two lists of answers differ, one readable line each.
use crate::run::Entry;
use crate::text::print_value;
use serde_json::Value;

/// Longest value that is shown in a line.
const SHOWN_CHARS_MAX: usize = 300;

/// Lines such as `2 Produce 9: responses.0.errorCode: Kafka 87, here 0`; none when the answers are equal.
pub(crate) fn differences(recorded: &[Entry], here: &[Entry]) -> Vec<String> {
    let mut lines = Vec::new();
    for index in 0..recorded.len().max(here.len()) {
        let place = |entry: &Entry| format!("{} {}", index + 1, entry.label);
        match (recorded.get(index), here.get(index)) {
            (Some(kafka), Some(ours)) if kafka.label == ours.label => {
                compare(&place(kafka), "", &kafka.answer, &ours.answer, &mut lines);
            }
            (Some(kafka), Some(ours)) => {
                lines.push(format!("{}: the recording is of another request: {}", place(ours), kafka.label));
            }
            (Some(kafka), None) => lines.push(format!("{}: no answer here", place(kafka))),
            (None, Some(ours)) => lines.push(format!("{}: not recorded", place(ours))),
            (None, None) => {}
        }
    }
    lines
}

fn compare(place: &str, path: &str, kafka: &Value, ours: &Value, lines: &mut Vec<String>) {
    match (kafka, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let more = b.keys().filter(|name| !a.contains_key(*name));
            for name in a.keys().chain(more) {
                compare_member(place, &join(path, name), a.get(name), b.get(name), lines);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                compare_member(place, &join(path, &index.to_string()), a.get(index), b.get(index), lines);
            }
        }
        (a, b) => {
            if a != b {
                compare_member(place, path, Some(a), Some(b), lines);
            }
        }
    }
}

fn compare_member(
    place: &str,
    path: &str,
    kafka: Option<&Value>,
    ours: Option<&Value>,
    lines: &mut Vec<String>,
) {
    match (kafka, ours) {
        (Some(a @ (Value::Object(_) | Value::Array(_))), Some(b))
            if a.is_object() == b.is_object() && a.is_array() == b.is_array() =>
        {
            compare(place, path, a, b, lines);
        }
        (a, b) if a == b => {}
        (a, b) => lines.push(format!("{place}: {path}: Kafka {}, here {}", shown(a), shown(b))),
    }
}

fn join(path: &str, segment: &str) -> String {
    if path.is_empty() { segment.to_owned() } else { format!("{path}.{segment}") }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let words: Vec<String> = print_value(value, 0).split_whitespace().map(str::to_owned).collect();
    let text = words.join(" ");
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(kafka: Value, ours: Value, expect: &[&str]) {
        let entry = |answer| vec![Entry { label: "Fetch 4".into(), answer }];
        assert_eq!(differences(&entry(kafka), &entry(ours)), expect);
    }

    #[test]
    fn differences_name_their_place() {
        check(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]}), &[]);
        check(
            json!({"a": [1, {"b": 2}], "c": null}),
            json!({"a": [1, {"b": 3}, 4], "d": 0}),
            &[
                "1 Fetch 4: a.1.b: Kafka 2, here 3",
                "1 Fetch 4: a.2: Kafka nothing, here 4",
                "1 Fetch 4: c: Kafka null, here nothing",
                "1 Fetch 4: d: Kafka nothing, here 0",
            ],
        );
        check(json!("closed"), json!({"a": 1}), &["1 Fetch 4: : Kafka closed, here {a: 1}"]);
    }
}
