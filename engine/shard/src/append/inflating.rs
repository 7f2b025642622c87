//! Batches that inflate to much: they are checked off the shard,
//! and only the appends of their own partition wait for it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use millrace_core::base::ids::{PartitionKey, TimestampMs};
use rustc_hash::FxHashMap;

use crate::api::AppendPartition;
use crate::commit::outcomes::AppendOutcomes;
use crate::device::turns::Turns;

/// Appends behind a batch that is inflated aside: those of one partition stay in their order,
/// those of others pass.
#[derive(Default)]
pub(crate) struct Inflating {
    /// One batch of the shard at a time: it may take 128 MiB.
    pub(crate) turns: Turns,
    waiting: RefCell<FxHashMap<PartitionKey, VecDeque<Unchecked>>>,
    /// Of all that waits here.
    bytes: Cell<usize>,
}

/// An append that is not checked yet, and where its outcome goes.
pub(crate) struct Unchecked {
    pub(crate) append: AppendPartition,
    pub(crate) now: TimestampMs,
    pub(crate) answer: (Rc<AppendOutcomes>, usize),
}

impl Inflating {
    /// Whether appends of the partition have to wait behind one.
    pub(crate) fn is_under_way(&self, key: PartitionKey) -> bool {
        let waiting = self.waiting.borrow();
        !waiting.is_empty() && waiting.contains_key(&key)
    }

    /// Bytes of appends that wait here: their requests' memory is taken as long.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    pub(crate) fn push(&self, unchecked: Unchecked) {
        self.bytes.set(self.bytes.get() + unchecked.append.records.len());
        self.waiting.borrow_mut().entry(unchecked.append.key).or_default().push_back(unchecked);
    }

    /// The next append of a partition; where there is none, appends need not wait any more.
    pub(crate) fn next(&self, key: PartitionKey) -> Option<Unchecked> {
        let mut waiting = self.waiting.borrow_mut();
        let next = waiting.get_mut(&key).and_then(VecDeque::pop_front);
        match &next {
            Some(unchecked) => self.bytes.set(self.bytes.get() - unchecked.append.records.len()),
            None => drop(waiting.remove(&key)),
        }
        next
    }
}
