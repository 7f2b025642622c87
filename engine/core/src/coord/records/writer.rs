//! Writes the primitive values of keys and values of records.

use super::form::{Form, STRING_BYTES_MAX};
use crate::base::TopicId;
use bytes::BufMut;

/// Why a record cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("version {version} has no field {field}, and it must not be left out")]
    NotInVersion { field: &'static str, version: i16 },
    #[error("field {field} must not be null in version {version}")]
    Null { field: &'static str, version: i16 },
    #[error("length {0} does not fit the format")]
    TooLong(usize),
    #[error("there is no version {0}")]
    Version(i16),
    #[error("records of type {0} are not written here")]
    RecordType(i16),
}

/// Collects the bytes of one key or value.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    pub fn finish(self) -> Vec<u8> {
        self.buffer
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    pub(crate) fn uuid(&mut self, value: TopicId) {
        self.buffer.put_slice(&value.0);
    }

    pub(crate) fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    pub(crate) fn string(&mut self, value: &str, form: Form) -> Result<(), EncodeError> {
        let length = value.len();
        match i16::try_from(length) {
            Ok(length) if form == Form::Plain => self.i16(length),
            Ok(_) => self.uvarint(length as u32 + 1),
            Err(_) => {
                assert!(length > STRING_BYTES_MAX);
                return Err(EncodeError::TooLong(length));
            }
        }
        self.buffer.put_slice(value.as_bytes());
        Ok(())
    }

    pub(crate) fn null_string(&mut self, form: Form) {
        match form {
            Form::Plain => self.i16(-1),
            Form::Compact => self.uvarint(0),
        }
    }

    pub(crate) fn bytes(&mut self, value: &[u8], form: Form) -> Result<(), EncodeError> {
        self.count(value.len(), form)?;
        self.buffer.put_slice(value);
        Ok(())
    }

    /// Length of bytes or an array.
    pub(crate) fn count(&mut self, count: usize, form: Form) -> Result<(), EncodeError> {
        let fitting = i32::try_from(count).map_err(|_| EncodeError::TooLong(count))?;
        match form {
            Form::Plain => self.i32(fitting),
            Form::Compact => self.uvarint(fitting as u32 + 1),
        }
        Ok(())
    }

    /// Null in place of bytes or an array.
    pub(crate) fn null_count(&mut self, form: Form) {
        match form {
            Form::Plain => self.i32(-1),
            Form::Compact => self.uvarint(0),
        }
    }

    /// A tagged field: number, length, value.
    pub(crate) fn tagged_field(
        &mut self,
        tag: u32,
        value: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut inner = Writer::new();
        value(&mut inner)?;
        let length = inner.buffer.len();
        self.uvarint(tag);
        self.uvarint(u32::try_from(length).map_err(|_| EncodeError::TooLong(length))?);
        self.buffer.put_slice(&inner.buffer);
        Ok(())
    }

    /// The empty section of a struct that has no tagged fields to write; the plain form has no such section.
    pub(crate) fn no_tagged_fields(&mut self, form: Form) {
        if form == Form::Compact {
            self.uvarint(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let text = "x".repeat(STRING_BYTES_MAX + 1);
        for form in [Form::Plain, Form::Compact] {
            assert_eq!(Writer::new().string(&text, form), Err(EncodeError::TooLong(text.len())));
            assert_eq!(Writer::new().string(&text[1..], form), Ok(()));
        }
    }
}
