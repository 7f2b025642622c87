//! Prints values as relaxed JSON that fits a line width, so that recordings diff well.
use super::parse::{is_bare, number};
use serde_json::Value;

/// Columns after which a value is broken over several lines.
const WIDTH: usize = 116;

/// The value's text; lines after the first are indented by `indent` columns.
pub(crate) fn print_value(value: &Value, indent: usize) -> String {
    let mut text = String::new();
    print(value, indent, indent, &mut text);
    text
}

fn print(value: &Value, indent: usize, column: usize, text: &mut String) {
    let flat = flat(value);
    let empty =
        matches!(value, Value::Array(a) if a.is_empty()) || matches!(value, Value::Object(o) if o.is_empty());
    match value {
        Value::Object(members) if column + flat.len() > WIDTH && !empty => {
            text.push_str("{\n");
            for (key, member) in members {
                let key = print_string(key);
                text.push_str(&format!("{:1$}{key}: ", "", indent + 2));
                print(member, indent + 2, indent + 4 + key.len(), text);
                text.push_str(",\n");
            }
            text.push_str(&format!("{:1$}}}", "", indent));
        }
        Value::Array(elements) if column + flat.len() > WIDTH && !empty => {
            text.push_str("[\n");
            for element in elements {
                text.push_str(&" ".repeat(indent + 2));
                print(element, indent + 2, indent + 2, text);
                text.push_str(",\n");
            }
            text.push_str(&format!("{:1$}]", "", indent));
        }
        _ => text.push_str(&flat),
    }
}

fn flat(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(k, v)| format!("{}: {}", print_string(k), flat(v))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(elements) => format!("[{}]", elements.iter().map(flat).collect::<Vec<_>>().join(", ")),
        Value::String(string) => print_string(string),
        other => other.to_string(),
    }
}

fn print_string(string: &str) -> String {
    let reserved = matches!(string, "" | "null" | "true" | "false");
    match !reserved && string.chars().all(is_bare) && number(string).is_none() {
        true => string.to_owned(),
        false => Value::String(string.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Texts;
    use serde_json::json;

    #[test]
    fn printed_text_reads_back() {
        let long = vec![json!({"name": "some topic", "errorCode": -1, "x": null}); 5];
        for value in [
            json!({"a": "1", "b": "null", "c": "x y", "d": [], "e": {}, "k k": 1.5}),
            json!({"topics": long, "flag": true}),
        ] {
            let text = print_value(&value, 4);
            assert_eq!(Texts::new(&text).value().unwrap(), value, "{text}");
        }
    }
}
