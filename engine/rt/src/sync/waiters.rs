//! Wakers of the futures that wait for one thing, in the order in which they came.

use std::collections::BTreeMap;
use std::task::Waker;

/// Names one waiting future in its `Waiters`.
pub(crate) type Ticket = u64;

/// A future that is dropped must take its ticket back, so that the list never outgrows what waits.
#[derive(Default)]
pub(crate) struct Waiters {
    issued: Ticket,
    waiting: BTreeMap<Ticket, Waker>,
}

impl Waiters {
    /// Joins the end of the queue.
    pub(crate) fn join(&mut self, waker: &Waker) -> Ticket {
        self.issued += 1;
        self.waiting.insert(self.issued, waker.clone());
        self.issued
    }

    /// Keeps the place in the queue and replaces the waker if another task polls now.
    pub(crate) fn renew(&mut self, ticket: Ticket, waker: &Waker) {
        match self.waiting.get_mut(&ticket) {
            Some(known) if known.will_wake(waker) => {}
            Some(known) => known.clone_from(waker),
            None => {
                self.waiting.insert(ticket, waker.clone());
            }
        }
    }

    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    pub(crate) fn is_first(&self, ticket: Ticket) -> bool {
        self.waiting.first_key_value().is_some_and(|(first, _)| *first == ticket)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn wake_first(&self) {
        if let Some((_, waker)) = self.waiting.first_key_value() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn wake_all(&self) {
        for waker in self.waiting.values() {
            waker.wake_by_ref();
        }
    }
}
