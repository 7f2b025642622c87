//! Fetches that wait until more bytes are visible in their partitions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use millrace_rt::Signal;

use crate::mesh::calls::DelayFetch;
use crate::mesh::requests::{DelayedFetchId, Woken};
use crate::mesh::responder::Responder;

/// One waiting reader; listed in each partition it waits for.
pub(crate) struct DelayedFetch {
    id: DelayedFetchId,
    missing_bytes: Cell<usize>,
    waiter: RefCell<Option<Waiter>>,
    fired: Fired,
}

/// DelayedFetches that fired, to be taken off the lists of their other partitions.
pub(crate) type Fired = Rc<RefCell<Vec<DelayedFetchId>>>;

pub(crate) enum Waiter {
    Task(Signal),
    Shard(Responder<DelayFetch>),
}

impl Waiter {
    /// A task of this shard learns it from the call.
    pub(crate) fn refuse(self) {
        if let Waiter::Shard(responder) = self {
            responder.send(Woken::NoRoom);
        }
    }
}

impl DelayedFetch {
    /// Woken by `bytes`; listed by nobody yet.
    pub(crate) fn new(id: DelayedFetchId, bytes: usize, waiter: Waiter, fired: &Fired) -> Rc<DelayedFetch> {
        Rc::new(DelayedFetch {
            id,
            missing_bytes: Cell::new(bytes.max(1)),
            waiter: RefCell::new(Some(waiter)),
            fired: Rc::clone(fired),
        })
    }

    /// Counts bytes that became visible; wakes the reader once they suffice.
    fn count(&self, bytes: usize) {
        let missing = self.missing_bytes.get().saturating_sub(bytes);
        self.missing_bytes.set(missing);
        if missing == 0 {
            self.fire();
        }
    }

    /// Wakes the reader whatever it waits for: its partition changed or went away.
    pub(crate) fn fire(&self) {
        let Some(waiter) = self.waiter.borrow_mut().take() else { return };
        self.fired.borrow_mut().push(self.id);
        match waiter {
            Waiter::Task(signal) => signal.notify_all(),
            Waiter::Shard(responder) => responder.send(Woken::Changed),
        }
    }

    fn has_fired(&self) -> bool {
        self.waiter.borrow().is_none()
    }
}

/// The readers of one partition, each once, however often it names the partition.
#[derive(Default)]
pub(crate) struct DelayedFetches {
    fetches: BTreeMap<DelayedFetchId, Rc<DelayedFetch>>,
}

impl DelayedFetches {
    pub(crate) fn add(&mut self, fetch: Rc<DelayedFetch>) {
        self.fetches.insert(fetch.id, fetch);
    }

    pub(crate) fn take_off(&mut self, id: DelayedFetchId) {
        self.fetches.remove(&id);
    }

    /// `bytes` more are visible.
    pub(crate) fn count(&mut self, bytes: usize) {
        if self.fetches.is_empty() {
            return;
        }
        for fetch in self.fetches.values() {
            fetch.count(bytes);
        }
        self.fetches.retain(|_, fetch| !fetch.has_fired());
    }

    /// The partition went away or changed its epoch.
    pub(crate) fn fire_all(&mut self) {
        for fetch in std::mem::take(&mut self.fetches).into_values() {
            fetch.fire();
        }
    }
}
