//! Journal slots are zeroed before their first use.

use std::rc::Rc;

use millrace_rt::{Block, File, Sync};

use crate::commit::queue::Commit;
use crate::device::fatal::Fatal;

/// Zeros are written in pieces of this size, so that commits in between wait for one piece at most.
const ZERO_BYTES: usize = 1024 * 1024;

/// Prepares the slots of one shard's journal. Driven by one task, which ends.
pub(crate) struct SlotZeroing {
    pub(crate) commit: Rc<Commit>,
    pub(crate) fatal: Fatal,
}

impl SlotZeroing {
    /// Zeroes the slots behind the first ahead of their use:
    /// a durable write over written extents takes half the time.
    pub(crate) async fn run(self: Rc<Self>) {
        let geometry = *self.commit.journal.borrow().geometry();
        for slot in 1..geometry.slot_count() {
            if let Some(file) = self.commit.slot_file(slot)
                && let Err(error) = zero(file, geometry.slot_bytes()).await
            {
                self.fatal.end(format!("a journal slot could not be prepared: {error}")).await;
            }
            self.commit.slots_prepared(slot + 1);
        }
    }
}

pub(crate) async fn zero(file: &File, bytes: usize) -> std::io::Result<()> {
    let mut block = Block::with_capacity(ZERO_BYTES);
    block.as_mut_slice().fill(0);
    let zeros = block.freeze();
    let mut at = 0;
    while at < bytes {
        let length = zeros.len().min(bytes - at);
        file.write_all_at(at as u64, zeros.slice(..length), Sync::None).await?;
        at += length;
    }
    file.sync_data().await
}
