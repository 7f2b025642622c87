//! Reads the primitive values of the wire from one frame, checking each length before memory is taken.

use crate::value::{Form, Records, STRING_BYTES_MAX, Uuid};
use bytes::Bytes;
use std::borrow::Cow;

/// Memory that decoded arrays may take per byte of their frame, beside `MEMORY_BYTES_MIN`. Names, ids and offsets make
/// elements take two to six times their bytes; a list of a million elements of next to no bytes is refused before memory is
/// taken for it.
pub const MEMORY_PER_FRAME_BYTE: usize = 8;

/// Memory that the arrays of any frame may take: short frames are decoded whatever they hold.
pub const MEMORY_BYTES_MIN: usize = 64 * 1024;

/// What an array takes at once; the rest when so much of it has been read, so that a count that is a lie takes no more. What was
/// read moves once then, and is there twice for that moment.
pub const ARRAY_BYTES_AT_ONCE: usize = 16 * 1024;

/// How much larger than its smallest encoding an element may be; each generated array asserts it at compile time.
const ELEMENT_GROWTH_MAX: usize = 64;

/// Why bytes are not a message. The frame is of no further use; Kafka closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{wanted} bytes wanted, {remaining} left")]
    EndOfFrame { wanted: usize, remaining: usize },
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
    #[error("message has no version {0}")]
    Version(i16),
    #[error(
        "arrays need more than {MEMORY_PER_FRAME_BYTE} bytes of memory per byte of the frame, and {MEMORY_BYTES_MIN}"
    )]
    Memory,
}

/// A tagged field whose value follows.
#[derive(Clone, Copy, Debug)]
pub struct TaggedField {
    pub tag: u32,
    size: u32,
    end: usize,
}

/// A cursor over one frame. Strings and bytes borrow from the frame, records share it.
///
/// Invariant: `position <= frame.len()`; memory taken for arrays is at most `MEMORY_PER_FRAME_BYTE` times the
/// frame and `MEMORY_BYTES_MIN`, whatever lengths the frame claims.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    frame: &'a Bytes,
    position: usize,
    memory: usize,
}

impl<'a> Reader<'a> {
    pub fn new(frame: &'a Bytes) -> Reader<'a> {
        Reader { frame, position: 0, memory: 0 }
    }

    /// Bytes not yet read; a message that is well formed leaves none.
    pub fn remaining(&self) -> usize {
        self.frame.len() - self.position
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes of memory taken for the elements of arrays so far.
    pub fn memory(&self) -> usize {
        self.memory
    }

    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.fixed().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.fixed().map(i16::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.fixed().map(u16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.fixed().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.fixed().map(u32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.fixed().map(f64::from_be_bytes)
    }

    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.fixed().map(Uuid)
    }

    /// An unsigned number of seven bits per byte, least significant first, five bytes at most.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
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

    pub fn string(&mut self, form: Form) -> Result<Cow<'a, str>, DecodeError> {
        self.nullable_string(form)?.ok_or(DecodeError::Null)
    }

    /// Bytes that are not UTF-8 become U+FFFD, as they do in Kafka.
    pub fn nullable_string(&mut self, form: Form) -> Result<Option<Cow<'a, str>>, DecodeError> {
        let length = match form {
            Form::Plain => usize::try_from(self.i16()?).ok(),
            Form::Compact => self.compact_length()?,
        };
        let Some(length) = length else { return Ok(None) };
        if length > STRING_BYTES_MAX {
            return Err(DecodeError::StringTooLong(length));
        }
        let text = String::from_utf8_lossy(self.take(length)?);
        if let Cow::Owned(text) = &text {
            self.charge(text.len())?;
        }
        Ok(Some(text))
    }

    pub fn bytes(&mut self, form: Form) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.nullable_bytes(form)?.ok_or(DecodeError::Null)
    }

