//! Bytes and texts of the compact form of requests and answers.

use crate::requests::{Answer, Bytes};

impl Bytes {
    pub(crate) fn i8(&mut self, value: i8) -> &mut Bytes {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Text of the compact form, shorter than 127 bytes.
    pub(crate) fn compact(&mut self, text: &str) -> &mut Bytes {
        self.i8(i8::try_from(text.len() + 1).unwrap());
        self.0.extend(text.as_bytes());
        self
    }
}

impl Answer<'_> {
    pub(crate) fn i8(&mut self) -> i8 {
        let (value, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        i8::from_be_bytes(*value)
    }

    /// Text of the compact form, shorter than 127 bytes; empty where there is none.
    pub(crate) fn compact(&mut self) -> String {
        let length = usize::try_from(self.i8()).unwrap();
        let (text, rest) = self.0.split_at(length.saturating_sub(1));
        self.0 = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }
}
