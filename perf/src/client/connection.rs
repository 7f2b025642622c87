//! One blocking connection to a broker: a frame goes out, the next answer comes in.
#![expect(clippy::disallowed_types, reason = "a black box beside the broker: its sockets are the client's")]

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use millrace_wire::{
    ApiKey, DecodeError, EncodeError, Form, Reader, RequestHead, Writer, encode_request_frame,
};

use crate::failure::Failure;

/// Where the correlation id stands in a request, behind length, key and version.
const CORRELATION_AT: usize = 8;
const CORRELATION_BYTES: usize = 4;
const CLIENT_ID: &str = "millrace-perf";
/// Longer than any answer that a broker owes; a broker that stalls longer has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// An answer larger than this was not asked for.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Small answers come with one read of the socket.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// A request encoded ahead, sent any number of times.
#[derive(Clone)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    answer: Form,
}

impl Frame {
    pub(crate) fn new(
        api: ApiKey,
        version: i16,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<Frame, Failure> {
        let head = RequestHead { api, version, correlation_id: 0, client_id: Some(CLIENT_ID) };
        let bytes = encode_request_frame(head, body)?.concat();
        Ok(Frame { bytes, answer: api.response_header_form(version) })
    }

    /// As it goes over the wire, with correlation id 0.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Answers come in the order of requests; each receive checks that.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    sent: i32,
    received: i32,
    /// Memory of the last answer, used again.
    spare: BytesMut,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Connection, Failure> {
        let connected = TcpStream::connect(address).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            Ok(stream)
        });
        let stream = connected.map_err(Failure::io(format!("connecting to {address}")))?;
        let stream = BufReader::with_capacity(READ_AHEAD_BYTES, stream);
        Ok(Connection { stream, sent: 0, received: 0, spare: BytesMut::new() })
    }

    pub(crate) fn set_answer_timeout(&mut self, timeout: Duration) -> Result<(), Failure> {
        let set = self.stream.get_ref().set_read_timeout(Some(timeout));
        set.map_err(Failure::io("setting a timeout"))
    }

    pub(crate) fn send(&mut self, frame: &mut Frame) -> Result<(), Failure> {
        self.sent = self.sent.wrapping_add(1);
        let place = CORRELATION_AT..CORRELATION_AT + CORRELATION_BYTES;
        frame.bytes[place].copy_from_slice(&self.sent.to_be_bytes());
        self.stream.get_mut().write_all(&frame.bytes).map_err(Failure::io("sending a request"))
    }

    /// The next answer, from its correlation id on.
    pub(crate) fn receive(&mut self) -> Result<Bytes, Failure> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(Failure::io("waiting for an answer"))?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(CORRELATION_BYTES..=ANSWER_BYTES_MAX).contains(&length) {
            return Err(Failure::Broker(format!("the broker announced an answer of {length} bytes")));
        }
        let mut answer = std::mem::take(&mut self.spare);
        answer.resize(length, 0);
        self.stream.read_exact(&mut answer).map_err(Failure::io("reading an answer"))?;
        self.received = self.received.wrapping_add(1);
        if answer[..CORRELATION_BYTES] != self.received.to_be_bytes() {
            return Err(Failure::Broker("the broker answered another request than the oldest".to_owned()));
        }
        Ok(answer.freeze())
    }

    /// Gives an answer's memory back, so that the next one needs none.
    pub(crate) fn recycle(&mut self, answer: Bytes) {
        if let Ok(memory) = answer.try_into_mut() {
            self.spare = memory;
        }
    }

    /// One request and its answer, read by `decode`, which gets a reader behind the header.
    pub(crate) fn call<T>(
        &mut self,
        frame: &mut Frame,
        decode: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, Failure> {
        self.send(frame)?;
        let answer = self.receive()?;
        let value = read_answer(frame, &answer, decode)?;
        self.recycle(answer);
        Ok(value)
    }

    /// Sends bytes that are no request.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.get_mut().write_all(bytes).map_err(Failure::io("sending bytes"))
    }

    /// Says that nothing more will be sent, and reads until the broker closes: the number of bytes it said.
    pub(crate) fn drain(mut self) -> std::io::Result<u64> {
        self.stream.get_ref().shutdown(Shutdown::Write)?;
        std::io::copy(&mut self.stream, &mut std::io::sink())
    }
}

/// Reads the answer to `frame`, whose correlation id was checked when it was received.
pub(crate) fn read_answer<T>(
    frame: &Frame,
    answer: &Bytes,
    decode: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<T, Failure> {
    let mut reader = Reader::new(answer);
    reader.i32()?;
    reader.skip_tagged_fields(frame.answer)?;
    Ok(decode(&mut reader)?)
}
