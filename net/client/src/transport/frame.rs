//! A request encoded ahead, as pieces that share their record batches, and the reading of its answer.

use bytes::Bytes;
use millrace_wire::{
    ApiKey, DecodeError, EncodeError, Form, Reader, RequestHead, Writer, encode_request_frame,
};

use crate::error::ClientError;

/// Length, key and version, then the correlation id.
pub const START_BYTES: usize = 12;
const CORRELATION_AT: usize = 8;
const CLIENT_ID: &str = "millrace";

/// Sent any number of times, on any number of connections at once: only the start differs.
#[derive(Debug, Clone)]
pub struct Frame {
    start: [u8; START_BYTES],
    /// What follows the start; batches are shared with other frames.
    rest: Vec<Bytes>,
    version: i16,
    answer: Form,
}

impl Frame {
    pub fn new(
        api: ApiKey,
        version: i16,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<Frame, ClientError> {
        let head = RequestHead { api, version, correlation_id: 0, client_id: Some(CLIENT_ID) };
        let mut rest = encode_request_frame(head, body)?;
        let first = rest.first_mut().filter(|first| first.len() >= START_BYTES);
        let Some(first) = first else { unreachable!("the header of a request is one piece") };
        let mut start = [0; START_BYTES];
        start.copy_from_slice(&first.split_to(START_BYTES));
        Ok(Frame { start, rest, version, answer: api.response_header_form(version) })
    }

    pub fn version(&self) -> i16 {
        self.version
    }

    /// The start that names this correlation id.
    pub fn start(&self, correlation: i32) -> [u8; START_BYTES] {
        let mut start = self.start;
        start[CORRELATION_AT..].copy_from_slice(&correlation.to_be_bytes());
        start
    }

    /// What follows the start.
    pub fn rest(&self) -> &[Bytes] {
        &self.rest
    }

    /// As it goes over the wire, with correlation id 0.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.start[..], &self.rest.concat()].concat()
    }
}

/// Reads the answer to `frame`, whose correlation id was checked when it was received.
pub fn read_answer<T>(
    frame: &Frame,
    answer: &Bytes,
    decode: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<T, ClientError> {
    let mut reader = Reader::new(answer);
    reader.i32()?;
    reader.skip_tagged_fields(frame.answer)?;
    Ok(decode(&mut reader)?)
}
