//! Parses schema text: one message per text, one field per line, two spaces of indent per level.
//!
//! ```text
//! request FetchRequest key 1 versions 4-18 flexible 12+ listeners broker,controller
//!   ClusterId string 12+ nullable 12+ tag 0 in 12+ default null ignorable
//!   Topics []FetchTopic 0+
//!     Topic string 0-12 ignorable
//! struct Cursor versions 0+
//!   TopicName string 0+
//! ```

use crate::model::{Field, FieldType, Kind, Literal, Message, Struct, Tag, Versions};
use std::iter::Peekable;

/// Deepest nesting of structs; the deepest definition of Kafka 4.3 has five levels.
pub const NESTING_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct SchemaError {
    /// Counted from one.
    pub line: usize,
    pub reason: String,
}

/// Reads one message. Blank lines and lines that start with `#` are skipped.
pub fn parse(text: &str) -> Result<Message, SchemaError> {
    let mut lines = Vec::new();
    for (index, text) in text.lines().enumerate() {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let body = text.trim_start_matches(' ');
        lines.push(Line { number: index + 1, indent: text.len() - body.len(), text: body });
    }
    let mut lines = lines.into_iter().peekable();
    let Some(head) = lines.next() else {
        return Err(SchemaError { line: 1, reason: "no message".to_owned() });
    };
    let mut message = parse_head(head)?;
    message.fields = parse_fields(&mut lines, 1)?;
    while let Some(line) = lines.next() {
        let mut words = Words::of(line)?;
        words.expect("struct")?;
        let name = words.next("name of a struct")?.to_owned();
        words.expect("versions")?;
        let versions = words.versions()?;
        let fields = parse_fields(&mut lines, 1)?;
        message.structs.push(Struct { name, versions, fields });
    }
    check_struct_names(&message)?;
    Ok(message)
}

#[derive(Clone, Copy)]
struct Line<'t> {
    number: usize,
    indent: usize,
    text: &'t str,
}

fn parse_head(line: Line<'_>) -> Result<Message, SchemaError> {
    let mut words = Words::of(line)?;
    let kind = match words.next("kind of message")? {
        "request" => Kind::Request,
        "response" => Kind::Response,
        "header" => Kind::Header,
        "value" => Kind::Value,
        "coordinator-key" => Kind::CoordinatorKey,
        "coordinator-value" => Kind::CoordinatorValue,
        other => return Err(words.error(format!("unknown kind of message `{other}`"))),
    };
    let name = words.next("name of the message")?.to_owned();
    let mut message = Message {
        name,
        kind,
        api_key: None,
        versions: Versions::NONE,
        flexible: Versions::NONE,
        latest_unstable: false,
        listeners: Vec::new(),
        fields: Vec::new(),
        structs: Vec::new(),
    };
    while let Some(word) = words.maybe() {
        match word {
            "key" => message.api_key = Some(words.number()?),
            "versions" => message.versions = words.versions()?,
            "flexible" => message.flexible = words.versions()?,
            "latest-unstable" => message.latest_unstable = true,
            "listeners" => {
                message.listeners = words.next("listeners")?.split(',').map(str::to_owned).collect();
            }
            other => return Err(words.error(format!("unknown word `{other}`"))),
        }
    }
    Ok(message)
}

fn parse_fields<'t>(
    lines: &mut Peekable<impl Iterator<Item = Line<'t>>>,
    depth: usize,
) -> Result<Vec<Field>, SchemaError> {
    let mut fields = Vec::new();
    while let Some(line) = lines.next_if(|line| line.indent == depth * 2) {
        let mut field = parse_field(line)?;
        if lines.peek().is_some_and(|next| next.indent > line.indent) {
            let struct_named = field.kind.struct_name().is_some();
            if !struct_named || depth == NESTING_MAX {
                let reason = if struct_named { "nested too deep" } else { "only a struct has fields" };
                return Err(SchemaError { line: line.number + 1, reason: reason.to_owned() });
            }
            field.fields = parse_fields(lines, depth + 1)?;
        }
        fields.push(field);
    }
    match lines.peek() {
        Some(line) if line.indent > depth * 2 || line.indent % 2 == 1 => {
            Err(SchemaError { line: line.number, reason: format!("indent of {} spaces", line.indent) })
        }
        _ => Ok(fields),
    }
}

fn parse_field(line: Line<'_>) -> Result<Field, SchemaError> {
    let mut words = Words::of(line)?;
    let name = words.next("name of a field")?.to_owned();
    let kind = words.next("type of the field")?;
    let kind = FieldType::parse(kind).ok_or_else(|| words.error(format!("bad type `{kind}`")))?;
    let mut field = Field {
        name,
        kind,
        versions: words.versions()?,
        nullable: Versions::NONE,
        tag: None,
        default: None,
        ignorable: false,
        flexible: None,
        fields: Vec::new(),
    };
    while let Some(word) = words.maybe() {
        match word {
            "nullable" => field.nullable = words.versions()?,
            "tag" => {
                let number = words.number()?;
                words.expect("in")?;
                field.tag = Some(Tag { number, versions: words.versions()? });
            }
            "default" => field.default = Some(words.literal(&field.kind)?),
            "ignorable" => field.ignorable = true,
            "flexible" => field.flexible = Some(words.versions()?),
            other => return Err(words.error(format!("unknown word `{other}`"))),
        }
    }
    Ok(field)
}

