//! Bytes written by Kafka's own classes are read, every value under its own name,
//! and written again to the same bytes.

use crate::golden::{Golden, golden};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn golden_bytes_round_trip() {
    let all = golden();
    let mut seen = BTreeSet::new();
    for case in &all {
        let label = format!("{} version {} {}", case.message, case.version, case.filling);
        let (text, written) = case.round_trip(&all).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(written, case.bytes, "{label}: {text}");
        seen.insert((&case.message, case.version));
    }
    assert_eq!(seen.len(), 36, "versions of keys, values, subscriptions and assignments");
}

#[test]
fn values_have_their_names() {
    let all = golden();
    let full = |case: &&Golden| case.filling == "full";
    let mut values = 0;
    for case in all.iter().filter(full) {
        let (text, _) = case.round_trip(&all).unwrap();
        let mut leaves = Vec::new();
        collect(&serde_json::from_str(&case.values).unwrap(), &mut leaves);
        for (name, forms) in &leaves {
            let found = forms.iter().any(|form| {
                text.contains(&format!("{name}: {form}")) || text.contains(&format!("{name}: Some({form})"))
            });
            assert!(found, "{} {}: {name} = {forms:?} in {text}", case.message, case.version);
        }
        values += leaves.len();
    }
    assert!(values > 200, "{values} values");
}

/// Name and the forms in which the value may be printed, of each field that is no struct.
fn collect(value: &Value, leaves: &mut Vec<(String, Vec<String>)>) {
    let Some(fields) = value.as_object() else { return };
    for (name, value) in fields {
        match value {
            Value::Object(_) => collect(value, leaves),
            Value::Array(items) if items.iter().all(Value::is_object) => {
                items.iter().for_each(|item| collect(item, leaves));
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(Value::to_string).collect();
                leaves.push((rust_name(name), vec![format!("[{}]", items.join(", "))]));
            }
            scalar => leaves.push((rust_name(name), forms(scalar))),
        }
    }
}

/// Text may be a string, an id or bytes: the JSON does not say.
fn forms(scalar: &Value) -> Vec<String> {
    let mut forms = vec![scalar.to_string()];
    if let Value::String(text) = scalar {
        forms.push(text.clone());
        forms.extend(STANDARD.decode(text).map(|bytes| format!("{:?}", Bytes::from(bytes))));
    }
    forms
}

/// `topicId` as `topic_id`.
fn rust_name(name: &str) -> String {
    let letter = |c: char| {
        if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() }
    };
    name.chars().map(letter).collect()
}
