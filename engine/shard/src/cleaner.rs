//! Wakes and ends the task that cleans the journal's slots.

use std::cell::Cell;

use millrace_rt::Signal;

use crate::file_systems::Unsynced;

/// Wakes the cleaner, and ends it.
pub(crate) struct Cleaner {
    pub(crate) look: Signal,
    pub(crate) stopping: Cell<bool>,
    pub(crate) stopped: Cell<bool>,
    pub(crate) ended: Signal,
    pub(crate) unsynced: Unsynced,
}

impl Cleaner {
    pub(crate) fn new() -> Cleaner {
        Cleaner {
            look: Signal::new(),
            stopping: Cell::new(false),
            stopped: Cell::new(false),
            ended: Signal::new(),
            unsynced: Unsynced::default(),
        }
    }

    /// The journal has grown; there may be a slot to clean.
    pub(crate) fn look(&self) {
        self.look.notify_all();
    }

    /// Lets the cleaning under way end and begins no other: checkpoints are written one at a time.
    pub(crate) async fn stop(&self) {
        self.stopping.set(true);
        self.look.notify_all();
        while !self.stopped.get() {
            self.ended.wait().await;
        }
    }
}
