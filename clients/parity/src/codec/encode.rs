//! Writes a message from a JSON value; absent fields take Kafka's defaults.
use crate::batch::encode_records;
use crate::primitives::{Writer, bytes_from_text, field_name, uuid_from_text};
use millrace_schema::{Field, FieldType, Literal, Message};
use serde_json::{Map, Value};

/// Member that holds tagged fields unknown to the schema: `{number: bytes}`.
const UNKNOWN_TAGS: &str = "_tags";

/// Members that no version of the message has are an error, members of other versions are left out. Null is
/// written where the schema forbids it too: that is how malformed requests are made.
pub(super) fn encode_message(
    message: &Message,
    version: i16,
    value: &Value,
    out: &mut Writer,
) -> Result<(), String> {
    let scope = Scope { message, version, flexible: message.flexible.contains(version) };
    scope.fields(&message.fields, value, out)
}

#[derive(Clone, Copy)]
struct Scope<'m> {
    message: &'m Message,
    version: i16,
    flexible: bool,
}

impl Scope<'_> {
    fn fields(self, fields: &[Field], value: &Value, out: &mut Writer) -> Result<(), String> {
        let members = value.as_object().ok_or_else(|| format!("{value} is no object"))?;
        check_names(fields, members)?;
        let mut tagged = Vec::new();
        for field in fields.iter().filter(|f| f.versions.contains(self.version)) {
            let name = field_name(&field.name);
            let member = members.get(&name);
            match field.tag.filter(|tag| tag.versions.contains(self.version)) {
                Some(tag) => tagged.extend(member.map(|member| (tag.number, field, member))),
                None => self.field(field, member, out).map_err(|e| format!("{name}: {e}"))?,
            }
        }
        if self.flexible { self.tagged_section(tagged, members, out) } else { Ok(()) }
    }

    fn tagged_section(
        self,
        mut tagged: Vec<(u32, &Field, &Value)>,
        members: &Map<String, Value>,
        out: &mut Writer,
    ) -> Result<(), String> {
        let mut sections = Vec::new();
        tagged.sort_by_key(|(number, _, _)| *number);
        for (number, field, member) in tagged {
            let mut section = Writer::default();
            self.field(field, Some(member), &mut section)?;
            sections.push((number, section.bytes));
        }
        if let Some(Value::Object(unknown)) = members.get(UNKNOWN_TAGS) {
            for (number, bytes) in unknown {
                let number = number.parse().map_err(|_| format!("tag {number} is no number"))?;
                sections.push((number, bytes_from_text(bytes.as_str().unwrap_or_default())?));
            }
        }
        out.unsigned_varint(sections.len() as u64);
        for (number, bytes) in sections {
            out.unsigned_varint(u64::from(number));
            out.unsigned_varint(bytes.len() as u64);
            out.put(&bytes);
        }
        Ok(())
    }

    fn field(self, field: &Field, member: Option<&Value>, out: &mut Writer) -> Result<(), String> {
        let flexible = field.flexible.map_or(self.flexible, |versions| versions.contains(self.version));
        let scope = Scope { flexible, ..self };
        let default = default_value(field);
        let value = member.unwrap_or(&default);
        if let FieldType::Array(element) = &field.kind {
            let Some(elements) = value.as_array() else { return scope.null_length(value, 4, out) };
            scope.length(elements.len(), 4, out);
            return elements.iter().try_for_each(|e| scope.value(field, element, e, out));
        }
        if matches!(field.kind, FieldType::Struct(_)) && field.nullable.contains(self.version) {
            out.integer(if value.is_null() { -1 } else { 1 }, 1);
            if value.is_null() {
                return Ok(());
            }
        }
        scope.value(field, &field.kind, value, out)
    }

    fn value(self, field: &Field, kind: &FieldType, value: &Value, out: &mut Writer) -> Result<(), String> {
        let wrong = || format!("{value} is no {kind}");
        let number = || value.as_i64().ok_or_else(wrong);
        match kind {
            FieldType::Bool => out.integer(i64::from(value.as_bool().ok_or_else(wrong)?), 1),
            FieldType::Int8 => out.integer(number()?, 1),
            FieldType::Int16 | FieldType::Uint16 => out.integer(number()?, 2),
            FieldType::Int32 | FieldType::Uint32 => out.integer(number()?, 4),
            FieldType::Int64 => out.integer(number()?, 8),
            FieldType::Float64 => out.put(&value.as_f64().ok_or_else(wrong)?.to_be_bytes()),
            FieldType::Uuid => out.put(&uuid_from_text(value.as_str().ok_or_else(wrong)?)?),
            FieldType::String | FieldType::Bytes => {
                let size = if *kind == FieldType::String { 2 } else { 4 };
                let Some(text) = value.as_str() else { return self.null_length(value, size, out) };
                let bytes = bytes_from_text(text)?;
                self.length(bytes.len(), size, out);
                out.put(&bytes);
            }
            FieldType::Records => {
                let Some(bytes) = encode_records(value)? else { return self.null_length(value, 4, out) };
                self.length(bytes.len(), 4, out);
                out.put(&bytes);
            }
            FieldType::Struct(_) => self.fields(self.message.fields_of(field), value, out)?,
            FieldType::Array(_) => return Err("arrays of arrays do not exist".to_owned()),
        }
        Ok(())
    }

    fn length(self, count: usize, size: usize, out: &mut Writer) {
        match self.flexible {
            true => out.unsigned_varint(count as u64 + 1),
            false => out.integer(count as i64, size),
        }
    }

    fn null_length(self, value: &Value, size: usize, out: &mut Writer) -> Result<(), String> {
        if !value.is_null() {
            return Err(format!("{value} does not fit the type"));
        }
        match self.flexible {
            true => out.unsigned_varint(0),
            false => out.integer(-1, size),
        }
        Ok(())
    }
}

fn check_names(fields: &[Field], members: &Map<String, Value>) -> Result<(), String> {
    let known = |name: &str| name == UNKNOWN_TAGS || fields.iter().any(|f| field_name(&f.name) == name);
    match members.keys().find(|name| !known(name)) {
        Some(name) => Err(format!("there is no field {name}")),
        None => Ok(()),
    }
}

fn default_value(field: &Field) -> Value {
    match &field.default {
        Some(Literal::Null) => Value::Null,
        Some(Literal::Bool(value)) => Value::from(*value),
        Some(Literal::Int(value)) => Value::from(*value),
        Some(Literal::Float(value)) => Value::from(*value),
        Some(Literal::Text(value)) => Value::from(value.as_str()),
        None => match &field.kind {
            FieldType::Bool => Value::from(false),
            FieldType::Uuid => Value::from("AAAAAAAAAAAAAAAAAAAAAA"),
            FieldType::String | FieldType::Bytes => Value::from(""),
            FieldType::Records => Value::Null,
            FieldType::Array(_) => Value::Array(Vec::new()),
            FieldType::Struct(_) => Value::Object(Map::new()),
            _ => Value::from(0),
        },
    }
}
