//! Writes `encode` of one struct.

use super::Outcome;
use super::decode::{form, scalar, sized};
use super::shape::{Dialect, Shape, Slot, When, when};
use millrace_schema::FieldType;
use std::fmt::Write as _;

/// Of answers: whoever frames one may know better.
const THROTTLE_TIME: &str = "ThrottleTimeMs";

pub(super) fn write(out: &mut String, shape: &Shape<'_>) -> Outcome<()> {
    let visible = if shape.is_message { "pub " } else { "" };
    if shape.is_message {
        writeln!(out, "/// Writes the message; on an error the writer holds a part of it and is of no use.")?;
    }
    writeln!(
        out,
        "{visible}fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {{"
    )?;
    if shape.is_message {
        writeln!(out, "if !(Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version) {{")?;
        writeln!(out, "return Err(EncodeError::Version(version));\n}}")?;
    }
    let mut body = String::new();
    for slot in &shape.fields {
        if slot.is_tagged() {
            refuse_loss(&mut body, slot, shape)?;
        } else {
            plain(&mut body, slot, shape)?;
        }
    }
    tagged(&mut body, shape)?;
    form(out, shape, &body)?;
    out.push_str(&body);
    out.push_str("Ok(())\n}\n");
    Ok(())
}

fn plain(out: &mut String, slot: &Slot<'_>, shape: &Shape<'_>) -> Outcome<()> {
    let write = write_slot(slot);
    match when(slot.versions, shape.scope) {
        When::Always => writeln!(out, "{write}")?,
        When::Never => {}
        When::If(condition) if slot.field.ignorable => writeln!(out, "if {condition} {{ {write} }}")?,
        When::If(condition) => {
            let refusal = refusal(slot);
            writeln!(out, "if {condition} {{ {write} }} else if {} {{ {refusal} }}", slot.differs())?;
        }
    }
    Ok(())
}

/// A tagged field that the version lacks.
fn refuse_loss(out: &mut String, slot: &Slot<'_>, shape: &Shape<'_>) -> Outcome<()> {
    if let When::If(condition) = when(slot.versions, shape.scope)
        && !slot.field.ignorable
    {
        writeln!(out, "if !({condition}) && {} {{ {} }}", slot.differs(), refusal(slot))?;
    }
    Ok(())
}

fn refusal(slot: &Slot<'_>) -> String {
    format!("return Err(EncodeError::NotInVersion {{ field: {:?}, version }});", slot.field.name)
}

/// Tagged fields leave in the order of their numbers, those of their default value not at all.
fn tagged(out: &mut String, shape: &Shape<'_>) -> Outcome<()> {
    if matches!(when(shape.message.flexible, shape.scope), When::Never) {
        return Ok(());
    }
    let mut tagged: Vec<(u32, &Slot<'_>)> =
        shape.fields.iter().filter_map(|slot| Some((slot.field.tag?.number, slot))).collect();
    tagged.sort_by_key(|(number, _)| *number);
    if tagged.is_empty() {
        writeln!(out, "writer.no_tagged_fields(form);")?;
        return Ok(());
    }
    writeln!(out, "if form == Form::Compact {{\nlet mut count = 0;")?;
    let condition = |slot: &Slot<'_>| {
        let flexible = shape.message.flexible;
        match when(slot.versions, shape.scope.intersect(flexible)) {
            When::If(condition) => format!("{condition} && {}", slot.differs()),
            _ => slot.differs(),
        }
    };
    for (_, slot) in &tagged {
        writeln!(out, "count += u32::from({});", condition(slot))?;
    }
    writeln!(out, "writer.uvarint(count);")?;
    for (number, slot) in tagged {
        let write = write_slot(slot);
        writeln!(
            out,
            "if {} {{ writer.tagged_field({number}, |writer| {{ {write} Ok(()) }})?; }}",
            condition(slot)
        )?;
    }
    writeln!(out, "}}")?;
    Ok(())
}

/// Statements that write a field of a version that has it.
fn write_slot(slot: &Slot<'_>) -> String {
    let form = if slot.field.flexible.is_some() { "Form::Plain" } else { "form" };
    let name = &slot.name;
    let kind = &slot.field.kind;
    if slot.field.name == THROTTLE_TIME {
        return format!("writer.throttle_time_ms(self.{name});");
    }
    if !slot.is_optional() {
        return write_value(slot, &format!("self.{name}"), &format!("&self.{name}"), form);
    }
    let null = match kind {
        FieldType::String => format!("writer.null_string({form})"),
        FieldType::Struct(_) if slot.is_tagged() => "writer.uvarint(0)".to_owned(),
        FieldType::Struct(_) => "writer.i8(-1)".to_owned(),
        _ => format!("writer.null_count({form})"),
    };
    let refusal =
        format!("None => return Err(EncodeError::Null {{ field: {:?}, version }}),", slot.field.name);
    let nulls = match when(slot.nullable, slot.versions) {
        When::If(condition) => format!("None if {condition} => {null}, {refusal}"),
        _ => format!("None => {null},"),
    };
    // Null is told from a struct by a byte, or by a variable-length number where a tag stands in front.
    let flag = match kind {
        FieldType::Struct(_) if slot.is_tagged() => "writer.uvarint(1);",
        FieldType::Struct(_) => "writer.i8(1);",
        _ => "",
    };
    let value = write_value(slot, "value", "value", form);
    format!("match &self.{name} {{ {nulls} Some(value) => {{ {flag} {value} }} }}")
}

/// `place` is the value itself, `reference` a reference to it.
fn write_value(slot: &Slot<'_>, place: &str, reference: &str, form: &str) -> String {
    // The id of a topic is written as any other; a field of a reference needs no star.
    let fixed = |kind: &FieldType, value: &str| match (kind, slot.dialect) {
        (FieldType::Uuid, Dialect::Records) => format!("Uuid({}.0)", value.trim_start_matches('*')),
        _ => value.to_owned(),
    };
    match &slot.field.kind {
        FieldType::Array(element) => {
            let item = match (&**element, scalar(element)) {
                (FieldType::Struct(_), _) => "item.encode(writer, version)?;".to_owned(),
                (kind, Some(method)) => format!("writer.{method}({});", fixed(kind, "*item")),
                (kind, None) => format!("writer.{}(item, {form})?;", sized(kind)),
            };
            format!("writer.count({place}.len(), {form})?; for item in {reference} {{ {item} }}")
        }
        FieldType::Struct(_) => format!("{place}.encode(writer, version)?;"),
        kind => match scalar(kind) {
            Some(method) => format!("writer.{method}({});", fixed(kind, place)),
            None => format!("writer.{}({reference}, {form})?;", sized(kind)),
        },
    }
}
