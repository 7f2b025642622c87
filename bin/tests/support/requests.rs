//! Requests by their bytes, one at a time.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Client id, and what ids of members begin with that the broker draws.
pub(crate) const CLIENT: &str = "member-of-a-test";

/// A connection to a broker; it ends with its owner.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Client id of its requests.
    pub(crate) client: &'static str,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Connection {
        Connection { stream: TcpStream::connect(address).unwrap(), client: CLIENT }
    }

    /// Sends a request and answers what stands behind the header of its answer.
    pub(crate) fn ask(&mut self, (key, version): (i16, i16), body: &[u8]) -> Vec<u8> {
        let mut request = Bytes::default();
        request.i16(key).i16(version).i32(1).text(self.client);
        request.0.extend_from_slice(body);
        let length = (request.0.len() as u32).to_be_bytes();
        self.stream.write_all(&[&length[..], &request.0].concat()).unwrap();
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer).unwrap();
        answer.split_off(4)
    }
}

#[derive(Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(crate) fn i16(&mut self, value: i16) -> &mut Bytes {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Bytes {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Bytes {
        self.i16(text.len() as i16);
        self.0.extend(text.as_bytes());
        self
    }
}

pub(crate) struct Answer<'a>(pub(crate) &'a [u8]);

impl Answer<'_> {
    pub(crate) fn i16(&mut self) -> i16 {
        let (value, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        i16::from_be_bytes(*value)
    }

    pub(crate) fn i32(&mut self) -> i32 {
        let (value, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        i32::from_be_bytes(*value)
    }

    /// Empty where there is none.
    pub(crate) fn text(&mut self) -> String {
        let length = usize::try_from(self.i16()).unwrap_or(0);
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }
}
