//! Partitions whose log grew by a segment.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use millrace_rt::Signal;

use crate::partition::state::PartitionRef;

/// For retention: with a limit of bytes an older segment may go now,
/// which keeps a small disk from filling up between two searches.
#[derive(Default)]
pub(crate) struct RolledPartitions {
    queue: RefCell<VecDeque<PartitionRef>>,
    pub(crate) came: Signal,
}

impl RolledPartitions {
    /// A segment of the partition ended.
    pub(crate) fn note(&self, partition: &PartitionRef) {
        self.queue.borrow_mut().push_back(Rc::clone(partition));
        self.came.notify_all();
    }

    pub(crate) fn next(&self) -> Option<PartitionRef> {
        self.queue.borrow_mut().pop_front()
    }
}
