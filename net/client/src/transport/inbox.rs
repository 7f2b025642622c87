//! Answers cut from what a socket brings: small ones many a read,
//! large ones straight into memory that serves again.

use std::io::{self, ErrorKind, Read};

use bytes::{Bytes, BytesMut};

use crate::error::ClientError;

const LENGTH_BYTES: usize = 4;
const CORRELATION_BYTES: usize = 4;
/// An answer larger than this was not asked for.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Small answers come many with one read of the socket.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// Answers of one connection, which come in the order of requests; each is checked for that.
pub struct Inbox {
    ahead: Vec<u8>,
    /// What was read ahead and not taken yet.
    start: usize,
    end: usize,
    /// The answer that is being filled, and how much of it is there.
    partial: Option<(BytesMut, usize)>,
    /// Memory of the last answer, used again.
    spare: BytesMut,
    received: i32,
}

/// What a look at the socket brought.
pub enum Arrival {
    /// A whole answer, from its correlation id on.
    Answer(Bytes),
    /// The socket has nothing more now.
    Nothing,
}

impl Default for Inbox {
    fn default() -> Inbox {
        let ahead = vec![0; READ_AHEAD_BYTES];
        Inbox { ahead, start: 0, end: 0, partial: None, spare: BytesMut::new(), received: 0 }
    }
}

impl Inbox {
    pub fn new() -> Inbox {
        Inbox::default()
    }

    /// The next answer. From a blocking socket it waits for one;
    /// from one that does not block `Nothing` means later.
    pub fn next(&mut self, socket: &mut impl Read) -> Result<Arrival, ClientError> {
        loop {
            if self.partial.is_none() {
                self.begin_answer()?;
            }
            if let Some(answer) = self.take_whole() {
                return self.check(answer).map(Arrival::Answer);
            }
            match self.fill(socket) {
                Ok(0) => {
                    return Err(ClientError::io("waiting for an answer")(ErrorKind::UnexpectedEof.into()));
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Arrival::Nothing),
                Err(error) => return Err(ClientError::io("waiting for an answer")(error)),
            }
        }
    }

    /// A request was sent that is never answered.
    pub(crate) fn skip(&mut self) {
        self.received = self.received.wrapping_add(1);
    }

    /// Gives an answer's memory back, so that the next one needs none.
    pub fn recycle(&mut self, answer: Bytes) {
        if let Ok(memory) = answer.try_into_mut() {
            self.spare = memory;
        }
    }

    /// Starts the answer whose length was read ahead, with what is there of it.
    fn begin_answer(&mut self) -> Result<(), ClientError> {
        let there = &self.ahead[self.start..self.end];
        let Some(length) = there.first_chunk::<LENGTH_BYTES>() else { return Ok(()) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(CORRELATION_BYTES..=ANSWER_BYTES_MAX).contains(&length) {
            return Err(ClientError::Broker(format!("the broker announced an answer of {length} bytes")));
        }
        let there = &there[LENGTH_BYTES..];
        let taken = there.len().min(length);
        let mut memory = std::mem::take(&mut self.spare);
        memory.resize(length, 0);
        memory[..taken].copy_from_slice(&there[..taken]);
        self.start += LENGTH_BYTES + taken;
        self.partial = Some((memory, taken));
        Ok(())
    }

    fn take_whole(&mut self) -> Option<Bytes> {
        self.partial.take_if(|(memory, filled)| memory.len() == *filled).map(|(memory, _)| memory.freeze())
    }

    /// Reads once: into the answer if its rest is long, else ahead.
    fn fill(&mut self, socket: &mut impl Read) -> io::Result<usize> {
        match &mut self.partial {
            Some((memory, filled)) if memory.len() - *filled >= READ_AHEAD_BYTES => {
                let count = socket.read(&mut memory[*filled..])?;
                *filled += count;
                Ok(count)
            }
            partial => {
                // Everything read ahead belongs to the answer begun, except a length that is not whole yet.
                self.ahead.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
                let count = socket.read(&mut self.ahead[self.end..])?;
                self.end += count;
                if let Some((memory, filled)) = partial {
                    let taken = (memory.len() - *filled).min(self.end);
                    memory[*filled..*filled + taken].copy_from_slice(&self.ahead[..taken]);
                    (self.start, *filled) = (taken, *filled + taken);
                }
                Ok(count)
            }
        }
    }

    fn check(&mut self, answer: Bytes) -> Result<Bytes, ClientError> {
        self.received = self.received.wrapping_add(1);
        if answer[..CORRELATION_BYTES] != self.received.to_be_bytes() {
            return Err(ClientError::Broker(
                "the broker answered another request than the oldest".to_owned(),
            ));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brings its bytes in pieces of one size, then says that it would block.
    struct Trickle<'a> {
        bytes: &'a [u8],
        piece: usize,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, memory: &mut [u8]) -> io::Result<usize> {
            let count = self.piece.min(memory.len()).min(self.bytes.len());
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            memory[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            Ok(count)
        }
    }

    fn answer(correlation: i32, length: usize) -> Vec<u8> {
        let mut bytes = u32::try_from(length).unwrap().to_be_bytes().to_vec();
        bytes.extend(correlation.to_be_bytes());
        bytes.extend((0..length - CORRELATION_BYTES).map(|at| (at * 7 + correlation as usize) as u8));
        bytes
    }

    #[test]
    fn answers_are_cut_whole_however_they_arrive() {
        let lengths = [4, 90, 200_000, 65_536, 5, 65_532, 131_072, 70];
        let sent: Vec<Vec<u8>> = (1..).zip(lengths).map(|(id, length)| answer(id, length)).collect();
        let stream = sent.concat();
        for piece in [1, 3, 4096, 65_536, 1_000_000] {
            let (mut inbox, mut trickle) = (Inbox::new(), Trickle { bytes: &stream, piece });
            for (place, sent) in sent.iter().enumerate() {
                let Arrival::Answer(answer) = inbox.next(&mut trickle).unwrap() else {
                    panic!("answer {place} is missing with pieces of {piece}");
                };
                assert_eq!(answer, sent[LENGTH_BYTES..], "{place}, pieces of {piece}");
                inbox.recycle(answer);
            }
            assert!(matches!(inbox.next(&mut trickle), Ok(Arrival::Nothing)));
        }
    }

    #[test]
    fn wrong_answers_are_refused() {
        let cases = [answer(2, 20), vec![0x7f; 8], vec![0, 0, 0, 2, 0, 0]];
        for bytes in cases {
            let mut trickle = Trickle { bytes: &bytes, piece: 64 };
            assert!(matches!(Inbox::new().next(&mut trickle), Err(ClientError::Broker(_))), "{bytes:?}");
        }
    }
}
