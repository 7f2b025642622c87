//! The fields of a layout with their bytes in a sample, and the table that they make.

use std::fmt::Write as _;

use super::document;

/// The page that the tables stand in.
const PAGE: &str = "formats.md";

/// One field: its name, its type, what it says, and its bytes in the sample.
pub(crate) struct Field {
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    bytes: Vec<u8>,
}

enum Kind {
    /// A number, or bytes, of a fixed size.
    Fixed(&'static str),
    /// A length of 4 bytes and so many bytes of UTF-8.
    Text,
    /// A byte 0, or a byte 1 and a text.
    OptionalText,
    /// Of a length that another field tells.
    Open(&'static str),
}

impl Field {
    pub(crate) fn fixed(
        kind: &'static str,
        name: &'static str,
        bytes: impl Into<Vec<u8>>,
        meaning: &'static str,
    ) -> Field {
        Field { name, kind: Kind::Fixed(kind), meaning, bytes: bytes.into() }
    }

    pub(crate) fn text(name: &'static str, text: &str, meaning: &'static str) -> Field {
        Field { name, kind: Kind::Text, meaning, bytes: text_bytes(text) }
    }

    pub(crate) fn optional_text(name: &'static str, text: &str, meaning: &'static str) -> Field {
        Field { name, kind: Kind::OptionalText, meaning, bytes: [vec![1], text_bytes(text)].concat() }
    }

    pub(crate) fn open(
        kind: &'static str,
        name: &'static str,
        bytes: impl Into<Vec<u8>>,
        meaning: &'static str,
    ) -> Field {
        Field { name, kind: Kind::Open(kind), meaning, bytes: bytes.into() }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn size(&self) -> String {
        match self.kind {
            Kind::Fixed(_) => self.bytes.len().to_string(),
            Kind::Text => "4 + n".to_owned(),
            Kind::OptionalText => "1, or 5 + n".to_owned(),
            Kind::Open(_) => "n".to_owned(),
        }
    }

    fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Fixed(name) | Kind::Open(name) => name,
            Kind::Text => "text",
            Kind::OptionalText => "optional text",
        }
    }
}

fn text_bytes(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    [&length.to_le_bytes(), text.as_bytes()].concat()
}

/// Fields of little-endian numbers: `little!(u32, "name", 7, "meaning")`.
macro_rules! little {
    ($kind:ident, $name:literal, $value:expr, $meaning:literal) => {{
        let value: $kind = $value;
        Field::fixed(stringify!($kind), $name, value.to_le_bytes(), $meaning)
    }};
}

/// The same of big-endian numbers.
macro_rules! big {
    ($kind:ident, $name:literal, $value:expr, $meaning:literal) => {{
        let value: $kind = $value;
        Field::fixed(stringify!($kind), $name, value.to_be_bytes(), $meaning)
    }};
}

pub(crate) use {big, little};

/// The bytes of all fields.
pub(crate) fn bytes_of(fields: &[Field]) -> Vec<u8> {
    fields.iter().flat_map(|field| field.bytes.clone()).collect()
}

/// Holds that `encoded` is what the fields make, so that each stands where the table says.
pub(crate) fn hold(part: &str, fields: &[Field], encoded: &[u8]) {
    let mut at = 0;
    for field in fields {
        let end = at + field.bytes.len();
        let found = encoded.get(at..end);
        assert_eq!(found, Some(&field.bytes[..]), "{part}: {} at {at}", field.name);
        at = end;
    }
    assert_eq!(at, encoded.len(), "{part}: the fields end where the bytes end");
    let numbers = fields.iter().filter(|field| field.bytes.len() > 1 && field.name != "zero");
    let mut values: Vec<_> = numbers.map(|field| &field.bytes).collect();
    let count = values.len();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), count, "{part}: a sample without two fields alike tells them apart");
}

/// The table of the fields, of which the first stands at `first`.
pub(crate) fn table(first: usize, fields: &[Field]) -> String {
    let mut text = String::from("| offset | size | type | field | meaning |\n|---|---|---|---|---|\n");
    let mut at = Some(first);
    for field in fields {
        let offset = at.map(|at| at.to_string()).unwrap_or_default();
        let (size, kind, name) = (field.size(), field.type_name(), field.name);
        let _ = writeln!(text, "| {offset} | {size} | {kind} | {name} | {} |", field.meaning);
        at = match field.kind {
            Kind::Fixed(_) => at.map(|at| at + field.bytes.len()),
            _ => None,
        };
    }
    text
}

/// Holds the page's part to the fields, and the fields to the bytes.
pub(crate) fn check(part: &str, first: usize, fields: &[Field], encoded: &[u8]) {
    hold(part, fields, encoded);
    document::check(PAGE, part, &table(first, fields));
}

/// Holds a part of the page that is no single table of fields.
pub(crate) fn check_text(part: &str, text: &str) {
    document::check(PAGE, part, text);
}