    pub fn nullable_bytes(&mut self, form: Form) -> Result<Option<Cow<'a, [u8]>>, DecodeError> {
        let Some(length) = self.length(form)? else { return Ok(None) };
        self.take(length).map(|bytes| Some(Cow::Borrowed(bytes)))
    }

    pub fn records(&mut self, form: Form) -> Result<Records, DecodeError> {
        self.nullable_records(form)?.ok_or(DecodeError::Null)
    }

    /// One slice that shares the frame.
    pub fn nullable_records(&mut self, form: Form) -> Result<Option<Records>, DecodeError> {
        let Some(length) = self.length(form)? else { return Ok(None) };
        let start = self.position;
        self.take(length)?;
        Ok(Some(self.frame.slice(start..self.position).into()))
    }

    /// An array of elements that take at least `SMALLEST` bytes each on the wire.
    pub fn array<T, const SMALLEST: usize>(
        &mut self,
        form: Form,
        element: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array::<T, SMALLEST>(form, element)?.ok_or(DecodeError::Null)
    }

    /// As `array`, or nothing for null.
    pub fn nullable_array<T, const SMALLEST: usize>(
        &mut self,
        form: Form,
        mut element: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        const { assert!(SMALLEST > 0 && size_of::<T>() <= SMALLEST * ELEMENT_GROWTH_MAX) };
        let Some(count) = self.length(form)? else { return Ok(None) };
        let remaining = self.remaining();
        if count > remaining / SMALLEST {
            return Err(DecodeError::ArrayTooLong { count, remaining });
        }
        self.charge(count * size_of::<T>())?;
        let at_once =
            count.min(const { ARRAY_BYTES_AT_ONCE / if size_of::<T>() == 0 { 1 } else { size_of::<T>() } });
        let mut elements = Vec::with_capacity(at_once);
        for number in 0..count {
            if number == at_once {
                elements.reserve_exact(count - at_once);
            }
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// A struct behind a byte that is negative for null.
    pub fn nullable_struct<T>(
        &mut self,
        value: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.i8()? < 0 { Ok(None) } else { value(self).map(Some) }
    }

    /// The number and length of the next tagged field; its value is to be read or skipped, then ended.
    pub fn tagged_field(&mut self) -> Result<TaggedField, DecodeError> {
        let tag = self.uvarint()?;
        let size = self.uvarint()?;
        let wanted = size as usize;
        let remaining = self.remaining();
        if wanted > remaining {
            return Err(DecodeError::EndOfFrame { wanted, remaining });
        }
        Ok(TaggedField { tag, size, end: self.position + wanted })
    }

    /// Passes over the value of a tagged field that this version does not know.
    pub fn skip_tagged_field(&mut self, field: TaggedField) {
        assert!(field.end >= self.position && field.end <= self.frame.len());
        self.position = field.end;
    }

    /// Checks that the value of the field took the bytes it announced.
    pub fn end_tagged_field(&self, field: TaggedField) -> Result<(), DecodeError> {
        if self.position == field.end {
            return Ok(());
        }
        Err(DecodeError::TaggedSize { tag: field.tag, size: field.size })
    }

    /// Passes over all tagged fields of a struct that has none of its own; the plain form has no such section.
    pub fn skip_tagged_fields(&mut self, form: Form) -> Result<(), DecodeError> {
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
        self.memory += bytes;
        if self.memory > self.frame.len() * MEMORY_PER_FRAME_BYTE + MEMORY_BYTES_MIN {
            return Err(DecodeError::Memory);
        }
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.frame.get(self.position..).and_then(<[u8]>::first_chunk::<N>);
        let Some(bytes) = rest else {
            return Err(DecodeError::EndOfFrame { wanted: N, remaining: self.remaining() });
        };
        self.position += N;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let remaining = self.remaining();
        if length > remaining {
            return Err(DecodeError::EndOfFrame { wanted: length, remaining });
        }
        let start = self.position;
        self.position += length;
        Ok(self.frame.get(start..self.position).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_before_memory_is_taken() {
        let frame = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]);
        let claims = |f: &dyn Fn(&mut Reader<'_>) -> Option<DecodeError>| {
            let mut reader = Reader::new(&frame);
            (f(&mut reader), reader.memory())
        };
        let plain = claims(&|r| r.array::<i64, 8>(Form::Plain, Reader::i64).err());
        let expected = DecodeError::ArrayTooLong { count: 0x7fff_ffff, remaining: 0 };
        assert_eq!(plain, (Some(expected), 0));
        let plain = claims(&|r| r.bytes(Form::Plain).err());
        assert_eq!(plain.0, Some(DecodeError::EndOfFrame { wanted: 0x7fff_ffff, remaining: 0 }));
        let plain = claims(&|r| r.string(Form::Plain).err());
        assert_eq!(plain.0, Some(DecodeError::EndOfFrame { wanted: 0x7fff, remaining: 2 }));
    }

    #[test]
    fn long_lists_of_next_to_nothing_are_refused_before_memory_is_taken() {
        let list = |count: usize| {
            let mut frame = (count as u32).to_be_bytes().to_vec();
            frame.resize(4 + 2 * count, 0);
            Bytes::from(frame)
        };
        let read = |count: usize| {
            let frame = list(count);
            let mut reader = Reader::new(&frame);
            reader.array::<_, 2>(Form::Plain, |r| r.string(Form::Plain)).map(|names| names.len())
        };
        // Names of no letter take 24 bytes of memory for two of the frame.
        assert_eq!(read(1000), Ok(1000));
        assert_eq!(read(1_000_000), Err(DecodeError::Memory));
    }

    #[test]
    fn variable_length_numbers() {
        let cases: [(&'static [u8], Result<u32, DecodeError>); 6] = [
            (&[0x00], Ok(0)),
            (&[0xac, 0x02], Ok(300)),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(u32::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f], Err(DecodeError::Varint)),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Err(DecodeError::Varint)),
            (&[0x80], Err(DecodeError::EndOfFrame { wanted: 1, remaining: 0 })),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Reader::new(&Bytes::from_static(bytes)).uvarint(), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn records_share_the_frame() {
        let frame = Bytes::from_static(&[0, 0, 0, 2, 7, 8, 9]);
        let mut reader = Reader::new(&frame);
        let records = reader.records(Form::Plain).unwrap();
        assert_eq!((records.len(), reader.remaining()), (2, 1));
        assert_eq!(records.into_bytes().as_ptr(), frame[4..].as_ptr());
    }
}
