//! Watches the free space of the disks, so that appends are refused before the disk refuses what the journal
//! holds.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::ids::ShardIndex;
use millrace_core::journal::{SpaceMeasure, SpaceNeed};
use millrace_core::meta::MetadataRecord;
use millrace_rt::fs;

use crate::device::space::RETRY_FULL;
use crate::device::space::Space;
use crate::files::segment_files::SegmentFiles;
use crate::partition::table::Table;
use crate::partition::unreleased::Unreleased;

/// Between two measures while there is space; appends that use it up are measured sooner. Only what others
/// write to the disk goes unseen for so long.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lives on one shard; driven by one task.
pub(crate) struct SpaceWatch {
    pub(crate) index: ShardIndex,
    pub(crate) space: Rc<Space>,
    pub(crate) table: Rc<Table>,
    pub(crate) unreleased: Rc<Unreleased>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) journal_bytes: u64,
    /// `millrace.journal.dir` is set.
    pub(crate) has_journal_disk: bool,
}

impl SpaceWatch {
    /// Whether the partitions that these changes make leave space for records.
    pub(crate) async fn has_room_for_partitions(&self, changes: &[MetadataRecord]) -> bool {
        let made = changes.iter().filter(|change| matches!(change, MetadataRecord::Partition { .. })).count();
        if made > 0 {
            // Creations that follow one another count what came before.
            self.measure().await;
        }
        self.space.guard.borrow().has_room_for(made as u64)
    }

    /// Measures now and then, and sooner where appends use the space up. Runs until the shard ends.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            let pause = if self.space.is_short() { RETRY_FULL } else { INTERVAL };
            if !self.space.guard.borrow().wants_measure() {
                millrace_rt::timeout(pause, self.space.look.wait()).await;
            }
            self.measure().await;
        }
    }

    pub(crate) async fn measure(&self) {
        self.publish_need();
        let edge = match self.measured().await {
            Ok(measure) => {
                self.space.unknown.set(false);
                self.space.guard.borrow_mut().handle_measure(measure)
            }
            Err(error) => {
                if !self.space.unknown.replace(true) {
                    tracing::warn!(%error, "the free space of the disk cannot be told: records are taken until it is full");
                }
                self.space.guard.borrow_mut().handle_unknown()
            }
        };
        self.space.announce(edge);
    }

    /// What this shard has to put on the disk, for those who measure.
    pub(crate) fn publish_need(&self) {
        let need = SpaceNeed {
            journal_bytes: self.journal_bytes,
            partitions: self.table.len() as u64,
            files_due: self.unreleased.files_due(),
            checkpoint_bytes: self.space.checkpoint_bytes.get(),
        };
        self.space.shared.publish(self.index.0, need);
    }

    async fn measured(&self) -> io::Result<SpaceMeasure> {
        let (layout, shared) = (self.files.layout(), &self.space.shared);
        let need = shared.data_need();
        let mut data = need.beside(fs::available_space(layout.data()).await?);
        for root in self.files.systems.roots().iter().skip(1) {
            let need = shared.data_need();
            data = data.tighter(need.beside(fs::available_space(root).await?));
        }
        if !self.has_journal_disk {
            return Ok(data);
        }
        let need = shared.journal_need();
        Ok(data.tighter(need.beside(fs::available_space(layout.journals()).await?)))
    }
}
