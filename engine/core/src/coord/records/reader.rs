//! Reads the primitive values of keys and values of records, checking each length before memory is taken.

use super::form::{Form, STRING_BYTES_MAX};
use crate::base::TopicId;
use bytes::Bytes;

/// Memory that decoded arrays may take per byte of the key or value. Each generated array asserts at compile time that
/// its element stays below this, so no record that is well formed is ever refused for it.
pub const MEMORY_PER_RECORD_BYTE: usize = 64;

/// Why bytes are not a key or a value. Kafka's coordinator does not load a partition that holds such a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{wanted} bytes wanted, {remaining} left")]
    EndOfRecord { wanted: usize, remaining: usize },
    #[error("{count} elements claimed with {remaining} bytes left")]
    ArrayTooLong { count: usize, remaining: usize },
    #[error("string of {0} bytes")]
    StringTooLong(usize),
    #[error("null in a field that does not allow it")]
    Null,
    #[error("variable-length number of more than 32 bits")]
    Varint,
    #[error("tagged field {tag} does not fill its {size} bytes")]
    TaggedSize { tag: u32, size: u32 },
    #[error("tagged field {0} is not part of this version")]
    TagNotInVersion(u32),
    #[error("there is no version {0}")]
    Version(i16),
    #[error("arrays need more than {MEMORY_PER_RECORD_BYTE} bytes of memory per byte of the record")]
    Memory,
}

/// A tagged field whose value follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaggedField {
    pub(crate) tag: u32,
    size: u32,
    /// What is left in the record behind the field.
    behind: usize,
}

/// A cursor over one key or value. What it returns is owned.
///
/// Invariant: memory taken is at most `MEMORY_PER_RECORD_BYTE` times the record, whatever lengths it claims.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Bytes of memory that may still be taken.
    memory: usize,
}

