//! Writes the primitive values of the wire: small fields gather in one buffer, records stay shared pieces.

use crate::value::{Form, Records, STRING_BYTES_MAX, Uuid};
use bytes::{BufMut, Bytes, BytesMut};

/// Room of the first buffer: most headers and small messages fit without growing.
const FIRST_BUFFER_BYTES: usize = 512;

/// A frame starts with the number of bytes that follow, as an `int32`.
pub const FRAME_LENGTH_BYTES: usize = 4;

/// Why a value cannot be sent in a version. It is a bug of the caller or an answer too large for the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("version {version} has no field {field}, and it must not be left out")]
    NotInVersion { field: &'static str, version: i16 },
    #[error("field {field} must not be null in version {version}")]
    Null { field: &'static str, version: i16 },
    #[error("length {0} does not fit the wire format")]
    TooLong(usize),
    #[error("message has no version {0}")]
    Version(i16),
}

/// Collects one message as pieces for one vectored send.
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

    /// A writer that has left room for the length of its frame.
    pub(crate) fn framed() -> Writer {
        let mut writer = Writer::new();
        writer.buffer.put_bytes(0, FRAME_LENGTH_BYTES);
        writer
    }

    /// The pieces of a frame, with the length of what follows it in the room that `framed` left.
    pub(crate) fn finish_frame(mut self) -> Result<Vec<Bytes>, EncodeError> {
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

    /// What the answer that is written next tells its client as throttle time, whatever the message says.
    pub fn throttle(&mut self, throttle_time_ms: i32) {
        self.throttle_time_ms = Some(throttle_time_ms);
    }

    /// The throttle time of an answer that has that field.
    pub fn throttle_time_ms(&mut self, own: i32) {
        self.i32(self.throttle_time_ms.unwrap_or(own));
    }

    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.buffer.put_u32(value);
    }

    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    pub fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    pub fn uuid(&mut self, value: Uuid) {
        self.buffer.put_slice(&value.0);
    }

    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
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
        }
    }
}
