//! The purgatory of one shard: readers that wait until more bytes are visible in their partitions.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use millrace_rt::{Moment, Respond, Signal};

use crate::message::Answer;

/// One waiting reader; listed in each partition it waits for.
pub(crate) struct Watch {
    missing_bytes: Cell<usize>,
    deadline: Moment,
    fired: Cell<bool>,
    waiter: RefCell<Option<Waiter>>,
}

enum Waiter {
    Task(Signal),
    Shard(Respond<Answer>),
}

impl Watch {
    /// A reader of this shard; `signal` wakes it.
    pub(crate) fn local(bytes: usize, deadline: Moment, signal: Signal) -> Rc<Watch> {
        Watch::new(bytes, deadline, Waiter::Task(signal))
    }

    /// A reader of another shard.
    pub(crate) fn remote(bytes: usize, deadline: Moment, respond: Respond<Answer>) -> Rc<Watch> {
        Watch::new(bytes, deadline, Waiter::Shard(respond))
    }

    fn new(bytes: usize, deadline: Moment, waiter: Waiter) -> Rc<Watch> {
        Rc::new(Watch {
            missing_bytes: Cell::new(bytes.max(1)),
            deadline,
            fired: Cell::new(false),
            waiter: RefCell::new(Some(waiter)),
        })
    }

    /// Counts bytes that became visible; wakes the reader once they suffice.
    pub(crate) fn count(&self, bytes: usize) {
        let missing = self.missing_bytes.get().saturating_sub(bytes);
        self.missing_bytes.set(missing);
        if missing == 0 {
            self.fire();
        }
    }

    /// Wakes the reader whatever it waits for: its partition changed or went away.
    pub(crate) fn fire(&self) {
        self.fired.set(true);
        match self.waiter.borrow_mut().take() {
            None => {}
            Some(Waiter::Task(signal)) => signal.notify_all(),
            Some(Waiter::Shard(respond)) => respond.send(Answer::Ready),
        }
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.fired.get()
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        self.fired.get() || self.deadline <= now
    }
}

/// The readers of one partition.
#[derive(Default)]
pub(crate) struct Watches {
    watches: Vec<Rc<Watch>>,
}

impl Watches {
    /// Adds a reader and lets go of those that no longer wait, so that the list stays as short as its readers are many.
    pub(crate) fn add(&mut self, watch: Rc<Watch>, now: Moment) {
        self.watches.retain(|watch| !watch.is_over(now));
        self.watches.push(watch);
    }

    /// `bytes` more are visible.
    pub(crate) fn count(&mut self, bytes: usize) {
        if self.watches.is_empty() {
            return;
        }
        for watch in &self.watches {
            watch.count(bytes);
        }
        self.watches.retain(|watch| !watch.has_fired());
    }

    /// The partition went away or changed its epoch.
    pub(crate) fn fire_all(&mut self) {
        for watch in self.watches.drain(..) {
            watch.fire();
        }
    }
}
