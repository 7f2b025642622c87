//! What retention of a shard waits for, and how it is stopped.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use millrace_core::base::ids::TimestampMs;
use millrace_rt::Signal;

use crate::partition::PartitionRef;

/// What retention of one shard waits for.
pub(crate) struct Retention {
    /// Their logs grew by a segment: with a limit of bytes an older one may go now, which keeps a small disk from
    /// filling up between two searches.
    pub(crate) rolled: RefCell<VecDeque<PartitionRef>>,
    pub(crate) look: Signal,
    /// When this run began; nothing that it found was written later.
    pub(crate) opened: TimestampMs,
    pub(crate) stopping: Cell<bool>,
    pub(crate) stopped: Cell<bool>,
    pub(crate) ended: Signal,
}

impl Retention {
    pub(crate) fn new() -> Retention {
        Retention {
            rolled: RefCell::default(),
            look: Signal::new(),
            opened: TimestampMs(millrace_rt::wall_now_ms()),
            stopping: Cell::new(false),
            stopped: Cell::new(false),
            ended: Signal::new(),
        }
    }

    /// Ends after the partition that it looks at.
    pub(crate) async fn stop(&self) {
        self.stopping.set(true);
        self.look.notify_all();
        while !self.stopped.get() {
            self.ended.wait().await;
        }
    }

    /// A segment of the partition ended.
    pub(crate) fn note_roll(&self, partition: &PartitionRef) {
        self.rolled.borrow_mut().push_back(Rc::clone(partition));
        self.look.notify_all();
    }
}
