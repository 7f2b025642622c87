//! Prints a message as schema text; `parse` reads it back to an equal value.

use crate::model::{Field, Kind, Literal, Message};
use std::fmt;

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Request => "request",
            Kind::Response => "response",
            Kind::Header => "header",
            Kind::Value => "value",
            Kind::CoordinatorKey => "coordinator-key",
            Kind::CoordinatorValue => "coordinator-value",
        };
        write!(f, "{kind} {}", self.name)?;
        if let Some(key) = self.api_key {
            write!(f, " key {key}")?;
        }
        write!(f, " versions {} flexible {}", self.versions, self.flexible)?;
        if self.latest_unstable {
            f.write_str(" latest-unstable")?;
        }
        if !self.listeners.is_empty() {
            write!(f, " listeners {}", self.listeners.join(","))?;
        }
        f.write_str("\n")?;
        for field in &self.fields {
            write_field(f, field, 1)?;
        }
        for common in &self.structs {
            writeln!(f, "struct {} versions {}", common.name, common.versions)?;
            for field in &common.fields {
                write_field(f, field, 1)?;
            }
        }
        Ok(())
    }
}

fn write_field(f: &mut fmt::Formatter<'_>, field: &Field, depth: usize) -> fmt::Result {
    write!(f, "{:width$}{} {} {}", "", field.name, field.kind, field.versions, width = depth * 2)?;
    if !field.nullable.is_none() {
        write!(f, " nullable {}", field.nullable)?;
    }
    if let Some(tag) = field.tag {
        write!(f, " tag {} in {}", tag.number, tag.versions)?;
    }
    match &field.default {
        None => {}
        Some(Literal::Null) => f.write_str(" default null")?,
        Some(Literal::Bool(value)) => write!(f, " default {value}")?,
        Some(Literal::Int(value)) => write!(f, " default {value}")?,
        Some(Literal::Float(value)) => write!(f, " default {value:?}")?,
        Some(Literal::Text(value)) => write!(f, " default \"{value}\"")?,
    }
    if field.ignorable {
        f.write_str(" ignorable")?;
    }
    if let Some(flexible) = field.flexible {
        write!(f, " flexible {flexible}")?;
    }
    f.write_str("\n")?;
    field.fields.iter().try_for_each(|inner| write_field(f, inner, depth + 1))
}
