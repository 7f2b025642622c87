//! The structs of one message as Rust sees them: fields, types, defaults and the versions they live in.

use super::Outcome;
use crate::schema::snake_case;
use millrace_schema::{Field, FieldType, Literal, Message, Versions};
use std::fmt::Write as _;

/// Words of Rust that Kafka uses as names of fields.
const KEYWORDS: &[&str] = &["match", "type"];

/// Variables of every generated `decode`.
const VARIABLES: &[&str] = &["field", "form", "reader", "version"];

/// The types that stand for text, bytes and ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Of `net/wire`: text and bytes borrow from the frame.
    Wire,
    /// Of `engine/core`: a record owns what it holds, and each id in one is a topic's.
    Records,
}

/// One Rust struct.
pub(super) struct Shape<'m> {
    pub(super) message: &'m Message,
    pub(super) name: &'m str,
    pub(super) is_message: bool,
    pub(super) borrows: bool,
    /// Versions of the message in which the struct can occur.
    pub(super) scope: Versions,
    pub(super) fields: Vec<Slot<'m>>,
}

/// One field of a Rust struct.
pub(super) struct Slot<'m> {
    pub(super) field: &'m Field,
    /// Name in Rust.
    pub(super) name: String,
    /// Versions of the message that have the field.
    pub(super) versions: Versions,
    /// Versions that allow null, within `versions`.
    pub(super) nullable: Versions,
    /// Least bytes of one element if the field is an array.
    pub(super) smallest: usize,
    pub(super) dialect: Dialect,
    borrows: bool,
}

impl Slot<'_> {
    pub(super) fn is_optional(&self) -> bool {
        !self.nullable.is_none()
    }

    pub(super) fn is_tagged(&self) -> bool {
        self.field.tag.is_some()
    }

    /// The variable that holds the field while its struct is read.
    pub(super) fn local(&self) -> String {
        if VARIABLES.contains(&self.name.as_str()) { format!("the_{}", self.name) } else { self.name.clone() }
    }

    /// The Rust type without `Option`.
    fn plain_type(&self) -> String {
        match &self.field.kind {
            FieldType::Array(element) => format!("Vec<{}>", rust_type(element, self.borrows, self.dialect)),
            kind => rust_type(kind, self.borrows, self.dialect),
        }
    }

    /// The Rust expression of the default.
    pub(super) fn default(&self) -> String {
        let zero = match (&self.field.kind, self.dialect) {
            (FieldType::Bool, _) => "false",
            (FieldType::Float64, _) => "0.0",
            (FieldType::Uuid, Dialect::Wire) => "Uuid::ZERO",
            (FieldType::Uuid, Dialect::Records) => "TopicId::ZERO",
            (FieldType::String, Dialect::Wire) => "Cow::Borrowed(\"\")",
            (FieldType::String, Dialect::Records) => "String::new()",
            (FieldType::Bytes, Dialect::Wire) => "Cow::Borrowed(&[])",
            (FieldType::Bytes, Dialect::Records) => "Bytes::new()",
            (FieldType::Records, _) if self.is_optional() => return "None".to_owned(),
            (FieldType::Records, _) => "Records::default()",
            (FieldType::Array(_), _) => "Vec::new()",
            (FieldType::Struct(name), _) => &format!("{name}::default()"),
            _ => "0",
        };
        let value = match &self.field.default {
            Some(Literal::Null) => return "None".to_owned(),
            None => zero.to_owned(),
            Some(Literal::Bool(value)) => value.to_string(),
            Some(Literal::Int(value)) => value.to_string(),
            Some(Literal::Float(value)) => format!("{value:?}"),
            Some(Literal::Text(value)) if self.dialect == Dialect::Records => format!("{value:?}.to_owned()"),
            Some(Literal::Text(value)) => format!("Cow::Borrowed({value:?})"),
        };
        if self.is_optional() { format!("Some({value})") } else { value }
    }

    /// Whether `Default` of the Rust type gives the field's default.
    fn default_is_derivable(&self) -> bool {
        match &self.field.default {
            Some(Literal::Null) => true,
            Some(_) => false,
            None => !self.is_optional() || self.field.kind == FieldType::Records,
        }
    }

    /// The Rust condition that the field of `self` differs from its default.
    pub(super) fn differs(&self) -> String {
        let name = &self.name;
        let default = &self.field.default;
        if self.is_optional() {
            return match (&self.field.kind, default) {
                (FieldType::Records, None) | (_, Some(Literal::Null)) => format!("self.{name}.is_some()"),
                (FieldType::String, Some(Literal::Text(text))) => {
                    format!("self.{name}.as_deref() != Some({text:?})")
                }
                (FieldType::Struct(_), _) => format!("self.{name} != {}", self.default()),
                _ => format!("self.{name}.as_ref().is_none_or(|value| !value.is_empty())"),
            };
        }
        match (&self.field.kind, default) {
            (FieldType::Bool, Some(Literal::Bool(true))) => format!("!self.{name}"),
            (FieldType::Bool, _) => format!("self.{name}"),
            (FieldType::Uuid, _) if self.dialect == Dialect::Wire => format!("!self.{name}.is_zero()"),
            (FieldType::String, Some(Literal::Text(text))) => format!("self.{name} != {text:?}"),
            (FieldType::String | FieldType::Bytes | FieldType::Records | FieldType::Array(_), _) => {
                format!("!self.{name}.is_empty()")
            }
            _ => format!("self.{name} != {}", self.default()),
        }
    }
}

