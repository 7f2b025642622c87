//! A gate that any thread may open once and that every shard can wait at.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::shard;
use crate::submission::operation::{Operation, Outcome};
use crate::submission::remote::Remote;
use crate::submission::slots::SlotId;

#[derive(Default)]
struct State {
    open: bool,
    waiting: Vec<(Arc<Remote>, SlotId)>,
}

/// Closed until somebody opens it, then open for ever: the stop signal of a broker.
#[derive(Clone, Default)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

impl Gate {
    pub fn new() -> Gate {
        Gate::default()
    }

    /// From any thread, any number of times.
    pub fn open(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for (remote, slot) in waiting {
            remote.complete(slot, io::Result::Ok(Outcome::Count(0)));
        }
    }

    pub fn is_open(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open
    }

    /// Until the gate is open. May be dropped at any time.
    pub async fn wait(&self) {
        if self.is_open() {
            return;
        }
        let shard = shard::current();
        let pending = shard.start(Operation::Outside);
        let place = GatePlace { gate: self, remote: Arc::clone(&shard.remote), slot: pending.slot() };
        if place.take() {
            let _ = pending.await;
        }
    }

    fn leave(&self, remote: &Arc<Remote>, slot: SlotId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.retain(|(other, waiting)| !(Arc::ptr_eq(other, remote) && *waiting == slot));
    }
}

/// A wait that takes itself off the list when dropped.
struct GatePlace<'a> {
    gate: &'a Gate,
    remote: Arc<Remote>,
    slot: SlotId,
}

impl GatePlace<'_> {
    /// False if the gate is open already.
    fn take(&self) -> bool {
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.open {
            state.waiting.push((Arc::clone(&self.remote), self.slot));
        }
        !state.open
    }
}

impl Drop for GatePlace<'_> {
    fn drop(&mut self) {
        self.gate.leave(&self.remote, self.slot);
    }
}
