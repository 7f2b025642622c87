//! Writes the primitive values of Kafka's formats: small fields gather in one buffer,
//! records stay shared pieces.

use crate::error::EncodeError;
use crate::value::{Form, Records, STRING_BYTES_MAX, Uuid};
use crate::varint;
use bytes::{BufMut, Bytes, BytesMut};

/// Room of the first buffer: most headers and small messages fit without growing.
const FIRST_BUFFER_BYTES: usize = 512;

/// Room of a key or a value: most fit without growing, and those that are kept waste little.
const RECORD_BYTES: usize = 64;

/// A frame starts with the number of bytes that follow, as an `int32`.
pub const FRAME_LENGTH_BYTES: usize = 4;

/// Collects one message as pieces for one vectored send, or the bytes of one key or value of a record.
#[derive(Debug, Default)]
pub struct Writer {
    /// The first one is an empty place holder for `first`.
    pieces: Vec<Bytes>,
    pieces_bytes: usize,
    /// Kept writable, because a frame starts with its length, which is known last.
    first: BytesMut,
    buffer: BytesMut,
    /// Of an answer to a client that is over its quota: stands in for the message's own.
    throttle_time_ms: Option<i32>,
}

impl Writer {
    pub fn new() -> Writer {
        Writer { buffer: BytesMut::with_capacity(FIRST_BUFFER_BYTES), ..Writer::default() }
    }

    /// A writer that has left room for the length of its frame.
    pub fn framed() -> Writer {
        let mut writer = Writer::new();
        writer.buffer.put_bytes(0, FRAME_LENGTH_BYTES);
        writer
    }

    /// A writer of a key or a value.
    pub fn of_record() -> Writer {
        Writer { buffer: BytesMut::with_capacity(RECORD_BYTES), ..Writer::default() }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.pieces_bytes + self.buffer.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order; none is empty.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.seal_buffer();
        if let Some(first) = self.pieces.first_mut() {
            *first = self.first.freeze();
        }
        self.pieces
    }

    /// The pieces of a frame, with the length of what follows it in the room that `framed` left.
    pub fn finish_frame(mut self) -> Result<Vec<Bytes>, EncodeError> {
        let length = self.len().saturating_sub(FRAME_LENGTH_BYTES);
        let prefix = i32::try_from(length).map_err(|_| EncodeError::TooLong(length))?.to_be_bytes();
        let start = if self.pieces.is_empty() { &mut self.buffer } else { &mut self.first };
        let room = start.first_chunk_mut::<FRAME_LENGTH_BYTES>();
        assert!(room.is_some(), "only a framed writer has room for a length");
        if let Some(room) = room {
            *room = prefix;
        }
        Ok(self.finish())
    }

    /// The bytes of a key or a value, which holds no records.
    pub fn finish_record(self) -> Vec<u8> {
        assert!(self.pieces.is_empty(), "a key or a value is one piece");
        self.buffer.into()
    }

    /// What the answer that is written next tells its client as throttle time, whatever the message says.
    pub fn throttle(&mut self, throttle_time_ms: i32) {
        self.throttle_time_ms = Some(throttle_time_ms);
    }

    /// The throttle time of an answer that has that field.
    pub fn throttle_time_ms(&mut self, own: i32) {
        self.i32(self.throttle_time_ms.unwrap_or(own));
    }

    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    #[inline]
    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    #[inline]
    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.buffer.put_u32(value);
    }

    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    #[inline]
    pub fn uuid(&mut self, value: Uuid) {
        self.buffer.put_slice(&value.0);
    }

    #[inline]
    pub fn uvarint(&mut self, value: u32) {
        varint::put_u32(&mut self.buffer, value);
    }

    pub fn string(&mut self, value: &str, form: Form) -> Result<(), EncodeError> {
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

    pub fn null_string(&mut self, form: Form) {
        match form {
            Form::Plain => self.i16(-1),
            Form::Compact => self.uvarint(0),
        }
    }

    pub fn bytes(&mut self, value: &[u8], form: Form) -> Result<(), EncodeError> {
        self.count(value.len(), form)?;
        self.buffer.put_slice(value);
        Ok(())
    }

    /// The pieces are shared, not copied.
    pub fn records(&mut self, value: &Records, form: Form) -> Result<(), EncodeError> {
        self.count(value.len(), form)?;
        self.shared(value.pieces());
        Ok(())
    }

    /// Length of bytes, records or an array.
    pub fn count(&mut self, count: usize, form: Form) -> Result<(), EncodeError> {
        let fitting = i32::try_from(count).map_err(|_| EncodeError::TooLong(count))?;
        match form {
            Form::Plain => self.i32(fitting),
            Form::Compact => self.uvarint(fitting as u32 + 1),
        }
        Ok(())
    }

    /// Null in place of bytes, records or an array.
    pub fn null_count(&mut self, form: Form) {
        match form {
            Form::Plain => self.i32(-1),
            Form::Compact => self.uvarint(0),
        }
    }

    /// A tagged field: number, length, value.
    pub fn tagged_field(
        &mut self,
        tag: u32,
        value: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut inner = Writer::new();
        value(&mut inner)?;
        let length = inner.len();
        self.uvarint(tag);
        self.uvarint(u32::try_from(length).map_err(|_| EncodeError::TooLong(length))?);
        if inner.pieces.is_empty() {
            self.buffer.put_slice(&inner.buffer);
        } else {
            self.shared(inner.finish().iter());
        }
        Ok(())
    }

    /// The empty section of a struct that has no tagged fields to send; the plain form has no such section.
    pub fn no_tagged_fields(&mut self, form: Form) {
        if form == Form::Compact {
            self.uvarint(0);
        }
    }

    /// Puts pieces of other owners between what was written and what follows.
    fn shared<'p>(&mut self, pieces: impl Iterator<Item = &'p Bytes>) {
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            self.seal_buffer();
            assert!(!self.pieces.is_empty(), "shared pieces follow their own length");
            self.pieces_bytes += piece.len();
            self.pieces.push(piece.clone());
        }
    }

    fn seal_buffer(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        self.pieces_bytes += self.buffer.len();
        let sealed = self.buffer.split();
        if self.pieces.is_empty() {
            self.first = sealed;
            self.pieces.push(Bytes::new());
        } else {
            self.pieces.push(sealed.freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_pieces_of_their_owner() {
        let batch = Bytes::from_static(b"batch");
        let mut writer = Writer::new();
        writer.i32(1);
        writer.records(&vec![batch.clone(), Bytes::new(), batch.clone()].into(), Form::Compact).unwrap();
        writer.i8(2);
        assert_eq!(writer.len(), 16);
        let pieces = writer.finish();
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces[0], [0, 0, 0, 1, 11].as_slice());
        assert_eq!(pieces[1].as_ptr(), batch.as_ptr());
        assert_eq!(pieces[3], [2].as_slice());
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let text = "x".repeat(STRING_BYTES_MAX + 1);
        for form in [Form::Plain, Form::Compact] {
            assert_eq!(Writer::new().string(&text, form), Err(EncodeError::TooLong(text.len())));
            assert_eq!(Writer::new().string(&text[1..], form), Ok(()));
        }
    }

    #[test]
    fn a_record_is_one_piece() {
        let mut writer = Writer::of_record();
        writer.i16(3);
        writer.tagged_field(4, |inner| inner.string("ab", Form::Compact)).unwrap();
        assert_eq!(writer.finish_record(), [0, 3, 4, 3, 3, b'a', b'b']);
    }
}
