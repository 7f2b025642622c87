//! Records as text: by a template, or an object a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millrace_core::log::records::Record;
use serde_json::{Map, Value, json};

use super::format::{Piece, Template};

/// How records are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RecordFormat {
    Template(Template),
    /// An object a line.
    Json,
}

impl RecordFormat {
    /// `json`, or a template.
    pub(crate) fn read(text: &str) -> Result<RecordFormat, String> {
        match text {
            "json" => Ok(RecordFormat::Json),
            text => Template::read(text).map(RecordFormat::Template),
        }
    }
}

/// A record where it stands.
pub(super) struct Placed<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp_ms: i64,
    pub(super) record: Record<'a>,
}

impl Placed<'_> {
    pub(super) fn write(&self, format: &RecordFormat, out: &mut Vec<u8>) {
        match format {
            RecordFormat::Template(template) => {
                template.0.iter().for_each(|piece| self.write_piece(piece, out))
            }
            RecordFormat::Json => {
                out.extend(self.object().to_string().bytes());
                out.push(b'\n');
            }
        }
    }

    fn write_piece(&self, piece: &Piece, out: &mut Vec<u8>) {
        let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        let number = match piece {
            Piece::Literal(bytes) => return out.extend_from_slice(bytes),
            Piece::Topic => return out.extend(self.topic.bytes()),
            Piece::Key => return out.extend_from_slice(self.record.key.unwrap_or_default()),
            Piece::Value => return out.extend_from_slice(self.record.value.unwrap_or_default()),
            Piece::Headers => return self.write_headers(out),
            Piece::Partition => i64::from(self.partition),
            Piece::Offset => self.offset,
            Piece::KeyLength => length(self.record.key),
            Piece::ValueLength => length(self.record.value),
            Piece::Timestamp => self.timestamp_ms,
        };
        out.extend(number.to_string().bytes());
    }

    fn write_headers(&self, out: &mut Vec<u8>) {
        for (place, (key, value)) in self.record.headers.enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            out.push(b'=');
            out.extend_from_slice(value.unwrap_or_default());
        }
    }

    fn object(&self) -> Value {
        let mut object = Map::new();
        object.insert("topic".to_owned(), self.topic.into());
        object.insert("partition".to_owned(), self.partition.into());
        object.insert("offset".to_owned(), self.offset.into());
        object.insert("timestamp".to_owned(), self.timestamp_ms.into());
        put_bytes(&mut object, "key", self.record.key);
        put_bytes(&mut object, "value", self.record.value);
        let header = |(key, value): (&[u8], Option<&[u8]>)| {
            let mut header = Map::new();
            header.insert("key".to_owned(), String::from_utf8_lossy(key).into());
            put_bytes(&mut header, "value", value);
            Value::Object(header)
        };
        object.insert("headers".to_owned(), self.record.headers.map(header).collect());
        Value::Object(object)
    }
}

/// What is no text goes below another name, so that nothing is lost.
fn put_bytes(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object.insert(name.to_owned(), Value::Null),
        Some((_, Ok(text))) => object.insert(name.to_owned(), text.into()),
        Some((bytes, Err(_))) => object.insert(format!("{name}_base64"), json!(STANDARD.encode(bytes))),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attributes, time, offset, key `k`, value `v` and 0xff, headers `a=1` and `b` without a value.
    const RECORD: &[u8] = &[32, 0, 0, 0, 2, b'k', 4, b'v', 0xff, 4, 2, b'a', 2, b'1', 2, b'b', 1];

    fn check(format: &str, expected: &[u8]) {
        let record = Record::take(&mut &RECORD[..]).unwrap();
        let placed = Placed { topic: "t", partition: 3, offset: 7, timestamp_ms: 9, record };
        let mut out = Vec::new();
        placed.write(&RecordFormat::read(format).unwrap(), &mut out);
        assert_eq!(out, expected, "{format}: {}", String::from_utf8_lossy(&out));
    }

    #[test]
    fn records_are_written_by_templates_and_as_objects() {
        check("%t-%p@%o %T %k/%K %V %h%%\\n", b"t-3@7 9 k/1 2 a=1,b=%\n");
        check("%v", b"v\xff");
        let object =
            r#"{"topic":"t","partition":3,"offset":7,"timestamp":9,"key":"k","value_base64":"dv8=","#;
        let headers = r#""headers":[{"key":"a","value":"1"},{"key":"b","value":null}]}"#;
        check("json", format!("{object}{headers}\n").as_bytes());
    }
}
