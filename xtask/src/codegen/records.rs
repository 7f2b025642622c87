//! Writes the table of record types: one enum of everything that `__consumer_offsets` holds.

use super::{Outcome, RECORD_NOTICE};
use crate::schema::snake_case;
use millrace_schema::{Kind, Message};
use std::fmt::Write as _;

/// `GroupRecord`, over the keys and values of `records`.
pub(super) fn group_record(messages: &[Message], records: &[&str]) -> Outcome<String> {
    let mut types = Vec::new();
    for name in records {
        let of_kind = |kind: Kind, ending: &str| {
            let wanted = format!("{name}{ending}");
            let message = messages.iter().find(|message| message.kind == kind && message.name == wanted);
            message.ok_or_else(|| format!("no definition of {wanted}"))
        };
        let (key, value) = (of_kind(Kind::CoordinatorKey, "Key")?, of_kind(Kind::CoordinatorValue, "Value")?);
        if key.api_key != value.api_key || key.versions.last() != Some(0) {
            return Err(
                format!("{name}: key and value differ in type, or the key has several versions").into()
            );
        }
        types.push((key.api_key.ok_or_else(|| format!("{name} has no type"))?, *name));
    }
    types.sort();

    let mut out = format!("//! Table of record types, {RECORD_NOTICE}\n\n");
    out.push_str(
        "use crate::coord::records::prefix::{key_bytes, read_key, read_value, record_type, value_bytes};\n",
    );
    out.push_str("use millrace_codec::{DecodeError, EncodeError};\n");
    for (_, name) in &types {
        for part in ["Key", "Value"] {
            writeln!(out, "use super::{}::{name}{part};", snake_case(&format!("{name}{part}")))?;
        }
    }
    out.push_str(
        "\n/// A record of `__consumer_offsets`: its key, and its value unless it is a tombstone.\n",
    );
    out.push_str("#[derive(Clone, Debug, PartialEq)]\npub enum GroupRecord {\n");
    for (_, name) in &types {
        writeln!(out, "{name}({name}Key, Option<{name}Value>),")?;
    }
    out.push_str(
        "/// Of a type that has no code here, such as those of share groups; loading passes over it.\n",
    );
    out.push_str("Unknown(i16),\n}\n\nimpl GroupRecord {\n");
    decode(&mut out, &types)?;
    encode(&mut out, &types)?;
    out.push_str("}\n");
    Ok(out)
}

fn decode(out: &mut String, types: &[(i16, &str)]) -> Outcome<()> {
    out.push_str("/// Reads a record. Bytes behind key or value are passed over, as in Kafka.\n");
    out.push_str("pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<GroupRecord, DecodeError> {\n");
    out.push_str("Ok(match record_type(key)? {\n");
    for (number, name) in types {
        writeln!(
            out,
            "{number} => GroupRecord::{name}(read_key(key, {name}Key::decode)?, \
             read_value(value, {name}Value::decode)?),"
        )?;
    }
    out.push_str("other => GroupRecord::Unknown(other),\n})\n}\n\n");
    Ok(())
}

fn encode(out: &mut String, types: &[(i16, &str)]) -> Outcome<()> {
    out.push_str("/// The bytes of the key.\n");
    out.push_str("pub fn encode_key(&self) -> Result<Vec<u8>, EncodeError> {\nmatch self {\n");
    for (number, name) in types {
        writeln!(out, "GroupRecord::{name}(key, _) => key_bytes({number}, |w| key.encode(w, 0)),")?;
    }
    out.push_str("GroupRecord::Unknown(other) => Err(EncodeError::RecordType(*other)),\n}\n}\n\n");
    out.push_str("/// The bytes of the value in one of its versions; nothing for a tombstone.\n");
    out.push_str("pub fn encode_value(&self, version: i16) -> Result<Option<Vec<u8>>, EncodeError> {\n");
    out.push_str("match self {\n");
    for (_, name) in types {
        writeln!(
            out,
            "GroupRecord::{name}(_, value) => \
             value.as_ref().map(|value| value_bytes(version, |w| value.encode(w, version))).transpose(),"
        )?;
    }
    out.push_str("GroupRecord::Unknown(other) => Err(EncodeError::RecordType(*other)),\n}\n}\n");
    Ok(())
}
