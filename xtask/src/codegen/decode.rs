//! Writes `decode` of one struct.

use super::Outcome;
use super::shape::{Dialect, Shape, Slot, When, rust_type, when};
use millrace_schema::FieldType;
use std::fmt::Write as _;

/// How the id of a topic is read.
const TOPIC_ID: &str = "uuid().map(|id| TopicId(id.0))";

pub(super) fn write(out: &mut String, shape: &Shape<'_>) -> Outcome<()> {
    let (visible, reader) =
        (if shape.is_message { "pub " } else { "" }, if shape.borrows { "'a" } else { "'_" });
    if shape.is_message {
        writeln!(out, "/// Reads the message; bytes behind it are left in the reader.")?;
    }
    writeln!(
        out,
        "{visible}fn decode(reader: &mut Reader<{reader}>, version: i16) -> Result<Self, DecodeError> {{"
    )?;
    if shape.is_message {
        writeln!(out, "if !(Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version) {{")?;
        writeln!(out, "return Err(DecodeError::Version(version));\n}}")?;
    }
    let mut body = String::new();
    let reads = &mut body;
    for slot in shape.fields.iter().filter(|slot| !slot.is_tagged()) {
        let read = read_slot(slot);
        match when(slot.versions, shape.scope) {
            When::Always => writeln!(reads, "let {} = {read};", slot.local())?,
            When::Never => {}
            When::If(condition) => {
                let default = slot.default();
                writeln!(reads, "let {} = if {condition} {{ {read} }} else {{ {default} }};", slot.local())?;
            }
        }
    }
    tagged(reads, shape)?;
    form(out, shape, &body)?;
    out.push_str(&body);
    writeln!(out, "Ok({} {{", shape.name)?;
    for slot in &shape.fields {
        let local = slot.local();
        let name = if local == slot.name { String::new() } else { format!("{}: ", slot.name) };
        writeln!(out, "{name}{local},")?;
    }
    out.push_str("})\n}\n\n");
    Ok(())
}

/// Declares `form` for the version at hand if the body uses it.
pub(super) fn form(out: &mut String, shape: &Shape<'_>, body: &str) -> Outcome<()> {
    if !["(form", " form)", "form =="].iter().any(|sign| body.contains(sign)) {
        return Ok(());
    }
    match when(shape.message.flexible, shape.scope) {
        When::Always => writeln!(out, "let form = Form::Compact;")?,
        When::Never => writeln!(out, "let form = Form::Plain;")?,
        When::If(condition) => {
            writeln!(out, "let form = if {condition} {{ Form::Compact }} else {{ Form::Plain }};")?;
        }
    }
    Ok(())
}

fn tagged(out: &mut String, shape: &Shape<'_>) -> Outcome<()> {
    if matches!(when(shape.message.flexible, shape.scope), When::Never) {
        return Ok(());
    }
    let tagged: Vec<&Slot<'_>> = shape.fields.iter().filter(|slot| slot.is_tagged()).collect();
    if tagged.is_empty() {
        writeln!(out, "reader.skip_tagged_fields(form)?;")?;
        return Ok(());
    }
    for slot in &tagged {
        writeln!(out, "let mut {} = {};", slot.local(), slot.default())?;
    }
    writeln!(out, "if form == Form::Compact {{\nfor _ in 0..reader.uvarint()? {{")?;
    writeln!(out, "let field = reader.tagged_field()?;\nmatch field.tag {{")?;
    for slot in tagged {
        let Some(tag) = slot.field.tag else { continue };
        let read = read_slot(slot);
        let present = slot.versions.intersect(shape.message.flexible);
        match when(present, shape.scope.intersect(shape.message.flexible)) {
            When::Always => writeln!(out, "{} => {} = {read},", tag.number, slot.local())?,
            When::Never => {}
            When::If(condition) => {
                writeln!(out, "{} if {condition} => {} = {read},", tag.number, slot.local())?;
                writeln!(out, "{0} => return Err(DecodeError::TagNotInVersion({0})),", tag.number)?;
            }
        }
    }
    writeln!(out, "_ => reader.skip_tagged_field(field),\n}}\nreader.end_tagged_field(field)?;\n}}\n}}")?;
    Ok(())
}

/// The expression that reads a field, null allowed where the version allows it.
fn read_slot(slot: &Slot<'_>) -> String {
    match when(slot.nullable, slot.versions) {
        When::Never => format!("{}?", read(slot, "")),
        When::Always => format!("{}?", read(slot, "nullable_")),
        When::If(condition) => {
            let (nullable, plain) = (read(slot, "nullable_"), read(slot, ""));
            format!("if {condition} {{ {nullable}? }} else {{ Some({plain}?) }}")
        }
    }
}

fn read(slot: &Slot<'_>, nullable: &str) -> String {
    let form = if slot.field.flexible.is_some() { "Form::Plain" } else { "form" };
    match &slot.field.kind {
        FieldType::Array(element) => {
            let item = rust_type(element, false, slot.dialect).replace("'a", "'_");
            let item = if matches!(**element, FieldType::Struct(_)) { "_".to_owned() } else { item };
            let each = element_reader(element, form, slot.dialect);
            format!("reader.{nullable}array::<{item}, {}>({form}, {each})", slot.smallest)
        }
        FieldType::Struct(name) if nullable.is_empty() => format!("{name}::decode(reader, version)"),
        FieldType::Struct(name) => {
            let tagged = if slot.is_tagged() { "tagged_" } else { "" };
            format!("reader.nullable_{tagged}struct(|reader| {name}::decode(reader, version))")
        }
        FieldType::Uuid if slot.dialect == Dialect::Records => format!("reader.{TOPIC_ID}"),
        kind => match scalar(kind) {
            Some(method) => format!("reader.{method}()"),
            None => format!("reader.{nullable}{}{}({form})", owned(slot.dialect), sized(kind)),
        },
    }
}

fn element_reader(element: &FieldType, form: &str, dialect: Dialect) -> String {
    match element {
        FieldType::Struct(name) => format!("|reader| {name}::decode(reader, version)"),
        FieldType::Uuid if dialect == Dialect::Records => format!("|reader| reader.{TOPIC_ID}"),
        kind => match scalar(kind) {
            Some(method) => format!("Reader::{method}"),
            None => format!("|reader| reader.{}{}({form})", owned(dialect), sized(kind)),
        },
    }
}

/// What stands in the name of a method of `Reader` whose value is owned.
fn owned(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Wire => "",
        Dialect::Records => "owned_",
    }
}

/// Name of the method of `Reader` and `Writer` for a value of fixed size.
pub(super) fn scalar(kind: &FieldType) -> Option<&'static str> {
    Some(match kind {
        FieldType::Bool => "bool",
        FieldType::Int8 => "i8",
        FieldType::Int16 => "i16",
        FieldType::Uint16 => "u16",
        FieldType::Int32 => "i32",
        FieldType::Uint32 => "u32",
        FieldType::Int64 => "i64",
        FieldType::Float64 => "f64",
        FieldType::Uuid => "uuid",
        _ => return None,
    })
}

/// Name of the method of `Reader` and `Writer` for a value behind its length.
pub(super) fn sized(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::String => "string",
        FieldType::Bytes => "bytes",
        FieldType::Records => "records",
        other => unreachable!("{other} has no length"),
    }
}
