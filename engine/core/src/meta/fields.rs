//! Reading and writing the fields of metadata records: little-endian numbers,
//! texts and lists with their lengths.

use crate::base::Corrupt;
use millrace_codec::Fields;

/// Appends fields to a buffer.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.bytes(text.as_bytes());
    }

    /// One byte says whether a text follows.
    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        self.bytes(&[u8::from(text.is_some())]);
        if let Some(text) = text {
            self.text(text);
        }
    }

    pub(super) fn length(&mut self, length: usize) {
        assert!(u32::try_from(length).is_ok(), "a metadata field is far below 4 GiB");
        self.bytes(&(length as u32).to_le_bytes());
    }
}

/// Takes fields from a slice; every read is checked against what is left.
pub(super) struct Reader<'a> {
    rest: Fields<'a>,
    /// Where the slice ends in the input, for errors.
    end: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], at: u64) -> Reader<'a> {
        Reader { rest: Fields::new(bytes), end: at + bytes.len() as u64 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.remaining() == 0
    }

    pub(super) fn at(&self) -> u64 {
        self.end - self.rest.remaining() as u64
    }

    pub(super) fn corrupt(&self, reason: &'static str) -> Corrupt {
        Corrupt::new("metadata log", self.at(), reason)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        self.take(|rest| rest.slice(length))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        self.take(Fields::array)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Corrupt> {
        self.take(Fields::u16)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Corrupt> {
        self.take(Fields::i16)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Corrupt> {
        self.take(Fields::u32)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Corrupt> {
        self.take(Fields::i32)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Corrupt> {
        self.take(Fields::u64)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Corrupt> {
        self.take(Fields::i64)
    }

    pub(super) fn text(&mut self) -> Result<String, Corrupt> {
        let length = self.u32()? as usize;
        let bytes = self.slice(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.corrupt("a text is not UTF-8"))
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<String>, Corrupt> {
        match self.array::<1>()? {
            [0] => Ok(None),
            [1] => self.text().map(Some),
            _ => Err(self.corrupt("a flag is neither 0 nor 1")),
        }
    }

    /// A count of items of at least `item_bytes` each:
    /// more than the bytes left can hold is refused before memory is taken.
    pub(super) fn count(&mut self, item_bytes: usize) -> Result<usize, Corrupt> {
        let count = self.u32()? as usize;
        match count.checked_mul(item_bytes) {
            Some(bytes) if bytes <= self.rest.remaining() => Ok(count),
            _ => Err(self.corrupt("a list is longer than its record")),
        }
    }

    fn take<T>(&mut self, field: impl FnOnce(&mut Fields<'a>) -> Option<T>) -> Result<T, Corrupt> {
        field(&mut self.rest).ok_or_else(|| self.corrupt("it ends early"))
    }
}
