//! The partial last block of a log, which stands in its file only:
//! it is read back before more can be appended.

use std::rc::Rc;

use millrace_core::base::ids::Offset;

use crate::commit::queue::Commit;
use crate::files::batches::read_last_block;
use crate::files::segment_files::SegmentFiles;
use crate::partition::segment::Stage;
use crate::partition::state::{Partition, PartitionRef};
use crate::partition::tail::block_floor;
use crate::partition::tail_memory::TailMemory;

/// Reads last blocks back, for the partitions of one shard.
pub(crate) struct LastBlocks {
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) tails: Rc<TailMemory>,
    pub(crate) commit: Rc<Commit>,
}

impl LastBlocks {
    /// Reads a closed segment's partial last block into memory, so that appends can go on behind it.
    pub(crate) async fn read_back(&self, shared: &PartitionRef, base: Offset) -> Result<(), String> {
        let file = self.files.open_for_read(shared, base).await.map_err(|error| error.to_string())?;
        let length = shared.borrow_mut().segment_mut(base).map_or(0, |segment| segment.length());
        let block = read_last_block(&file, length).await.map_err(|error| error.to_string())?;
        {
            let mut partition = shared.borrow_mut();
            // One that was rolled and finished meanwhile takes no appends.
            let segment = partition.segment_mut(base).filter(|segment| segment.stage != Stage::Finished);
            let Some(segment) = segment else { return Ok(()) };
            let start = block_floor(length);
            segment.tail.restart_at(start);
            segment.tail.append(&block, self.tails.growth());
            segment.file.written = start;
            segment.file.padded = length;
            self.tails.grew(segment.tail.memory_bytes());
            segment.check();
        }
        self.tails.note_written(shared, base, length);
        Ok(())
    }

    /// Reads back what a partition needs to take appends, unless it has it or that is under way.
    pub(crate) fn resume(self: &Rc<Self>, shared: &PartitionRef, partition: &mut Partition) {
        if !partition.begin_resuming() {
            return;
        }
        let (blocks, partition) = (Rc::clone(self), Rc::clone(shared));
        millrace_rt::spawn(async move {
            let base = partition.borrow().active().base;
            let read = blocks.read_back(&partition, base).await;
            if let Err(error) = &read {
                let key = partition.borrow().key;
                tracing::error!(%key, %error, "the end of a log cannot be read; its appends are refused");
            }
            partition.borrow_mut().resumed(&read);
            blocks.commit.unblock();
        });
    }
}
