//! Producers: each a connection that sends batches at its intended moments, several requests in flight.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::payload::{self, BatchShape};
use super::schedule::{Rate, Schedule, Window};
use super::socket::LaneSocket;
use super::tally::{Answered, Tally};
use crate::client::{Acks, Dialect, Frame, check_produced};
use crate::clock;
use crate::error::ClientError;

/// A load of producers on one topic.
#[derive(Debug, Clone)]
pub(crate) struct ProduceLoad<'a> {
    pub(crate) topic: &'a str,
    pub(crate) dialect: Dialect,
    pub(crate) shape: BatchShape,
    /// Of one request; a batch goes to each.
    pub(crate) partitions_each: usize,
    pub(crate) acks: Acks,
    pub(crate) in_flight: usize,
    /// Of all connections together.
    pub(crate) rate: Rate,
}

/// What a connection sends in turn, and how the answers are read.
pub(super) struct Requests {
    pub(super) frames: Vec<Arc<Frame>>,
    /// Batches in each of them.
    pub(super) batches_each: Vec<u64>,
    pub(super) shape: BatchShape,
    /// Fails unless the broker took all of a request.
    pub(super) check: fn(&Frame, &Bytes) -> Result<(), ClientError>,
}

/// One connection. Invariant: answers come in the order of `in_flight`.
pub(super) struct ProducerLane {
    pub(super) socket: LaneSocket,
    requests: Requests,
    next: usize,
    acks: Acks,
    depth: usize,
    rate: Rate,
    /// This connection among those of the load.
    place: (usize, usize),
    schedule: Option<(Schedule, Window)>,
    in_flight: VecDeque<(usize, Instant)>,
}

impl ProduceLoad<'_> {
    /// A connection to `address` for these partitions, number `place` of `places`.
    pub(super) fn lane(
        &self,
        address: SocketAddr,
        partitions: &[i32],
        batches: &[Bytes],
        place: (usize, usize),
    ) -> Result<ProducerLane, ClientError> {
        let each = self.partitions_each.max(1);
        let frames = payload::frames(self.dialect.produce, self.acks, self.topic, partitions, each, batches)?;
        let parts = partitions.chunks(each).map(|part| part.len() as u64).cycle();
        let batches_each = parts.take(frames.len()).collect();
        let requests = Requests { frames, batches_each, shape: self.shape, check: check_produced };
        let lane = ProducerLane::answered(address, requests, self.in_flight, self.rate, place)?;
        Ok(ProducerLane { acks: self.acks, ..lane })
    }

    pub(super) fn batches(&self) -> Vec<Bytes> {
        payload::batches(self.shape)
    }
}

impl ProducerLane {
    /// A connection to `address`, number `place` of `places`, all of whose requests are answered.
    pub(super) fn answered(
        address: SocketAddr,
        requests: Requests,
        in_flight: usize,
        rate: Rate,
        place: (usize, usize),
    ) -> Result<ProducerLane, ClientError> {
        Ok(ProducerLane {
            socket: LaneSocket::open(address)?,
            requests,
            next: 0,
            acks: Acks::All,
            depth: in_flight.max(1),
            rate,
            place,
            schedule: None,
            in_flight: VecDeque::new(),
        })
    }

    pub(super) fn arm(&mut self, window: &Window) {
        let batches = self.requests.batches_each.first().copied().unwrap_or(1);
        let records = self.requests.shape.records * usize::try_from(batches).unwrap_or(1);
        let schedule = Schedule::new(window.start, self.rate, records, self.place.0, self.place.1);
        self.schedule = Some((schedule, *window));
    }

    /// Takes answers if there may be some, and sends what is due as far as there is room.
    pub(super) fn step(&mut self, readable: bool, tally: &mut Tally) -> Result<(), ClientError> {
        if readable {
            self.take_answers(tally)?;
        }
        while self.in_flight.len() < self.depth && self.send_due(tally)? {}
        self.flush(tally)
    }

    /// When it wants to be driven again, if nothing arrives before.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let (schedule, window) = self.schedule.as_ref()?;
        let has_room = self.in_flight.len() < self.depth && self.has_more(now);
        has_room.then(|| schedule.moment().unwrap_or(window.start))
    }

    pub(super) fn is_done(&self, now: Instant) -> bool {
        self.in_flight.is_empty() && !self.has_more(now)
    }

    /// Whether a request is to be sent yet, now or later.
    fn has_more(&self, now: Instant) -> bool {
        let armed = self.schedule.as_ref();
        armed.is_some_and(|(schedule, window)| schedule.moment().unwrap_or(now) < window.end)
    }

    /// Counts what is still owed, sent or not.
    pub(super) fn give_up(&mut self, tally: &mut Tally) {
        let now = clock::now();
        let Some((_, window)) = self.schedule else { return };
        for (_, intended) in self.in_flight.drain(..) {
            tally.given_up(&window, intended, now);
        }
        while let (Some(intended), Rate::RecordsPerSecond(_)) = (self.due_in_window(now), self.rate) {
            tally.given_up(&window, intended, now);
            self.advance();
        }
    }

    /// The intended moment of the next request, if it has come and lies before the window's end.
    fn due_in_window(&self, now: Instant) -> Option<Instant> {
        let (schedule, window) = self.schedule.as_ref()?;
        schedule.due(now).filter(|intended| *intended < window.end)
    }

    fn advance(&mut self) {
        if let Some((schedule, _)) = &mut self.schedule {
            schedule.advance();
        }
    }

    fn send_due(&mut self, tally: &mut Tally) -> Result<bool, ClientError> {
        let now = clock::now();
        let (Some(intended), Some((_, window))) = (self.due_in_window(now), self.schedule) else {
            return Ok(false);
        };
        self.advance();
        let place = self.next;
        self.next = (place + 1) % self.requests.frames.len();
        self.in_flight.push_back((place, intended));
        self.socket.push(Arc::clone(&self.requests.frames[place]));
        tally.sent(&window, intended, now);
        self.flush(tally)?;
        Ok(true)
    }

    /// Without acknowledgements a request is answered when the kernel has it.
    fn flush(&mut self, tally: &mut Tally) -> Result<(), ClientError> {
        let whole = self.socket.flush()?;
        if self.acks == Acks::None {
            for _ in 0..whole {
                self.count_oldest(tally);
            }
        }
        Ok(())
    }

    fn take_answers(&mut self, tally: &mut Tally) -> Result<(), ClientError> {
        while let Some(answer) = self.socket.receive()? {
            let oldest = self.in_flight.front().map(|(place, _)| &self.requests.frames[*place]);
            let oldest =
                oldest.ok_or_else(|| ClientError::Broker("an answer to no request came".to_owned()))?;
            (self.requests.check)(oldest, &answer)?;
            self.socket.recycle(answer);
            self.count_oldest(tally);
        }
        Ok(())
    }

    fn count_oldest(&mut self, tally: &mut Tally) {
        let (Some((place, intended)), Some((_, window))) = (self.in_flight.pop_front(), &self.schedule)
        else {
            return;
        };
        let Requests { batches_each, shape, .. } = &self.requests;
        let records = batches_each[place] * shape.records as u64;
        let bytes = records * shape.value_bytes as u64;
        tally.answered(window, Answered { intended, at: clock::now(), records, bytes });
    }
}
