//! Every value that Kafka's classes wrote is found under its own name in the decoded message.

use crate::support;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

#[test]
fn values_have_their_names() {
    let mut values = 0;
    for case in support::golden().iter().filter(|case| case.filling == "full") {
        let trip = support::round_trip(&case.message, &case.frame, case.version).unwrap();
        let json: Value = serde_json::from_str(&case.values).unwrap();
        let mut leaves = Vec::new();
        collect(&json, &mut leaves);
        for (name, value) in &leaves {
            let found = value.iter().any(|form| {
                let (plain, optional) = (format!("{name}: {form}"), format!("{name}: Some({form})"));
                trip.text.contains(&plain) || trip.text.contains(&optional)
            });
            assert!(found, "{} {}: {name} = {value:?} in {}", case.message, case.version, trip.text);
        }
        values += leaves.len();
    }
    assert!(values > 2000, "{values} values");
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
                let columns: Vec<_> = items.iter().map(forms).collect();
                let list = |form: usize| {
                    let items: Vec<_> = columns.iter().map(|forms| forms[form].clone()).collect();
                    format!("[{}]", items.join(", "))
                };
                let alike = columns.iter().map(Vec::len).min().unwrap_or(0);
                leaves.push((rust_name(name), (0..alike).map(list).collect()));
            }
            scalar => leaves.push((rust_name(name), forms(scalar))),
        }
    }
}

/// Text may be a string, an id or bytes: the JSON does not say.
fn forms(scalar: &Value) -> Vec<String> {
    let mut forms = vec![scalar.to_string()];
    if let Value::String(text) = scalar {
        if let Ok(id) = URL_SAFE_NO_PAD.decode(text)
            && id.len() == 16
        {
            forms.push(id.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        if let Ok(bytes) = STANDARD.decode(text) {
            forms.push(format!("Records({} bytes in 1 pieces)", bytes.len()));
            forms.push(format!("{bytes:?}"));
        }
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
