//! Reads a message into a JSON value with Kafka's field names.
use crate::batch::decode_records;
use crate::primitives::{Reader, field_name, text_from_bytes, text_from_uuid};
use millrace_schema::{Field, FieldType, Message};
use serde_json::{Map, Value};

/// Elements for which room is taken before they are read, whatever the length claims.
const RESERVED_ELEMENTS_MAX: usize = 1024;

/// Tagged fields that are absent stay absent in the value: whether a default is sent is part of the answer.
pub(super) fn decode_message(
    message: &Message,
    version: i16,
    reader: &mut Reader<'_>,
) -> Result<Value, String> {
    let scope = Scope { message, version, flexible: message.flexible.contains(version) };
    scope.fields(&message.fields, reader)
}

#[derive(Clone, Copy)]
struct Scope<'m> {
    message: &'m Message,
    version: i16,
    flexible: bool,
}

impl Scope<'_> {
    fn fields(self, fields: &[Field], reader: &mut Reader<'_>) -> Result<Value, String> {
        let mut members = Map::new();
        let present = fields.iter().filter(|f| f.versions.contains(self.version));
        let is_tagged = |f: &Field| f.tag.is_some_and(|tag| tag.versions.contains(self.version));
        for field in present.clone().filter(|f| !is_tagged(f)) {
            let name = field_name(&field.name);
            let value = self.field(field, reader).map_err(|e| format!("{name}: {e}"))?;
            members.insert(name, value);
        }
        if !self.flexible {
            return Ok(Value::Object(members));
        }
        for _ in 0..reader.unsigned_varint()? {
            let number = reader.unsigned_varint()?;
            let size = reader.unsigned_varint()? as usize;
            let bytes = reader.take(size)?;
            let is_this = |f: &&Field| is_tagged(f) && f.tag.is_some_and(|t| u64::from(t.number) == number);
            let (name, value) = match present.clone().find(is_this) {
                Some(field) => {
                    let mut section = Reader::new(bytes);
                    let value = self.field(field, &mut section)?;
                    if section.left() > 0 {
                        return Err(format!("tag {number}: {} bytes are left over", section.left()));
                    }
                    (field_name(&field.name), value)
                }
                None => (format!("tag{number}"), Value::from(text_from_bytes(bytes))),
            };
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }

    fn field(self, field: &Field, reader: &mut Reader<'_>) -> Result<Value, String> {
        let flexible = field.flexible.map_or(self.flexible, |versions| versions.contains(self.version));
        let scope = Scope { flexible, ..self };
        if let FieldType::Array(element) = &field.kind {
            let Some(count) = scope.length(4, reader)? else { return Ok(Value::Null) };
            let mut elements = Vec::with_capacity(count.min(RESERVED_ELEMENTS_MAX));
            for _ in 0..count {
                elements.push(scope.value(field, element, reader)?);
            }
            return Ok(Value::Array(elements));
        }
        let nullable_struct =
            matches!(field.kind, FieldType::Struct(_)) && field.nullable.contains(self.version);
        if nullable_struct && reader.integer(1)? < 0 {
            return Ok(Value::Null);
        }
        scope.value(field, &field.kind, reader)
    }

    fn value(self, field: &Field, kind: &FieldType, reader: &mut Reader<'_>) -> Result<Value, String> {
        Ok(match kind {
            FieldType::Bool => Value::from(reader.integer(1)? != 0),
            FieldType::Int8 => Value::from(reader.integer(1)?),
            FieldType::Int16 => Value::from(reader.integer(2)?),
            FieldType::Uint16 => Value::from(reader.integer(2)? as u16),
            FieldType::Int32 => Value::from(reader.integer(4)?),
            FieldType::Uint32 => Value::from(reader.integer(4)? as u32),
            FieldType::Int64 => Value::from(reader.integer(8)?),
            FieldType::Float64 => Value::from(f64::from_bits(reader.integer(8)? as u64)),
            FieldType::Uuid => Value::from(text_from_uuid(reader.take(16)?)),
            FieldType::String => match self.length(2, reader)? {
                None => Value::Null,
                Some(length) => Value::from(String::from_utf8_lossy(reader.take(length)?)),
            },
            FieldType::Bytes => match self.length(4, reader)? {
                None => Value::Null,
                Some(length) => Value::from(text_from_bytes(reader.take(length)?)),
            },
            FieldType::Records => match self.length(4, reader)? {
                None => Value::Null,
                Some(length) => decode_records(reader.take(length)?),
            },
            FieldType::Struct(_) => self.fields(self.message.fields_of(field), reader)?,
            FieldType::Array(_) => return Err("arrays of arrays do not exist".to_owned()),
        })
    }

    /// A length or count in the form of this message's version; nothing for null.
    fn length(self, size: usize, reader: &mut Reader<'_>) -> Result<Option<usize>, String> {
        let length = match self.flexible {
            true => reader.unsigned_varint()? as i64 - 1,
            false => reader.integer(size)?,
        };
        match length {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| format!("length {length}")),
        }
    }
}
