//! One connection of a client: requests go out, answers come back in the same order.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use millrace_rt::{Block, Stream};
use millrace_wire::{ApiKey, EncodeError, RequestHead, Writer, encode_request_frame};

/// The longest answer that is believed.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const RECEIVE_BYTES: usize = 256 << 10;

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The broker or the network ended it.
    Ended,
    /// The broker answered nonsense.
    Nonsense(String),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Broken {
        Broken::Ended
    }
}

/// A connection to the broker. Requests may be sent ahead of the answers to earlier ones.
pub(crate) struct Client {
    stream: Stream,
    sent: i32,
    answered: i32,
    received: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(broker: SocketAddr) -> io::Result<Client> {
        Ok(Client { stream: Stream::connect(broker).await?, sent: 0, answered: 0, received: Vec::new() })
    }

    pub(crate) async fn send(
        &mut self,
        api: ApiKey,
        version: i16,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), Broken> {
        let head = RequestHead { api, version, correlation_id: self.sent, client_id: Some("sim") };
        let pieces = encode_request_frame(head, body).map_err(|error| Broken::Nonsense(error.to_string()))?;
        self.sent += 1;
        Ok(self.stream.send(pieces).await?)
    }

    /// The body of the next answer.
    pub(crate) async fn answer(&mut self, api: ApiKey, version: i16) -> Result<Bytes, Broken> {
        let frame = self.frame().await?;
        let correlation = frame.first_chunk().map(|id| i32::from_be_bytes(*id));
        if correlation != Some(self.answered) {
            return Err(Broken::Nonsense(format!("answer {correlation:?} where {} was due", self.answered)));
        }
        self.answered += 1;
        let tagged = api.response_header_form(version) == millrace_wire::Form::Compact;
        let header = if tagged { 5 } else { 4 };
        if frame.len() < header {
            return Err(Broken::Nonsense("an answer without its header".to_owned()));
        }
        Ok(frame.slice(header..))
    }

    pub(crate) async fn ask(
        &mut self,
        api: ApiKey,
        version: i16,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<Bytes, Broken> {
        self.send(api, version, body).await?;
        self.answer(api, version).await
    }

    /// What follows the length of one frame.
    async fn frame(&mut self) -> Result<Bytes, Broken> {
        loop {
            if let Some(length) = self.received.first_chunk() {
                let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                if length > ANSWER_BYTES_MAX {
                    return Err(Broken::Nonsense(format!("an answer of {length} bytes")));
                }
                if self.received.len() >= 4 + length {
                    let rest = self.received.split_off(4 + length);
                    let frame = Bytes::from(std::mem::replace(&mut self.received, rest));
                    return Ok(frame.slice(4..));
                }
            }
            let (count, block) = self.stream.recv(Block::with_capacity(RECEIVE_BYTES), 0).await;
            let count = count?;
            if count == 0 {
                return Err(Broken::Ended);
            }
            self.received.extend_from_slice(&block.as_slice()[..count]);
        }
    }
}