impl<'a> Reader<'a> {
    pub fn new(record: &'a [u8]) -> Reader<'a> {
        Reader { rest: record, memory: record.len().saturating_mul(MEMORY_PER_RECORD_BYTE) }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn i8(&mut self) -> Result<i8, DecodeError> {
        self.fixed().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, DecodeError> {
        self.fixed().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, DecodeError> {
        self.fixed().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<TopicId, DecodeError> {
        self.fixed().map(TopicId)
    }

    /// An unsigned number of seven bits per byte, least significant first, five bytes at most.
    pub(crate) fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint);
            }
        }
        Err(DecodeError::Varint)
    }

    pub(crate) fn string(&mut self, form: Form) -> Result<String, DecodeError> {
        self.nullable_string(form)?.ok_or(DecodeError::Null)
    }

    /// Bytes that are not UTF-8 become U+FFFD, as they do in Kafka.
    pub(crate) fn nullable_string(&mut self, form: Form) -> Result<Option<String>, DecodeError> {
        let length = match form {
            Form::Plain => usize::try_from(self.i16()?).ok(),
            Form::Compact => self.compact_length()?,
        };
        let Some(length) = length else { return Ok(None) };
        if length > STRING_BYTES_MAX {
            return Err(DecodeError::StringTooLong(length));
        }
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.charge(text.len())?;
        Ok(Some(text))
    }

    pub(crate) fn bytes(&mut self, form: Form) -> Result<Bytes, DecodeError> {
        let length = self.length(form)?.ok_or(DecodeError::Null)?;
        let bytes = self.take(length)?;
        self.charge(length)?;
        Ok(Bytes::copy_from_slice(bytes))
    }

    /// As `bytes`, or nothing for null.
    pub(crate) fn nullable_bytes(&mut self, form: Form) -> Result<Option<Bytes>, DecodeError> {
        let Some(length) = self.length(form)? else { return Ok(None) };
        let bytes = self.take(length)?;
        self.charge(length)?;
        Ok(Some(Bytes::copy_from_slice(bytes)))
    }

    /// An array of elements that take at least `SMALLEST` bytes each.
    pub(crate) fn array<T, const SMALLEST: usize>(
        &mut self,
        form: Form,
        element: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array::<T, SMALLEST>(form, element)?.ok_or(DecodeError::Null)
    }

    /// As `array`, or nothing for null.
    pub(crate) fn nullable_array<T, const SMALLEST: usize>(
        &mut self,
        form: Form,
        mut element: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        const { assert!(SMALLEST > 0 && size_of::<T>() < SMALLEST * MEMORY_PER_RECORD_BYTE) };
        let Some(count) = self.length(form)? else { return Ok(None) };
        let remaining = self.remaining();
        if count > remaining / SMALLEST {
            return Err(DecodeError::ArrayTooLong { count, remaining });
        }
        self.charge(count * size_of::<T>())?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// A struct in a tagged field, behind a number that is zero for null.
    pub(crate) fn nullable_tagged_struct<T>(
        &mut self,
        value: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.uvarint()? == 0 { Ok(None) } else { value(self).map(Some) }
    }

    /// The number and length of the next tagged field; its value is to be read or skipped, then ended.
    pub(crate) fn tagged_field(&mut self) -> Result<TaggedField, DecodeError> {
        let (tag, size) = (self.uvarint()?, self.uvarint()?);
        let (wanted, remaining) = (size as usize, self.remaining());
        let behind = remaining.checked_sub(wanted).ok_or(DecodeError::EndOfRecord { wanted, remaining })?;
        Ok(TaggedField { tag, size, behind })
    }

    /// Passes over the value of a tagged field that this version does not know.
    pub(crate) fn skip_tagged_field(&mut self, field: TaggedField) {
        let passed = self.rest.len().checked_sub(field.behind);
        assert!(passed.is_some(), "a field is passed over before anything behind it is read");
        self.rest = passed.and_then(|passed| self.rest.get(passed..)).unwrap_or_default();
    }

    /// Checks that the value of the field took the bytes it announced.
    pub(crate) fn end_tagged_field(&self, field: TaggedField) -> Result<(), DecodeError> {
        if self.rest.len() == field.behind {
            return Ok(());
        }
        Err(DecodeError::TaggedSize { tag: field.tag, size: field.size })
    }

    /// Passes over all tagged fields of a struct that has none of its own; the plain form has no such section.
    pub(crate) fn skip_tagged_fields(&mut self, form: Form) -> Result<(), DecodeError> {
        if form == Form::Plain {
            return Ok(());
        }
        for _ in 0..self.uvarint()? {
            let field = self.tagged_field()?;
            self.skip_tagged_field(field);
        }
        Ok(())
    }

    /// Length of bytes or an array; nothing for null. Kafka takes every negative length for null.
    fn length(&mut self, form: Form) -> Result<Option<usize>, DecodeError> {
        match form {
            Form::Plain => Ok(usize::try_from(self.i32()?).ok()),
            Form::Compact => self.compact_length(),
        }
    }

    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok(self.uvarint()?.checked_sub(1).map(|length| length as usize))
    }

    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.memory = self.memory.checked_sub(bytes).ok_or(DecodeError::Memory)?;
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let remaining = self.remaining();
        let taken = self.rest.split_first_chunk::<N>();
        let (bytes, rest) = taken.ok_or(DecodeError::EndOfRecord { wanted: N, remaining })?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let remaining = self.remaining();
        let taken = self.rest.split_at_checked(length);
        let (bytes, rest) = taken.ok_or(DecodeError::EndOfRecord { wanted: length, remaining })?;
        self.rest = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_before_memory_is_taken() {
        let claim = [0x7f, 0xff, 0xff, 0xff];
        let array = Reader::new(&claim).array::<i64, 8>(Form::Plain, Reader::i64);
        assert_eq!(array, Err(DecodeError::ArrayTooLong { count: 0x7fff_ffff, remaining: 0 }));
        let bytes = Reader::new(&claim).bytes(Form::Plain);
        assert_eq!(bytes, Err(DecodeError::EndOfRecord { wanted: 0x7fff_ffff, remaining: 0 }));
        let string = Reader::new(&claim).string(Form::Plain);
        assert_eq!(string, Err(DecodeError::EndOfRecord { wanted: 0x7fff, remaining: 2 }));
        let long = [&[0x81, 0x80, 0x02][..], &[b'a'; 32_768]].concat();
        assert_eq!(Reader::new(&long).string(Form::Compact), Err(DecodeError::StringTooLong(32_768)));
    }

    #[test]
    fn variable_length_numbers() {
        let cases: [(&[u8], Result<u32, DecodeError>); 6] = [
            (&[0x00], Ok(0)),
            (&[0xac, 0x02], Ok(300)),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(u32::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f], Err(DecodeError::Varint)),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Err(DecodeError::Varint)),
            (&[0x80], Err(DecodeError::EndOfRecord { wanted: 1, remaining: 0 })),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Reader::new(bytes).uvarint(), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn tagged_fields_are_passed_over_or_end_where_they_say() {
        let mut reader = Reader::new(&[2, 7, 1, 9, 8, 0, 5]);
        assert_eq!(reader.skip_tagged_fields(Form::Compact), Ok(()));
        assert_eq!(reader.remaining(), 1);
        let mut reader = Reader::new(&[0, 3, 1, 2]);
        assert_eq!(reader.tagged_field().err(), Some(DecodeError::EndOfRecord { wanted: 3, remaining: 2 }));
        let mut reader = Reader::new(&[4, 2, 1, 2]);
        let field = reader.tagged_field().unwrap();
        assert_eq!(reader.i8(), Ok(1));
        assert_eq!(reader.end_tagged_field(field), Err(DecodeError::TaggedSize { tag: 4, size: 2 }));
    }
}
