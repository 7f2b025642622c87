//! A connection that never blocks: requests wait in it until the kernel takes them,
//! answers are cut from what is there.
#![expect(clippy::disallowed_types, reason = "a black box beside the broker: its sockets are the client's")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bytes::Bytes;

use crate::client::{Arrival, Frame, Inbox, START_BYTES};
use crate::error::ClientError;

/// A frame of which so many bytes are written.
struct Sending {
    start: [u8; START_BYTES],
    frame: Arc<Frame>,
    written: usize,
}

impl Sending {
    /// Writes what it can: whether all is written.
    fn advance(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        let mut pieces: Vec<IoSlice<'_>> = Vec::with_capacity(1 + self.frame.rest().len());
        let (mut skip, mut left) = (self.written, 0);
        for piece in [&self.start[..]].into_iter().chain(self.frame.rest().iter().map(|piece| &piece[..])) {
            let from = skip.min(piece.len());
            skip -= from;
            left += piece.len() - from;
            if from < piece.len() {
                pieces.push(IoSlice::new(&piece[from..]));
            }
        }
        let count = stream.write_vectored(&pieces)?;
        self.written += count;
        Ok(count == left)
    }
}

/// What is read of one connection before the others of its thread have their turn; their latencies would
/// count it. A kernel that does not preempt itself lets nobody else run on the processor either while it
/// copies.
const TURN_BYTES: usize = 128 * 1024;

/// A socket that would block once so much of it was read.
struct Turn<'a> {
    stream: &'a mut TcpStream,
    left: usize,
}

impl Read for Turn<'_> {
    fn read(&mut self, memory: &mut [u8]) -> io::Result<usize> {
        let length = memory.len().min(self.left);
        if length == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = self.stream.read(&mut memory[..length])?;
        self.left -= count;
        Ok(count)
    }
}

pub(super) struct LaneSocket {
    stream: TcpStream,
    inbox: Inbox,
    outbox: VecDeque<Sending>,
    sent: i32,
}

impl LaneSocket {
    pub(super) fn open(address: SocketAddr) -> Result<LaneSocket, ClientError> {
        let connected = TcpStream::connect(address).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        let stream = connected.map_err(ClientError::io(format!("connecting to {address}")))?;
        Ok(LaneSocket { stream, inbox: Inbox::new(), outbox: VecDeque::new(), sent: 0 })
    }

    /// Puts a request behind those that wait.
    pub(super) fn push(&mut self, frame: Arc<Frame>) {
        self.sent = self.sent.wrapping_add(1);
        self.outbox.push_back(Sending { start: frame.start(self.sent), frame, written: 0 });
    }

    /// Hands the kernel what it takes now: how many requests are wholly with it since the last time.
    pub(super) fn flush(&mut self) -> Result<usize, ClientError> {
        let mut whole = 0;
        while let Some(sending) = self.outbox.front_mut() {
            match sending.advance(&mut self.stream) {
                Ok(true) => {
                    whole += 1;
                    self.outbox.pop_front();
                }
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(ClientError::io("sending a request")(error)),
            }
        }
        Ok(whole)
    }

    pub(super) fn is_writing(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The next answer that is there already and needs no more than a turn of reading.
    pub(super) fn receive(&mut self) -> Result<Option<Bytes>, ClientError> {
        match self.inbox.next(&mut Turn { stream: &mut self.stream, left: TURN_BYTES })? {
            Arrival::Answer(answer) => Ok(Some(answer)),
            Arrival::Nothing => Ok(None),
        }
    }

    /// Gives an answer's memory back, so that the next one needs none.
    pub(super) fn recycle(&mut self, answer: Bytes) {
        self.inbox.recycle(answer);
    }
}

impl AsFd for LaneSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
