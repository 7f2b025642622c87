//! Partitions that the journal is still needed for, or that are to be given files: what a cleaning and a
//! measure of the free space look at, of however many the shard has.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use millrace_core::base::ids::PartitionKey;

use crate::partition::segment::{Segment, Stage};
use crate::partition::state::{Partition, PartitionRef};

/// Every partition of the shard with bytes, an end of a segment or a file that may not survive a power loss
/// without the journal, or with a file to be made; some others may be among them.
#[derive(Default)]
pub(crate) struct Unreleased {
    partitions: RefCell<BTreeMap<PartitionKey, PartitionRef>>,
}

impl Unreleased {
    /// The partition was appended to, rolled or written.
    pub(crate) fn note(&self, shared: &PartitionRef, partition: &mut Partition) {
        if !std::mem::replace(&mut partition.lines.unreleased, true) {
            self.partitions.borrow_mut().insert(partition.key, Rc::clone(shared));
        }
    }

    /// In the order of their keys, so that a seed replays.
    pub(crate) fn all(&self) -> Vec<PartitionRef> {
        self.partitions.borrow().values().cloned().collect()
    }

    /// Files that their rolled segments are given yet: on a slow disk many stand in memory only.
    pub(crate) fn files_due(&self) -> u64 {
        self.partitions.borrow().values().map(|shared| shared.borrow().files_due()).sum()
    }

    /// Forgets those that need the journal no more and have all their files. An index is made behind the
    /// checkpoint that calls its segment hard; until then an inode of the reserve is its.
    pub(crate) fn forget_released(&self) {
        self.partitions.borrow_mut().retain(|_, shared| {
            let mut partition = shared.borrow_mut();
            let stays = !partition.is_removed() && (partition.needs_journal() || partition.files_due() > 0);
            partition.lines.unreleased = stays;
            stays
        });
    }
}

impl Partition {
    fn files_due(&self) -> u64 {
        let due = |segment: &Segment| match segment.stage {
            Stage::Active => 0,
            Stage::Rolled if !segment.has_file() => 2,
            // Its index, which waits for a checkpoint that calls the segment hard.
            // Those of an earlier run have theirs.
            Stage::Rolled | Stage::Finished => {
                u64::from(segment.index_stored == 0 && segment.file.inherited == 0)
            }
        };
        self.segments.iter().map(due).sum()
    }

    fn needs_journal(&self) -> bool {
        let in_file_only = |segment: &Segment| segment.in_file() > segment.file.released;
        !self.marks.is_empty()
            || self.segments.iter().any(|segment| match segment.stage {
                Stage::Active => in_file_only(segment),
                Stage::Rolled => true,
                Stage::Finished => in_file_only(segment) || !segment.is_exact(),
            })
    }
}
