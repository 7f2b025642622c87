//! One connection of a load, of either kind.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::consumer::ConsumerLane;
use super::producer::ProducerLane;
use super::schedule::Window;
use super::tally::Tally;
use crate::error::ClientError;

/// Driven by a worker: `step` when its socket or its schedule has something, until it is done.
pub(super) enum Lane {
    Producer(ProducerLane),
    Consumer(ConsumerLane),
}

impl Lane {
    /// Sets the moments of the run that begins.
    pub(super) fn arm(&mut self, window: &Window) {
        match self {
            Lane::Producer(lane) => lane.arm(window),
            Lane::Consumer(lane) => lane.arm(window),
        }
    }

    pub(super) fn step(&mut self, readable: bool, tally: &mut Tally) -> Result<(), ClientError> {
        match self {
            Lane::Producer(lane) => lane.step(readable, tally),
            Lane::Consumer(lane) => lane.step(readable, tally),
        }
    }

    /// When it wants to be driven again, if nothing arrives before.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        match self {
            Lane::Producer(lane) => lane.wake(now),
            Lane::Consumer(lane) => lane.wake(now),
        }
    }

    pub(super) fn is_done(&self, now: Instant) -> bool {
        match self {
            Lane::Producer(lane) => lane.is_done(now),
            Lane::Consumer(lane) => lane.is_done(now),
        }
    }

    pub(super) fn give_up(&mut self, tally: &mut Tally) {
        match self {
            Lane::Producer(lane) => lane.give_up(tally),
            // A fetch that brought nothing is no failure: it may have waited for records.
            Lane::Consumer(_) => {}
        }
    }

    pub(super) fn is_writing(&self) -> bool {
        match self {
            Lane::Producer(lane) => lane.socket.is_writing(),
            Lane::Consumer(lane) => lane.socket.is_writing(),
        }
    }
}

impl AsFd for Lane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Lane::Producer(lane) => lane.socket.as_fd(),
            Lane::Consumer(lane) => lane.socket.as_fd(),
        }
    }
}