/// A condition on `version`.
pub(super) enum When {
    Always,
    Never,
    If(String),
}

/// The condition that holds for `versions` and no other version of `scope`.
pub(super) fn when(versions: Versions, scope: Versions) -> When {
    let inside = versions.intersect(scope);
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else { return When::Never };
    let starts = scope.first() == Some(first);
    let ends = scope.last() == Some(last);
    match (starts, ends) {
        (true, true) => When::Always,
        (true, false) => When::If(format!("version <= {last}")),
        (false, true) => When::If(format!("version >= {first}")),
        (false, false) if first == last => When::If(format!("version == {first}")),
        (false, false) => When::If(format!("({first}..={last}).contains(&version)")),
    }
}

/// The message's own struct first, then every struct below it in the order of the text. A struct of several
/// uses lives in the versions of all of them.
pub(super) fn shapes(message: &Message, dialect: Dialect) -> Outcome<Vec<Shape<'_>>> {
    let whole = Struct { name: &message.name, fields: &message.fields, scope: message.versions };
    let mut shapes = vec![shape(message, dialect, whole)?];
    let mut at = 0;
    while at < shapes.len() {
        let mut next = at + 1;
        for part in uses(message, &shapes[at]) {
            match shapes.iter().position(|shape| shape.name == part.name) {
                None => shapes.push(shape(message, dialect, part)?),
                Some(known) if shapes[known].scope.contains_all(part.scope) => {}
                Some(known) => {
                    let scope = shapes[known].scope.hull(part.scope);
                    shapes[known] = shape(message, dialect, Struct { scope, ..part })?;
                    next = next.min(known);
                }
            }
        }
        at = next;
    }
    Ok(shapes)
}

/// A struct of the definition, and the versions of the message in which it can occur.
struct Struct<'m> {
    name: &'m str,
    fields: &'m [Field],
    scope: Versions,
}

/// The structs that the fields of a struct are made of.
fn uses<'m>(message: &'m Message, shape: &Shape<'m>) -> Vec<Struct<'m>> {
    let part = |slot: &Slot<'m>| {
        let name = slot.field.kind.struct_name()?;
        Some(Struct { name, fields: message.fields_of(slot.field), scope: slot.versions })
    };
    shape.fields.iter().filter_map(part).collect()
}

fn shape<'m>(message: &'m Message, dialect: Dialect, part: Struct<'m>) -> Outcome<Shape<'m>> {
    let Struct { name, fields, scope } = part;
    let mut slots = Vec::new();
    for field in fields {
        let versions = field.versions.intersect(scope);
        if versions.is_none() {
            continue;
        }
        if let Some(tag) = field.tag
            && !(tag.versions.contains_all(versions) && message.flexible.contains_all(versions))
        {
            return Err(format!("{}: tagged in some versions only", field.name).into());
        }
        if field.flexible.is_some_and(|flexible| !flexible.is_none()) {
            return Err(format!("{}: flexible versions of its own", field.name).into());
        }
        let smallest = versions.iter().map(|version| smallest_element(message, field, version)).min();
        let name = snake_case(&field.name);
        slots.push(Slot {
            field,
            name: if KEYWORDS.contains(&name.as_str()) { format!("r#{name}") } else { name },
            versions,
            nullable: field.nullable.intersect(versions),
            smallest: smallest.unwrap_or(0),
            dialect,
            borrows: dialect == Dialect::Wire && type_borrows(message, field),
        });
    }
    let borrows = slots.iter().any(|slot| slot.borrows);
    let is_message = name == message.name;
    Ok(Shape { message, name, is_message, borrows, scope, fields: slots })
}

