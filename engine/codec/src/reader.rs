//! Reads the primitive values of Kafka's formats from one frame or record,
//! checking each length before memory is taken.

use crate::error::DecodeError;
use crate::value::{Form, Records, STRING_BYTES_MAX, Uuid};
use crate::varint::{self, VarintError};
use bytes::Bytes;
use std::borrow::Cow;

/// Memory that decoded arrays may take per byte of their frame, beside `MEMORY_BYTES_MIN`. Names, ids and
/// offsets make elements take two to six times their bytes; a list of a million elements of next to no bytes
/// is refused before memory is taken for it.
pub const MEMORY_PER_FRAME_BYTE: usize = 8;

/// Memory that the arrays of any frame may take: short frames are decoded whatever they hold.
pub const MEMORY_BYTES_MIN: usize = 64 * 1024;

/// Memory that a decoded record may take per byte of its key or value. Each generated array asserts at
/// compile time that its element stays below this, so no record that is well formed is ever refused for it.
pub const MEMORY_PER_RECORD_BYTE: usize = 64;

/// What an array takes at once; the rest when so much of it has been read, so that a count that is a lie
/// takes no more. What was read moves once then, and is there twice for that moment.
pub const ARRAY_BYTES_AT_ONCE: usize = 16 * 1024;

/// A tagged field whose value follows.
#[derive(Clone, Copy, Debug)]
pub struct TaggedField {
    pub tag: u32,
    size: u32,
    /// What is left of the input behind the field.
    behind: usize,
}

/// A cursor over one frame, or over one key or value of a record. Strings and bytes borrow from it or are
/// owned, as the caller asks; records share the frame.
///
/// Invariant: memory taken is at most what `new` or `of_record` says, whatever lengths the input claims.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Whom values share their bytes with; a record has nobody.
    frame: Option<&'a Bytes>,
    /// Bytes of the whole input.
    length: usize,
    /// Bytes of memory taken so far.
    memory: usize,
    memory_max: usize,
}

