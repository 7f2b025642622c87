//! Paths into answers: member names and indexes with dots between, `*` for every element.
use serde_json::Value;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn parse(text: &str) -> Path {
        Path(text.split('.').map(str::to_owned).collect())
    }

    /// The first value that the path leads to.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, segment| match (value, segment.parse::<usize>()) {
            (Value::Array(elements), Ok(index)) => elements.get(index),
            (Value::Array(elements), Err(_)) => elements.first(),
            (other, _) => other.get(segment),
        })
    }

    /// Calls `change` for every value that the path leads to.
    pub(crate) fn change(&self, value: &mut Value, change: &mut dyn FnMut(&mut Value)) {
        change_at(&self.0, value, change);
    }
}

fn change_at(segments: &[String], value: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = segments.split_first() else { return change(value) };
    match value {
        Value::Array(elements) if first == "*" => {
            elements.iter_mut().for_each(|element| change_at(rest, element, change));
        }
        Value::Array(elements) => {
            if let Some(element) = first.parse::<usize>().ok().and_then(|i| elements.get_mut(i)) {
                change_at(rest, element, change);
            }
        }
        other => {
            if let Some(member) = other.get_mut(first) {
                change_at(rest, member, change);
            }
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
