//! Writes batches from their text, with knobs that break any one part of them.
use super::{BATCH_HEADER_BYTES, CHECKSUM_FROM, LENGTH_EXCLUDES_BYTES, compress, number_of_codec};
use crate::primitives::{Writer, bytes_from_text};
use serde_json::{Map, Value};

const MEMBERS: [&str; 22] = [
    "records",
    "timestamp",
    "baseOffset",
    "batchLength",
    "partitionLeaderEpoch",
    "magic",
    "crc",
    "attributes",
    "codec",
    "timestampType",
    "transactional",
    "control",
    "lastOffsetDelta",
    "baseTimestamp",
    "maxTimestamp",
    "producerId",
    "producerEpoch",
    "baseSequence",
    "count",
    "payload",
    "cut",
    "bytes",
];

/// Bytes of a records field: null, `hex:` text, or an array of batches. A batch is an array of records, or an
/// object that also sets fields of its header. A record is its value, or an object with key, value,
/// headers and so on.
pub(crate) fn encode_records(value: &Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => bytes_from_text(text).map(Some),
        Value::Array(batches) => {
            let mut bytes = Vec::new();
            for batch in batches {
                bytes.extend(encode_batch(batch)?);
            }
            Ok(Some(bytes))
        }
        other => Err(format!("{other} is no list of batches")),
    }
}

fn encode_batch(batch: &Value) -> Result<Vec<u8>, String> {
    let plain;
    let batch = match batch {
        Value::Object(members) => members,
        records => {
            plain = Map::from_iter([("records".to_owned(), records.clone())]);
            &plain
        }
    };
    if let Some(name) = batch.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(format!("a batch has no {name}"));
    }
    let text = Batch(batch);
    let none = Vec::new();
    let records = batch.get("records").map_or(Ok(&none), |r| r.as_array().ok_or("records are no list"))?;
    let times: Vec<i64> = records.iter().map(|r| text.record_time(r)).collect();
    let base_time = text.number("baseTimestamp", times.first().copied().unwrap_or(text.time()));
    let max_time = text.number("maxTimestamp", times.iter().copied().max().unwrap_or(text.time()));
    let count = records.len() as i64;
    let codec = text.codec()?;

    let mut body = Writer::default();
    for (index, record) in records.iter().enumerate() {
        encode_record(record, index as i64, text.record_time(record) - base_time, &mut body)?;
    }
    let payload = match text.text("payload") {
        Some(payload) => bytes_from_text(payload)?,
        None => compress(codec, &body.bytes)?,
    };

    let mut covered = Writer::default();
    covered.integer(text.number("attributes", text.attributes(codec)), 2);
    covered.integer(text.number("lastOffsetDelta", count - 1), 4);
    covered.integer(base_time, 8);
    covered.integer(max_time, 8);
    covered.integer(text.number("producerId", -1), 8);
    covered.integer(text.number("producerEpoch", -1), 2);
    covered.integer(text.number("baseSequence", -1), 4);
    covered.integer(text.number("count", count), 4);
    covered.put(&payload);

    let length = CHECKSUM_FROM + covered.bytes.len() - LENGTH_EXCLUDES_BYTES;
    debug_assert!(length + LENGTH_EXCLUDES_BYTES >= BATCH_HEADER_BYTES);
    let mut out = Writer::default();
    out.integer(text.number("baseOffset", 0), 8);
    out.integer(text.number("batchLength", length as i64), 4);
    out.integer(text.number("partitionLeaderEpoch", -1), 4);
    out.integer(text.number("magic", 2), 1);
    out.integer(text.number("crc", i64::from(crc32c::crc32c(&covered.bytes))), 4);
    out.put(&covered.bytes);
    out.bytes.truncate(out.bytes.len().saturating_sub(text.number("cut", 0) as usize));
    Ok(out.bytes)
}

/// The members that a batch's text gives, and what stands for the absent ones.
struct Batch<'a>(&'a Map<String, Value>);

impl Batch<'_> {
    fn number(&self, name: &str, default: i64) -> i64 {
        self.0.get(name).and_then(Value::as_i64).unwrap_or(default)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn time(&self) -> i64 {
        self.number("timestamp", 0)
    }

    fn record_time(&self, record: &Value) -> i64 {
        record.get("timestamp").and_then(Value::as_i64).unwrap_or(self.time())
    }

    fn codec(&self) -> Result<usize, String> {
        match self.0.get("codec") {
            None => Ok(0),
            Some(Value::String(name)) => number_of_codec(name),
            Some(number) => Ok(number.as_u64().unwrap_or(0) as usize),
        }
    }

    fn attributes(&self, codec: usize) -> i64 {
        let append_time = self.text("timestampType") == Some("append");
        let flags = [append_time, self.flag("transactional"), self.flag("control")];
        flags.iter().enumerate().fold(codec as i64, |bits, (i, on)| bits | i64::from(*on) << (3 + i))
    }
}

fn encode_record(record: &Value, index: i64, timestamp_delta: i64, out: &mut Writer) -> Result<(), String> {
    let number = |name: &str, default| record.get(name).and_then(Value::as_i64).unwrap_or(default);
    let (key, value) = match record {
        Value::Object(members) => (members.get("key"), members.get("value")),
        value => (None, Some(value)),
    };
    let mut body = Writer::default();
    body.integer(number("attributes", 0), 1);
    body.varint(number("timestampDelta", timestamp_delta));
    body.varint(number("offsetDelta", index));
    put_nullable(key, &mut body)?;
    put_nullable(value, &mut body)?;
    let none = Vec::new();
    let headers = record.get("headers").and_then(Value::as_array).unwrap_or(&none);
    body.varint(number("headerCount", headers.len() as i64));
    for header in headers {
        put_nullable(header.get(0), &mut body)?;
        put_nullable(header.get(1), &mut body)?;
    }
    out.varint(number("length", body.bytes.len() as i64));
    out.put(&body.bytes);
    Ok(())
}

fn put_nullable(value: Option<&Value>, out: &mut Writer) -> Result<(), String> {
    let text = match value {
        None | Some(Value::Null) => {
            out.varint(-1);
            return Ok(());
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let bytes = bytes_from_text(&text)?;
    out.varint(bytes.len() as i64);
    out.put(&bytes);
    Ok(())
}
