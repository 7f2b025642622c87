//! Reads fetched batches into text: header fields that a client sees, then the records.
use super::{BATCH_HEADER_BYTES, CHECKSUM_FROM, LENGTH_EXCLUDES_BYTES, decompress, name_of_codec};
use crate::primitives::{Reader, text_from_bytes};
use serde_json::{Map, Value};

/// One element per whole batch. A batch cut off at the end is left out: a broker may send one where a budget
/// ends, and every client drops it.
pub(crate) fn decode_records(mut bytes: &[u8]) -> Value {
    let mut batches = Vec::new();
    while let Some(size) = batch_size(bytes) {
        let Some((batch, rest)) = bytes.split_at_checked(size) else { break };
        batches
            .push(decode_batch(batch).unwrap_or_else(|reason| Value::from(format!("<bad batch: {reason}>"))));
        bytes = rest;
    }
    Value::Array(batches)
}

fn batch_size(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(bytes.get(8..LENGTH_EXCLUDES_BYTES)?.try_into().ok()?);
    Some(length as usize + LENGTH_EXCLUDES_BYTES)
}

fn decode_batch(batch: &[u8]) -> Result<Value, String> {
    let mut reader = Reader::new(batch);
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| _ = members.insert(name.to_owned(), value);
    let base_offset = reader.integer(8)?;
    put("baseOffset", base_offset.into());
    reader.take(4)?;
    put("partitionLeaderEpoch", reader.integer(4)?.into());
    put("magic", reader.integer(1)?.into());
    let crc = reader.int32()? as u32;
    if crc != crc32c::crc32c(batch.get(CHECKSUM_FROM..).unwrap_or_default()) {
        put("crc", "bad".into());
    }
    let attributes = reader.integer(2)?;
    let codec = (attributes & 7) as usize;
    put("codec", name_of_codec(codec).into());
    put("timestampType", if attributes & 8 == 0 { "create" } else { "append" }.into());
    for (bit, name) in [(16, "transactional"), (32, "control")] {
        if attributes & bit != 0 {
            put(name, true.into());
        }
    }
    if attributes >> 6 != 0 {
        put("attributes", attributes.into());
    }
    put("lastOffsetDelta", reader.integer(4)?.into());
    let base_timestamp = reader.integer(8)?;
    put("baseTimestamp", base_timestamp.into());
    put("maxTimestamp", reader.integer(8)?.into());
    put("producerId", reader.integer(8)?.into());
    put("producerEpoch", reader.integer(2)?.into());
    put("baseSequence", reader.integer(4)?.into());
    let count = reader.integer(4)?;
    let payload = decompress(codec, batch.get(BATCH_HEADER_BYTES..).unwrap_or_default())?;
    put("records", decode_payload(&payload, count, base_offset, base_timestamp)?);
    Ok(Value::Object(members))
}

fn decode_payload(
    payload: &[u8],
    count: i64,
    base_offset: i64,
    base_timestamp: i64,
) -> Result<Value, String> {
    let mut reader = Reader::new(payload);
    let mut records = Vec::new();
    for _ in 0..count {
        let length = reader.varint()?;
        let body = reader.take(usize::try_from(length).map_err(|_| format!("record length {length}"))?)?;
        records.push(decode_record(body, base_offset, base_timestamp)?);
    }
    if reader.left() > 0 {
        return Err(format!("{} bytes after the records", reader.left()));
    }
    Ok(Value::Array(records))
}

fn decode_record(body: &[u8], base_offset: i64, base_timestamp: i64) -> Result<Value, String> {
    let mut reader = Reader::new(body);
    let mut members = Map::new();
    reader.take(1)?;
    let timestamp = base_timestamp + reader.varint()?;
    members.insert("offset".to_owned(), (base_offset + reader.varint()?).into());
    members.insert("timestamp".to_owned(), timestamp.into());
    members.insert("key".to_owned(), nullable(&mut reader)?);
    members.insert("value".to_owned(), nullable(&mut reader)?);
    let mut headers = Vec::new();
    for _ in 0..reader.varint()? {
        headers.push(Value::Array(vec![nullable(&mut reader)?, nullable(&mut reader)?]));
    }
    if !headers.is_empty() {
        members.insert("headers".to_owned(), Value::Array(headers));
    }
    if reader.left() > 0 {
        return Err(format!("{} bytes after a record", reader.left()));
    }
    Ok(Value::Object(members))
}

fn nullable(reader: &mut Reader<'_>) -> Result<Value, String> {
    let length = reader.varint()?;
    match usize::try_from(length) {
        Ok(length) => Ok(Value::from(text_from_bytes(reader.take(length)?))),
        Err(_) => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::encode_records;
    use crate::text::Texts;

    fn check(text: &str, expect: &str) {
        let bytes = encode_records(&Texts::new(text).value().unwrap()).unwrap().unwrap();
        assert_eq!(decode_records(&bytes), Texts::new(expect).value().unwrap(), "{text}");
    }

    #[test]
    fn batches_read_back() {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            check(
                &format!(
                    "[{{codec: {codec}, timestamp: 7, records: [a,
                    {{key: k, headers: [[h, null]], timestamp: 9}}]}}]"
                ),
                &format!(
                    "[{{baseOffset: 0, partitionLeaderEpoch: -1, magic: 2, codec: {codec},
                    timestampType: create, lastOffsetDelta: 1, baseTimestamp: 7, maxTimestamp: 9,
                    producerId: -1, producerEpoch: -1, baseSequence: -1,
                    records: [{{offset: 0, timestamp: 7, key: null, value: a}},
                    {{offset: 1, timestamp: 9, key: k, value: null, headers: [[h, null]]}}]}}]"
                ),
            );
        }
        check("[[a], {records: [b], cut: 1}]", &{
            let one = encode_records(&serde_json::json!([["a"]])).unwrap().unwrap();
            decode_records(&one).to_string()
        });
        check("[{records: [a], count: 2}]", "[\"<bad batch: 1 bytes are expected, 0 are left>\"]");
    }
}
