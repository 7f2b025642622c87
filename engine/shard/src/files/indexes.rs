//! Which index files lag behind their segments, and how much memory the indexes of finished segments may
//! keep.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use millrace_core::base::ids::Offset;

use crate::partition::segment::{Segment, Stage};
use crate::partition::state::{Partition, PartitionRef};

/// Of a segment that grew by less than this a clean stop stores nothing:
/// a walk costs less than many small files.
pub(crate) const STORE_AT_STOP_BYTES: u64 = 1024 * 1024;
/// Memory of a shard's indexes of finished segments: those of 64 GiB of log.
/// Others are read again when asked for.
const LOADED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An index whose file is to be written.
pub(crate) struct DueIndex {
    pub(crate) partition: PartitionRef,
    pub(crate) base: Offset,
    /// A durable checkpoint calls the segment hard up to here,
    /// so that no crash can leave an index of lost batches.
    pub(crate) hard: u64,
    /// Bytes behind those that the file tells of.
    pub(crate) grown: u64,
    pub(crate) finished: bool,
}

/// Indexes of finished segments in memory, in the order in which they came there.
#[derive(Default)]
pub(crate) struct LoadedIndexes {
    bytes: Cell<usize>,
    oldest: RefCell<VecDeque<LoadedIndex>>,
}

struct LoadedIndex {
    partition: Weak<RefCell<Partition>>,
    base: Offset,
    bytes: usize,
}

impl LoadedIndexes {
    /// Counts the whole index of a finished segment, and lets go of others while there are too many.
    pub(crate) fn keep(&self, partition: &PartitionRef, base: Offset) {
        let bytes = {
            let mut partition = partition.borrow_mut();
            match partition.segment_mut(base) {
                Some(segment) if segment.stage == Stage::Finished => segment.index.memory_bytes(),
                _ => return,
            }
        };
        self.bytes.set(self.bytes.get() + bytes);
        self.oldest.borrow_mut().push_back(LoadedIndex { partition: Rc::downgrade(partition), base, bytes });
        while self.bytes.get() > LOADED_BYTES_MAX {
            let Some(oldest) = self.oldest.borrow_mut().pop_front() else { return };
            self.bytes.set(self.bytes.get() - oldest.bytes);
            if let Some(partition) = oldest.partition.upgrade() {
                let_go_of_index(&mut partition.borrow_mut(), oldest.base);
            }
        }
    }
}

/// The indexes of a partition whose files tell of less than what is hard now.
pub(crate) fn due_indexes(partition: &PartitionRef) -> Vec<DueIndex> {
    let shared = partition;
    let partition = shared.borrow();
    let lags = |segment: &&Segment| {
        let finished = segment.stage == Stage::Finished && segment.is_exact();
        let grown = segment.file.released.saturating_sub(segment.index_stored);
        segment.has_file()
            && !partition.is_going(segment.base)
            && grown >= if finished { 1 } else { STORE_AT_STOP_BYTES }
    };
    let due = |segment: &Segment| DueIndex {
        partition: Rc::clone(shared),
        base: segment.base,
        hard: segment.file.released,
        grown: segment.file.released - segment.index_stored,
        finished: segment.stage == Stage::Finished && segment.is_exact(),
    };
    partition.segments.iter().filter(lags).map(due).collect()
}

/// Leaves what an earlier run wrote to be learnt when it is asked for.
pub(crate) fn leave_indexes(partition: &mut Partition) {
    let ends: Vec<Offset> = partition
        .segments
        .iter()
        .skip(1)
        .map(|next| next.base)
        .chain([partition.ends.log_end_offset])
        .collect();
    for (segment, end) in partition.segments.iter_mut().zip(ends) {
        segment.forget_index(end);
    }
}

fn let_go_of_index(partition: &mut Partition, base: Offset) {
    let next = partition.segments.partition_point(|segment| segment.base <= base);
    let end = partition.segments.get(next).map_or(partition.ends.log_end_offset, |next| next.base);
    if let Some(segment) = partition.segment_mut(base)
        && segment.index_stored == segment.length()
        && segment.stage == Stage::Finished
    {
        segment.forget_index(end);
    }
}
