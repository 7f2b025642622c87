//! The two bytes in front: the type of a record before its key, the version before a value.

use millrace_codec::{DecodeError, EncodeError, Reader, Writer};

/// Keys have one version each. Kafka took the number in front for it until 4.1,
/// so a new version would be a new type.
const KEY_VERSION: i16 = 0;

type Decode<T> = fn(&mut Reader<'_>, i16) -> Result<T, DecodeError>;

/// What the key says the record is.
pub(super) fn record_type(key: &[u8]) -> Result<i16, DecodeError> {
    Reader::of_record(key).i16()
}

pub(super) fn read_key<T>(key: &[u8], decode: Decode<T>) -> Result<T, DecodeError> {
    let mut reader = Reader::of_record(key);
    reader.i16()?;
    decode(&mut reader, KEY_VERSION)
}

/// A value that is missing is a tombstone. A version that is not known is an error:
/// Kafka does not load such records.
pub(super) fn read_value<T>(value: Option<&[u8]>, decode: Decode<T>) -> Result<Option<T>, DecodeError> {
    let Some(value) = value else { return Ok(None) };
    let mut reader = Reader::of_record(value);
    let version = reader.i16()?;
    decode(&mut reader, version).map(Some)
}

pub(super) fn key_bytes(
    record_type: i16,
    key: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<Vec<u8>, EncodeError> {
    value_bytes(record_type, key)
}

pub(super) fn value_bytes(
    version: i16,
    value: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::of_record();
    writer.i16(version);
    value(&mut writer)?;
    Ok(writer.finish_record())
}
