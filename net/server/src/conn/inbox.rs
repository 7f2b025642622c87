//! Receives request frames of one connection: whole frames are slices of the block they came in.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use millrace_rt::{Block, ByteBudget, ByteCharge, Either, Moment, Stream, select};
use millrace_wire::FRAME_LENGTH_BYTES;
use millrace_wire::conn::{FrameCursor, Framed};

use crate::conn::connection::{Connection, Partial};
use crate::conn::room::{self, BLOCK_BYTES_MIN, IDLE_BYTES_MAX};

/// Owned by the reader of a connection.
pub(crate) struct Inbox {
    budget: Rc<ByteBudget>,
    frame_bytes_max: usize,
    memory: Option<Memory>,
    filled: usize,
    /// The length of the incomplete frame, as far as it is known.
    wants: usize,
    /// The largest frame that this connection has completed. It may have that much memory at once.
    proven: usize,
    idle_capacity: usize,
}

struct Memory {
    block: Block,
    charge: Option<ByteCharge>,
}

/// One request without its length; its memory counts against the budget until it is dropped.
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    pub(crate) charge: Option<Rc<ByteCharge>>,
    /// When its last byte arrived.
    pub(crate) received: Moment,
}

/// What a receive brought.
pub(crate) struct Received {
    pub(crate) frames: Vec<Frame>,
    pub(crate) state: InboxState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InboxState {
    Open,
    /// The peer sends nothing more.
    Ended,
    /// The next length is not that of a request.
    BadLength(i32),
}

impl Inbox {
    /// `leftover` is what another shard has received and not used.
    pub(crate) fn new(budget: Rc<ByteBudget>, frame_bytes_max: usize, leftover: &[u8]) -> Inbox {
        let mut inbox = Inbox {
            budget,
            frame_bytes_max,
            memory: None,
            filled: 0,
            wants: FRAME_LENGTH_BYTES,
            proven: 0,
            idle_capacity: BLOCK_BYTES_MIN,
        };
        if !leftover.is_empty() {
            inbox.carry(leftover);
        }
        inbox
    }

    /// Waits for at least one whole frame, the peer's end or a bad length.
    /// The future is only dropped with the connection.
    pub(crate) async fn receive(&mut self, stream: &Stream, connection: &Connection) -> io::Result<Received> {
        loop {
            connection.note_partial(if self.filled > 0 { Partial::Yes } else { Partial::No });
            let memory = self.room(connection).await?;
            let capacity = memory.block.capacity();
            let (result, block) = stream.recv(memory.block, self.filled).await;
            let received = result?;
            let now = millrace_rt::now();
            connection.touch();
            self.filled += received;
            let memory = Memory { block, charge: memory.charge };
            if received == 0 {
                return Ok(Received { frames: Vec::new(), state: InboxState::Ended });
            }
            if let Some(received) = self.cut(memory, capacity, now) {
                return Ok(received);
            }
        }
    }

    /// Returns whether the beginning of a request is held.
    pub(crate) fn holds_part(&self) -> bool {
        self.filled > 0
    }

    /// Returns the bytes of an incomplete frame, for the shard that the connection moves to.
    pub(crate) fn into_leftover(self) -> Vec<u8> {
        let filled = self.filled;
        self.memory
            .and_then(|memory| memory.block.as_slice().get(..filled).map(<[u8]>::to_vec))
            .unwrap_or_default()
    }

    /// Returns memory with room behind the bytes that are there. It grows as the frame arrives.
    async fn room(&mut self, connection: &Connection) -> io::Result<Memory> {
        let Some(memory) = self.memory.take() else {
            return Ok(self.idle_memory());
        };
        let capacity = room::capacity_for(self.filled, self.wants, self.proven);
        if capacity <= memory.block.capacity() {
            return Ok(memory);
        }
        let charge = match select(self.budget.wait_for(capacity as u64), connection.hung_up()).await {
            Either::Left(charge) => charge,
            Either::Right(()) => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let mut block = Block::with_capacity(capacity);
        copy(&mut block, memory.block.as_slice(), self.filled);
        Ok(Memory { block, charge: Some(charge) })
    }

    /// Each connection has a smallest block of its own. It gets more only if the budget has it to spare.
    fn idle_memory(&self) -> Memory {
        let charge = match self.idle_capacity {
            BLOCK_BYTES_MIN => None,
            more => self.budget.try_charge(more as u64),
        };
        let capacity = if charge.is_some() { self.idle_capacity } else { BLOCK_BYTES_MIN };
        Memory { block: Block::with_capacity(capacity), charge }
    }

    /// Returns `None` while the frame is incomplete, and keeps the memory.
    fn cut(&mut self, memory: Memory, capacity: usize, now: Moment) -> Option<Received> {
        let mut cursor = FrameCursor::new(self.frame_bytes_max);
        let mut next = cursor.next_frame(memory.block.as_slice().get(..self.filled).unwrap_or_default());
        if let Framed::Partial { wants } = next {
            self.wants = wants;
            self.memory = Some(memory);
            return None;
        }
        let charge = memory.charge.map(Rc::new);
        let whole = memory.block.freeze();
        let filled = std::mem::take(&mut self.filled);
        let received = whole.get(..filled).unwrap_or_default();
        let mut frames = Vec::new();
        let mut largest = 0;
        let state = loop {
            match next {
                Framed::Whole(place) => {
                    largest = largest.max(place.len());
                    frames.push(Frame { bytes: whole.slice(place), charge: charge.clone(), received: now });
                }
                Framed::Partial { .. } => {
                    self.carry(received.get(cursor.position()..).unwrap_or_default());
                    break InboxState::Open;
                }
                Framed::BadLength(length) => break InboxState::BadLength(length),
            }
            next = cursor.next_frame(received);
        };
        self.proven = self.proven.max(largest + FRAME_LENGTH_BYTES);
        self.idle_capacity = match largest > IDLE_BYTES_MAX {
            true => BLOCK_BYTES_MIN,
            false => room::next_idle_capacity(capacity.min(IDLE_BYTES_MAX), filled),
        };
        Some(Received { frames, state })
    }

    /// Keeps the start of an incomplete frame in memory of its own.
    /// It is shorter than the memory that was charged before.
    fn carry(&mut self, tail: &[u8]) {
        if tail.is_empty() {
            return;
        }
        let charge = match tail.len() {
            small if small <= BLOCK_BYTES_MIN => None,
            large => self.budget.try_charge(large as u64),
        };
        let mut block = Block::with_capacity(tail.len().max(BLOCK_BYTES_MIN));
        copy(&mut block, tail, tail.len());
        if let Framed::Partial { wants } = FrameCursor::new(self.frame_bytes_max).next_frame(tail) {
            self.wants = wants;
        }
        self.filled = tail.len();
        self.memory = Some(Memory { block, charge });
    }
}

fn copy(into: &mut Block, from: &[u8], bytes: usize) {
    let (Some(target), Some(source)) = (into.as_mut_slice().get_mut(..bytes), from.get(..bytes)) else {
        unreachable!("the new block is larger than what was received");
    };
    millrace_rt::copy_payload(target, source);
}
