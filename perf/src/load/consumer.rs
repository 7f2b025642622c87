//! Consumers: each a connection that reads its partitions as fast as answers come, one request in flight.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::schedule::Window;
use super::socket::LaneSocket;
use super::tally::{Answered, Tally};
use crate::client::{Dialect, FetchPlace, Frame, fetch_frame, next_offset, read_fetched};
use crate::clock;
use crate::error::ClientError;

/// What a consumer does with a partition that it has read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// Reads it again from where it began.
    Rewind,
    /// Leaves it; with the last one it is done.
    Stop,
    /// Waits for more.
    Follow,
}

/// What counts as a byte that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Those of values of this length.
    Values(usize),
    /// All bytes of batches.
    Batches,
}

/// A load of consumers on one topic.
#[derive(Debug, Clone)]
pub(crate) struct ConsumeLoad<'a> {
    pub(crate) topic: &'a str,
    pub(crate) dialect: Dialect,
    /// Of one partition in one answer.
    pub(crate) fetch_bytes: i32,
    pub(crate) at_end: AtEnd,
    pub(crate) counted: Counted,
    /// Of each partition: where reading begins, and where it ends unless it follows.
    pub(crate) ranges: &'a [(i64, i64)],
}

/// One partition of a consumer.
struct Reading {
    partition: i32,
    begin: i64,
    end: i64,
    next: i64,
}

/// One connection.
pub(super) struct ConsumerLane {
    pub(super) socket: LaneSocket,
    topic: String,
    version: i16,
    fetch_bytes: i32,
    at_end: AtEnd,
    counted: Counted,
    readings: Vec<Reading>,
    asked: Option<(Arc<Frame>, Instant)>,
    window: Option<Window>,
}

impl ConsumeLoad<'_> {
    /// A connection to `address` for these partitions.
    pub(super) fn lane(&self, address: SocketAddr, partitions: &[i32]) -> Result<ConsumerLane, ClientError> {
        let reading = |partition: &i32| {
            let place = usize::try_from(*partition).unwrap_or(usize::MAX);
            let (begin, end) = self.ranges.get(place).copied().unwrap_or_default();
            Reading { partition: *partition, begin, end, next: begin }
        };
        // An empty range would be read again and again.
        let is_open = |reading: &Reading| self.at_end == AtEnd::Follow || reading.begin < reading.end;
        Ok(ConsumerLane {
            socket: LaneSocket::open(address)?,
            topic: self.topic.to_owned(),
            version: self.dialect.fetch,
            fetch_bytes: self.fetch_bytes,
            at_end: self.at_end,
            counted: self.counted,
            readings: partitions.iter().map(reading).filter(is_open).collect(),
            asked: None,
            window: None,
        })
    }
}

impl ConsumerLane {
    pub(super) fn arm(&mut self, window: &Window) {
        self.window = Some(*window);
    }

    /// Takes the answer if it may be there, and asks again.
    pub(super) fn step(&mut self, readable: bool, tally: &mut Tally) -> Result<(), ClientError> {
        if readable {
            self.take_answer(tally)?;
        }
        if self.asked.is_none() && self.wants_more(clock::now()) {
            self.ask()?;
        }
        self.socket.flush().map(drop)
    }

    /// When it wants to be driven again, if nothing arrives before.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let window = self.window.as_ref()?;
        (self.asked.is_none() && !self.is_done(now)).then_some(window.start)
    }

    /// Behind the window nothing counts any more, and what a follower asked may be answered much later.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        let is_over = self.window.is_some_and(|window| now >= window.end);
        is_over || (self.asked.is_none() && !self.is_open())
    }

    fn is_open(&self) -> bool {
        !self.readings.is_empty()
    }

    fn wants_more(&self, now: Instant) -> bool {
        self.is_open() && self.window.is_some_and(|window| window.start <= now && now < window.end)
    }

    fn ask(&mut self) -> Result<(), ClientError> {
        // An answer may hold a part of what was asked: who came first comes last the next time.
        self.readings.rotate_left(1);
        let place = |reading: &Reading| FetchPlace {
            partition: reading.partition,
            offset: reading.next,
            bytes_max: self.fetch_bytes,
        };
        let places: Vec<FetchPlace> = self.readings.iter().map(place).collect();
        let frame = Arc::new(fetch_frame(self.version, &self.topic, &places)?);
        self.asked = Some((Arc::clone(&frame), clock::now()));
        self.socket.push(frame);
        Ok(())
    }

    fn take_answer(&mut self, tally: &mut Tally) -> Result<(), ClientError> {
        let Some(answer) = self.socket.receive()? else { return Ok(()) };
        let asked = self.asked.take();
        let (frame, sent) =
            asked.ok_or_else(|| ClientError::Broker("an answer to no request came".to_owned()))?;
        let (mut records, mut bytes) = (0, 0);
        read_fetched(&frame, &answer, |partition, batches| {
            let reading = self.readings.iter_mut().find(|reading| reading.partition == partition);
            if let (Some(reading), Some(next)) = (reading, next_offset(batches)) {
                records += u64::try_from(next - reading.next).unwrap_or_default();
                bytes += batches.len() as u64;
                reading.next = next;
            }
        })?;
        self.socket.recycle(answer);
        let bytes = match self.counted {
            Counted::Values(each) => records * each as u64,
            Counted::Batches => bytes,
        };
        if let Some(window) = &self.window {
            tally.answered(window, Answered { intended: sent, at: clock::now(), records, bytes });
        }
        self.turn_back();
        Ok(())
    }

    /// What was read to its end begins again, or is left.
    fn turn_back(&mut self) {
        match self.at_end {
            AtEnd::Follow => {}
            AtEnd::Stop => self.readings.retain(|reading| reading.next < reading.end),
            AtEnd::Rewind => {
                for reading in self.readings.iter_mut().filter(|reading| reading.next >= reading.end) {
                    reading.next = reading.begin;
                }
            }
        }
    }
}