impl<'a> Reader<'a> {
    /// A reader of a frame, which takes `MEMORY_PER_FRAME_BYTE` times its length and `MEMORY_BYTES_MIN` at
    /// most.
    pub fn new(frame: &'a Bytes) -> Reader<'a> {
        let memory_max = frame.len() * MEMORY_PER_FRAME_BYTE + MEMORY_BYTES_MIN;
        Reader { rest: frame, frame: Some(frame), length: frame.len(), memory: 0, memory_max }
    }

    /// A reader of a key or a value, which takes `MEMORY_PER_RECORD_BYTE` times its length at most.
    pub fn of_record(record: &'a [u8]) -> Reader<'a> {
        let memory_max = record.len().saturating_mul(MEMORY_PER_RECORD_BYTE);
        Reader { rest: record, frame: None, length: record.len(), memory: 0, memory_max }
    }

    /// Bytes not yet read; a message that is well formed leaves none.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Bytes read so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Bytes of memory taken for values so far.
    pub fn memory(&self) -> usize {
        self.memory
    }

    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    #[inline]
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.fixed().map(i8::from_be_bytes)
    }

    #[inline]
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.fixed().map(i16::from_be_bytes)
    }

    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.fixed().map(u16::from_be_bytes)
    }

    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.fixed().map(i32::from_be_bytes)
    }

    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.fixed().map(u32::from_be_bytes)
    }

    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    #[inline]
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.fixed().map(f64::from_be_bytes)
    }

    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.fixed().map(Uuid)
    }

    /// An unsigned number of seven bits per byte, five bytes at most.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        varint::take_u32(&mut self.rest).map_err(|error| match error {
            VarintError::Ends => DecodeError::EndOfInput { wanted: 1, remaining: 0 },
            VarintError::TooLong => DecodeError::Varint,
        })
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

    /// As `string`, copied.
    pub fn owned_string(&mut self, form: Form) -> Result<String, DecodeError> {
        self.nullable_owned_string(form)?.ok_or(DecodeError::Null)
    }

    /// As `nullable_string`, copied.
    pub fn nullable_owned_string(&mut self, form: Form) -> Result<Option<String>, DecodeError> {
        let Some(text) = self.nullable_string(form)? else { return Ok(None) };
        if let Cow::Borrowed(text) = text {
            self.charge(text.len())?;
        }
        Ok(Some(text.into_owned()))
    }

    pub fn bytes(&mut self, form: Form) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.nullable_bytes(form)?.ok_or(DecodeError::Null)
    }

    pub fn nullable_bytes(&mut self, form: Form) -> Result<Option<Cow<'a, [u8]>>, DecodeError> {
        let Some(length) = self.length(form)? else { return Ok(None) };
        self.take(length).map(|bytes| Some(Cow::Borrowed(bytes)))
    }

    /// As `bytes`: a slice that shares the frame, or a copy out of a record.
    pub fn owned_bytes(&mut self, form: Form) -> Result<Bytes, DecodeError> {
        self.nullable_owned_bytes(form)?.ok_or(DecodeError::Null)
    }

    /// As `owned_bytes`, or nothing for null.
    pub fn nullable_owned_bytes(&mut self, form: Form) -> Result<Option<Bytes>, DecodeError> {
        let Some(length) = self.length(form)? else { return Ok(None) };
        let start = self.position();
        let bytes = self.take(length)?;
        if let Some(frame) = self.frame {
            return Ok(Some(frame.slice(start..start + length)));
        }
        self.charge(length)?;
        Ok(Some(Bytes::copy_from_slice(bytes)))
    }

    pub fn records(&mut self, form: Form) -> Result<Records, DecodeError> {
        self.nullable_records(form)?.ok_or(DecodeError::Null)
    }

    /// As `nullable_owned_bytes`, in one piece.
    pub fn nullable_records(&mut self, form: Form) -> Result<Option<Records>, DecodeError> {
        Ok(self.nullable_owned_bytes(form)?.map(Records::from))
    }

    /// An array of elements that take at least `SMALLEST` bytes each in the input.
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
        const { assert!(SMALLEST > 0 && size_of::<T>() < SMALLEST * MEMORY_PER_RECORD_BYTE) };
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

    /// A struct in a tagged field, behind a number that is zero for null.
    pub fn nullable_tagged_struct<T>(
        &mut self,
        value: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.uvarint()? == 0 { Ok(None) } else { value(self).map(Some) }
    }

    /// The number and length of the next tagged field; its value is to be read or skipped, then ended.
    pub fn tagged_field(&mut self) -> Result<TaggedField, DecodeError> {
        let (tag, size) = (self.uvarint()?, self.uvarint()?);
        let (wanted, remaining) = (size as usize, self.remaining());
        let behind = remaining.checked_sub(wanted).ok_or(DecodeError::EndOfInput { wanted, remaining })?;
        Ok(TaggedField { tag, size, behind })
    }

    /// Passes over the value of a tagged field that this version does not know.
    pub fn skip_tagged_field(&mut self, field: TaggedField) {
        let passed = self.rest.len().checked_sub(field.behind);
        assert!(passed.is_some(), "a field is passed over before anything behind it is read");
        self.rest = passed.and_then(|passed| self.rest.get(passed..)).unwrap_or_default();
    }

    /// Checks that the value of the field took the bytes it announced.
    pub fn end_tagged_field(&self, field: TaggedField) -> Result<(), DecodeError> {
        if self.rest.len() == field.behind {
            return Ok(());
        }
        Err(DecodeError::TaggedSize { tag: field.tag, size: field.size })
    }

    /// Passes over all tagged fields of a struct that has none of its own;
    /// the plain form has no such section.
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
    #[inline]
    fn length(&mut self, form: Form) -> Result<Option<usize>, DecodeError> {
        match form {
            Form::Plain => Ok(usize::try_from(self.i32()?).ok()),
            Form::Compact => self.compact_length(),
        }
    }

    #[inline]
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok(self.uvarint()?.checked_sub(1).map(|length| length as usize))
    }

    #[inline]
    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.memory += bytes;
        if self.memory > self.memory_max { Err(DecodeError::Memory) } else { Ok(()) }
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let remaining = self.remaining();
        let taken = self.rest.split_first_chunk::<N>();
        let (bytes, rest) = taken.ok_or(DecodeError::EndOfInput { wanted: N, remaining })?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let remaining = self.remaining();
        let taken = self.rest.split_at_checked(length);
        let (bytes, rest) = taken.ok_or(DecodeError::EndOfInput { wanted: length, remaining })?;
        self.rest = rest;
        Ok(bytes)
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
        assert_eq!(plain.0, Some(DecodeError::EndOfInput { wanted: 0x7fff_ffff, remaining: 0 }));
        let plain = claims(&|r| r.string(Form::Plain).err());
        assert_eq!(plain.0, Some(DecodeError::EndOfInput { wanted: 0x7fff, remaining: 2 }));
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
            (&[0x80], Err(DecodeError::EndOfInput { wanted: 1, remaining: 0 })),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Reader::new(&Bytes::from_static(bytes)).uvarint(), expected, "{bytes:x?}");
            assert_eq!(Reader::of_record(bytes).uvarint(), expected, "{bytes:x?}");
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

    #[test]
    fn lengths_of_a_record_are_checked_before_memory_is_taken() {
        let claim = [0x7f, 0xff, 0xff, 0xff];
        let array = Reader::of_record(&claim).array::<i64, 8>(Form::Plain, Reader::i64);
        assert_eq!(array, Err(DecodeError::ArrayTooLong { count: 0x7fff_ffff, remaining: 0 }));
        let bytes = Reader::of_record(&claim).owned_bytes(Form::Plain);
        assert_eq!(bytes, Err(DecodeError::EndOfInput { wanted: 0x7fff_ffff, remaining: 0 }));
        let string = Reader::of_record(&claim).owned_string(Form::Plain);
        assert_eq!(string, Err(DecodeError::EndOfInput { wanted: 0x7fff, remaining: 2 }));
        let long = [&[0x81, 0x80, 0x02][..], &[b'a'; 32_768]].concat();
        let string = Reader::of_record(&long).owned_string(Form::Compact);
        assert_eq!(string, Err(DecodeError::StringTooLong(32_768)));
    }

    #[test]
    fn what_is_owned_is_charged_once() {
        let record = [0, 3, b'a', 0xff, b'b', 0, 0, 0, 2, 7, 8];
        let frame = Bytes::copy_from_slice(&record);
        for (mut reader, copied) in [(Reader::of_record(&record), 2), (Reader::new(&frame), 0)] {
            assert_eq!(reader.owned_string(Form::Plain).as_deref(), Ok("a\u{fffd}b"));
            assert_eq!(reader.memory(), 5);
            assert_eq!(reader.owned_bytes(Form::Plain).as_deref(), Ok(&[7, 8][..]));
            assert_eq!((reader.memory(), reader.remaining()), (5 + copied, 0));
        }
    }

    #[test]
    fn tagged_fields_are_passed_over_or_end_where_they_say() {
        let mut reader = Reader::of_record(&[2, 7, 1, 9, 8, 0, 5]);
        assert_eq!(reader.skip_tagged_fields(Form::Compact), Ok(()));
        assert_eq!(reader.remaining(), 1);
        let mut reader = Reader::of_record(&[0, 3, 1, 2]);
        assert_eq!(reader.tagged_field().err(), Some(DecodeError::EndOfInput { wanted: 3, remaining: 2 }));
        let mut reader = Reader::of_record(&[4, 2, 1, 2]);
        let field = reader.tagged_field().unwrap();
        assert_eq!(reader.i8(), Ok(1));
        assert_eq!(reader.end_tagged_field(field), Err(DecodeError::TaggedSize { tag: 4, size: 2 }));
    }
}
