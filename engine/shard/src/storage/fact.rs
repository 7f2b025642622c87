//! What is told of a data directory: facts of a kind with named fields, for people and for programs alike.

use std::fmt;
use std::path::Path;

/// One statement about one file, frame, batch, partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is about: `file`, `damage`, `batch` and so on;
    /// docs/operations.md lists them with their fields.
    pub kind: &'static str,
    pub fields: Vec<(&'static str, FieldValue)>,
}

/// The value of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl Fact {
    pub(super) fn new(kind: &'static str) -> Fact {
        Fact { kind, fields: Vec::new() }
    }

    pub(super) fn of_file(kind: &'static str, file: &Path) -> Fact {
        Fact::new(kind).with("file", file.display().to_string())
    }

    /// Bytes of `file` from `at` on are not what they should be.
    pub(super) fn damage(file: &Path, at: u64, what: impl fmt::Display) -> Fact {
        Fact::of_file("damage", file).with("at", at).with("what", what.to_string())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<FieldValue>) -> Fact {
        self.fields.push((name, value.into()));
        self
    }

    /// The value of a field; none if the fact has no such field.
    pub fn field(&self, name: &str) -> Option<&FieldValue> {
        self.fields.iter().find(|(there, _)| *there == name).map(|(_, value)| value)
    }
}

/// One line for people.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == "damage" { "DAMAGE" } else { self.kind };
        f.write_str(kind)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldValue::Text(text) if text.contains(' ') || text.is_empty() => write!(f, "{text:?}"),
            FieldValue::Text(text) => f.write_str(text),
            FieldValue::Number(number) => fmt::Display::fmt(number, f),
            FieldValue::Flag(flag) => fmt::Display::fmt(flag, f),
        }
    }
}

impl From<String> for FieldValue {
    fn from(text: String) -> FieldValue {
        FieldValue::Text(text)
    }
}

impl From<&str> for FieldValue {
    fn from(text: &str) -> FieldValue {
        FieldValue::Text(text.to_owned())
    }
}

impl From<bool> for FieldValue {
    fn from(flag: bool) -> FieldValue {
        FieldValue::Flag(flag)
    }
}

impl From<i64> for FieldValue {
    fn from(number: i64) -> FieldValue {
        FieldValue::Number(number)
    }
}

impl From<i32> for FieldValue {
    fn from(number: i32) -> FieldValue {
        FieldValue::Number(i64::from(number))
    }
}

impl From<u32> for FieldValue {
    fn from(number: u32) -> FieldValue {
        FieldValue::Number(i64::from(number))
    }
}

/// Lengths and sequences: none reaches 2^63.
impl From<u64> for FieldValue {
    fn from(number: u64) -> FieldValue {
        FieldValue::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for FieldValue {
    fn from(number: usize) -> FieldValue {
        FieldValue::from(number as u64)
    }
}