/// The definition of the struct, and its `Default` where that is not the zero of every field.
pub(super) fn write_type(out: &mut String, shape: &Shape<'_>) -> Outcome<()> {
    let lifetime = super::lifetime(shape);
    let derivable = shape.fields.iter().all(Slot::default_is_derivable);
    let derived = if derivable { "Clone, Debug, Default, PartialEq" } else { "Clone, Debug, PartialEq" };
    writeln!(out, "#[derive({derived})]\npub struct {}{lifetime} {{", shape.name)?;
    for slot in &shape.fields {
        let plain = slot.plain_type();
        let full = if slot.is_optional() { format!("Option<{plain}>") } else { plain };
        writeln!(out, "pub {}: {full},", slot.name)?;
    }
    out.push_str("}\n\n");
    if derivable {
        return Ok(());
    }
    writeln!(
        out,
        "impl{lifetime} Default for {0}{lifetime} {{\nfn default() -> Self {{\n{0} {{",
        shape.name
    )?;
    for slot in &shape.fields {
        writeln!(out, "{}: {},", slot.name, slot.default())?;
    }
    out.push_str("}\n}\n}\n\n");
    Ok(())
}

/// The Rust type of anything but an array.
pub(super) fn rust_type(kind: &FieldType, borrows: bool, dialect: Dialect) -> String {
    let name = match kind {
        FieldType::Uuid if dialect == Dialect::Records => "TopicId",
        FieldType::String if dialect == Dialect::Records => "String",
        FieldType::Bytes if dialect == Dialect::Records => "Bytes",
        FieldType::Bool => "bool",
        FieldType::Int8 => "i8",
        FieldType::Int16 => "i16",
        FieldType::Uint16 => "u16",
        FieldType::Int32 => "i32",
        FieldType::Uint32 => "u32",
        FieldType::Int64 => "i64",
        FieldType::Float64 => "f64",
        FieldType::Uuid => "Uuid",
        FieldType::String => "Cow<'a, str>",
        FieldType::Bytes => "Cow<'a, [u8]>",
        FieldType::Records => "Records",
        FieldType::Array(_) => unreachable!("the parser refuses arrays of arrays"),
        FieldType::Struct(name) if borrows => return format!("{name}<'a>"),
        FieldType::Struct(name) => name,
    };
    name.to_owned()
}

fn type_borrows(message: &Message, field: &Field) -> bool {
    match field.kind.element() {
        FieldType::String | FieldType::Bytes => true,
        FieldType::Struct(_) => message.fields_of(field).iter().any(|inner| {
            !inner.versions.intersect(message.versions).is_none() && type_borrows(message, inner)
        }),
        _ => false,
    }
}

/// Least bytes of one element of an array field on the wire.
fn smallest_element(message: &Message, field: &Field, version: i16) -> usize {
    match &field.kind {
        FieldType::Array(element) => smallest(message, field, element, version),
        _ => 1,
    }
}

fn smallest(message: &Message, field: &Field, kind: &FieldType, version: i16) -> usize {
    let flexible = message.flexible.contains(version);
    match kind {
        FieldType::Bool | FieldType::Int8 => 1,
        FieldType::Int16 | FieldType::Uint16 => 2,
        FieldType::Int32 | FieldType::Uint32 => 4,
        FieldType::Int64 | FieldType::Float64 => 8,
        FieldType::Uuid => 16,
        FieldType::String if flexible => 1,
        FieldType::String => 2,
        FieldType::Bytes | FieldType::Records | FieldType::Array(_) if flexible => 1,
        FieldType::Bytes | FieldType::Records | FieldType::Array(_) => 4,
        FieldType::Struct(_) => {
            let inner = message.fields_of(field).iter();
            let present = inner.filter(|f| f.versions.contains(version) && f.tag.is_none());
            let sum: usize = present
                .map(|f| match f.kind {
                    FieldType::Struct(_) if f.nullable.contains(version) => 1,
                    _ => smallest(message, f, &f.kind, version),
                })
                .sum();
            sum + usize::from(flexible)
        }
    }
}