impl FieldType {
    /// Reads a type's name, which is Kafka's own.
    pub fn parse(text: &str) -> Option<FieldType> {
        Some(match text {
            "bool" => FieldType::Bool,
            "int8" => FieldType::Int8,
            "int16" => FieldType::Int16,
            "uint16" => FieldType::Uint16,
            "int32" => FieldType::Int32,
            "uint32" => FieldType::Uint32,
            "int64" => FieldType::Int64,
            "float64" => FieldType::Float64,
            "uuid" => FieldType::Uuid,
            "string" => FieldType::String,
            "bytes" => FieldType::Bytes,
            "records" => FieldType::Records,
            _ => match text.strip_prefix("[]") {
                Some(element) if !element.starts_with("[]") => {
                    FieldType::Array(Box::new(FieldType::parse(element)?))
                }
                None if text.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    FieldType::Struct(text.to_owned())
                }
                _ => return None,
            },
        })
    }
}

impl Versions {
    /// Reads a range as Kafka writes it: `3-7`, `3+`, `3`, `none`.
    pub fn parse(text: &str) -> Option<Versions> {
        if text == "none" {
            return Some(Versions::NONE);
        }
        if let Some(first) = text.strip_suffix('+') {
            return Some(Versions::from(parse_version(first)?));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (parse_version(first)?, parse_version(last)?);
        (first <= last).then(|| Versions::between(first, last))
    }
}

fn parse_version(text: &str) -> Option<i16> {
    text.parse().ok().filter(|version| *version >= 0)
}

fn check_struct_names(message: &Message) -> Result<(), SchemaError> {
    fn walk(message: &Message, fields: &[Field]) -> Result<(), SchemaError> {
        for field in fields {
            if let Some(name) = field.kind.struct_name()
                && field.fields.is_empty()
                && !message.structs.iter().any(|s| s.name == name)
            {
                return Err(SchemaError { line: 1, reason: format!("no struct `{name}`") });
            }
            walk(message, &field.fields)?;
        }
        Ok(())
    }
    walk(message, &message.fields)?;
    message.structs.iter().try_for_each(|common| walk(message, &common.fields))
}

/// The words of one line, with its number for errors.
struct Words<'t> {
    words: std::str::SplitAsciiWhitespace<'t>,
    line: usize,
}

impl<'t> Words<'t> {
    fn of(line: Line<'t>) -> Result<Words<'t>, SchemaError> {
        let words = Words { words: line.text.split_ascii_whitespace(), line: line.number };
        if line.text.contains('\t') { Err(words.error("a tab".to_owned())) } else { Ok(words) }
    }

    fn error(&self, reason: String) -> SchemaError {
        SchemaError { line: self.line, reason }
    }

    fn maybe(&mut self) -> Option<&'t str> {
        self.words.next()
    }

    fn next(&mut self, wanted: &str) -> Result<&'t str, SchemaError> {
        self.words.next().ok_or_else(|| self.error(format!("{wanted} is missing")))
    }

    fn expect(&mut self, wanted: &str) -> Result<(), SchemaError> {
        let word = self.next(wanted)?;
        if word == wanted { Ok(()) } else { Err(self.error(format!("`{wanted}` expected, not `{word}`"))) }
    }

    fn number<N: std::str::FromStr>(&mut self) -> Result<N, SchemaError> {
        let word = self.next("a number")?;
        word.parse().map_err(|_| self.error(format!("bad number `{word}`")))
    }

    fn versions(&mut self) -> Result<Versions, SchemaError> {
        let word = self.next("versions")?;
        Versions::parse(word).ok_or_else(|| self.error(format!("bad versions `{word}`")))
    }

    fn literal(&mut self, kind: &FieldType) -> Result<Literal, SchemaError> {
        let word = self.next("default value")?;
        let literal = match kind {
            _ if word == "null" => Some(Literal::Null),
            FieldType::Bool => word.parse().ok().map(Literal::Bool),
            FieldType::Float64 => word.parse().ok().map(Literal::Float),
            FieldType::String => {
                let text = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                text.map(|text| Literal::Text(text.to_owned()))
            }
            FieldType::Int8
            | FieldType::Int16
            | FieldType::Uint16
            | FieldType::Int32
            | FieldType::Uint32
            | FieldType::Int64 => word.parse().ok().map(Literal::Int),
            _ => None,
        };
        literal.ok_or_else(|| self.error(format!("bad default `{word}` for {kind}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_printed_back() {
        let text = "\
request FetchRequest key 1 versions 4-18 flexible 12+ latest-unstable listeners broker,controller
  ClusterId string 12+ nullable 12+ tag 0 in 12+ default null ignorable
  MaxBytes int32 3+ default 2147483647
  Rate float64 0+ default 1.0
  Rack string 1-3 default \"\" flexible none
  Topics []FetchTopic 0+
    Topic string 0-12 ignorable
    Ids []uuid 7
  Next Cursor 0+ nullable 0+ default null
struct Cursor versions 0+
  On bool 0+ default true
";
        let message = parse(text).unwrap();
        assert_eq!(message.to_string(), text);
        assert_eq!(message.fields[4].fields[0].versions, Versions::between(0, 12));
        assert_eq!(message.fields_of(&message.fields[5])[0].name, "On");
    }

    #[test]
    fn bad_text_names_its_line() {
        let cases = [
            ("", "line 1: no message"),
            ("thing A", "line 1: unknown kind of message `thing`"),
            ("request A key x", "line 1: bad number `x`"),
            ("request A versions 3-1", "line 1: bad versions `3-1`"),
            ("request A\n  B int7 0+", "line 2: bad type `int7`"),
            ("request A\n  B [][]int8 0+", "line 2: bad type `[][]int8`"),
            ("request A\n  B int8", "line 2: versions is missing"),
            ("request A\n  B int8 0+ default x", "line 2: bad default `x` for int8"),
            ("request A\n  B int8 0+\n    C int8 0+", "line 3: only a struct has fields"),
            ("request A\n    B int8 0+", "line 2: indent of 4 spaces"),
            ("request A\n  B Missing 0+", "line 1: no struct `Missing`"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
