//! Appends of partitions that bring much: they stand in a line of their own,
//! and then on their way to its segment.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, PartitionKey, Position, TimestampMs};
use millrace_core::journal::{APPEND_HEAD_BYTES, EXTENT_HEAD_BYTES};
use millrace_core::log::BatchHeader;
use millrace_core::log::producers::AppendedBatch;
use millrace_rt::Signal;
use rustc_hash::FxHashMap;

use crate::commit::pending_append::PendingAppend;
use crate::partition::state::PartitionRef;

/// The appends of one shard that are to be written to their segments first.
#[derive(Default)]
pub(crate) struct Extents {
    /// Of each partition that has a task which writes its extents: what came since the last one began.
    lines: RefCell<FxHashMap<PartitionKey, VecDeque<PendingAppend>>>,
    /// In lines and in extents on their way.
    appends: Cell<usize>,
    bytes: Cell<usize>,
    /// In their segments, hard; the next frame names them.
    pub(crate) written: RefCell<VecDeque<Extent>>,
    /// A frame named an extent.
    pub(crate) entered: Signal,
}

impl Extents {
    /// Partitions that have a task.
    pub(crate) fn running(&self) -> usize {
        self.lines.borrow().len()
    }

    pub(crate) fn appends(&self) -> usize {
        self.appends.get()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// The partition has a task from now on.
    pub(crate) fn begin(&self, key: PartitionKey, line: VecDeque<PendingAppend>) {
        line.iter().for_each(|pending| self.count_in(pending));
        let before = self.lines.borrow_mut().insert(key, line);
        assert!(before.is_none(), "a partition has one task");
    }

    /// The partition's task ends; returns what is left in its line.
    pub(crate) fn end(&self, key: PartitionKey) -> VecDeque<PendingAppend> {
        let line = self.lines.borrow_mut().remove(&key).unwrap_or_default();
        line.iter().for_each(|pending| self.count_out(1, pending.records.len()));
        line
    }

    pub(crate) fn push(&self, pending: PendingAppend) {
        self.count_in(&pending);
        let key = pending.partition.borrow().key;
        self.lines.borrow_mut().entry(key).or_default().push_back(pending);
    }

    /// Of the appends in a partition's line.
    pub(crate) fn waiting_bytes(&self, key: PartitionKey) -> u64 {
        self.with_line(key, |line| line.iter().map(|pending| pending.records.len() as u64).sum())
    }

    /// Looks at a partition's line, or takes appends out of it; those stay counted until `left`.
    pub(crate) fn with_line<T>(
        &self,
        key: PartitionKey,
        look: impl FnOnce(&mut VecDeque<PendingAppend>) -> T,
    ) -> T {
        look(self.lines.borrow_mut().entry(key).or_default())
    }

    /// Appends that were taken out of a line are in the log, or refused.
    pub(crate) fn left(&self, extent: &Extent) {
        self.count_out(extent.taken.appends, extent.taken.bytes);
    }

    fn count_in(&self, pending: &PendingAppend) {
        self.appends.set(self.appends.get() + 1);
        self.bytes.set(self.bytes.get() + pending.records.len());
    }

    fn count_out(&self, appends: usize, bytes: usize) {
        self.appends.set(self.appends.get() - appends);
        self.bytes.set(self.bytes.get() - bytes);
    }
}

/// Appends of one partition whose bytes stand behind its log's end.
pub(crate) struct Extent {
    pub(crate) partition: PartitionRef,
    pub(crate) segment: Offset,
    pub(crate) range: ExtentRange,
    pub(crate) last_block: Option<Bytes>,
    /// The blocks are in the file and survive a power loss.
    pub(crate) is_hard: bool,
    pub(crate) appends: VecDeque<(PendingAppend, AppendFate)>,
    pub(crate) headers: Vec<u8>,
    pub(crate) base_offset: Offset,
    pub(crate) next_offset: Offset,
    pub(crate) taken: Taken,
    pub(crate) at: TimestampMs,
}

/// Where an extent lies in its segment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ExtentRange {
    /// The whole blocks that are written ahead of the frame, with those that stood in memory before.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Where the appends end; the block they end in goes with the others, padded where it is not whole.
    pub(crate) end: u64,
}

/// What was taken out of a partition's line: appends, those refused among them, and their bytes as they came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(crate) appends: usize,
    pub(crate) bytes: usize,
}

pub(crate) enum AppendFate {
    /// A batch with this header, at this place.
    Stands(BatchHeader, Position),
    Duplicate(AppendedBatch),
}

impl Extent {
    /// The most that it takes of a frame.
    pub(crate) fn sealed_bytes_max(&self) -> usize {
        match self.appends.front() {
            Some((_, AppendFate::Stands(header, _))) if !self.is_hard => APPEND_HEAD_BYTES + header.size(),
            _ => EXTENT_HEAD_BYTES + self.headers.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }
}
