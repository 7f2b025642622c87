//! Which partitions have no directory and no file yet: each gets them in the background (`making_files`).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use millrace_core::base::ids::PartitionKey;
use millrace_rt::Signal;

/// Made by one call, for 2 to 10 ms; nobody else writes to these partitions meanwhile.
const AT_ONCE: usize = 32;

/// Partitions of one shard that have no file yet, until each had its turn.
pub(crate) struct FirstFiles {
    waiting: RefCell<VecDeque<PartitionKey>>,
    pub(crate) work: Signal,
    pub(crate) stopping: Cell<bool>,
    pub(crate) stopped: Cell<bool>,
    pub(crate) ended: Signal,
}

impl FirstFiles {
    pub(crate) fn new() -> FirstFiles {
        FirstFiles {
            waiting: RefCell::default(),
            work: Signal::new(),
            stopping: Cell::new(false),
            stopped: Cell::new(false),
            ended: Signal::new(),
        }
    }

    pub(crate) fn push(&self, key: PartitionKey) {
        self.waiting.borrow_mut().push_back(key);
        self.work.notify_all();
    }

    /// Ends after the files that are being made.
    pub(crate) async fn stop(&self) {
        self.stopping.set(true);
        self.work.notify_all();
        while !self.stopped.get() {
            self.ended.wait().await;
        }
    }

    /// Those whose turn it is; none where nobody waits.
    pub(crate) fn next(&self) -> Vec<PartitionKey> {
        let mut waiting = self.waiting.borrow_mut();
        let count = waiting.len().min(AT_ONCE);
        waiting.drain(..count).collect()
    }
}
