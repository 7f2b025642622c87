//! Watches the free space of the disks, so that appends are refused before the disk refuses what the journal holds.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millrace_core::journal::{SpaceMeasure, SpaceNeed, SpaceState};
use millrace_core::meta::MetadataRecord;
use millrace_rt::fs;

use crate::api::Planted;
use crate::flusher::RETRY_FULL;
use crate::shard::Core;

/// Between two measures while there is space; appends that use it up are measured sooner. Only what others write to the
/// disk goes unseen for so long.
const INTERVAL: Duration = Duration::from_secs(1);

impl Core {
    /// Whether an append of so many bytes will find its place on the disk.
    pub(crate) fn has_space_for(&self, bytes: usize) -> bool {
        let admitted = self.space.admit(bytes) || self.engine.planted == Some(Planted::IgnoresReserve);
        if !admitted {
            self.counters.appends_without_space.increment();
        }
        admitted
    }

    /// Whether the partitions that these changes make leave space for records.
    pub(crate) async fn has_space_for_partitions(&self, changes: &[MetadataRecord]) -> bool {
        let made = changes.iter().filter(|change| matches!(change, MetadataRecord::Partition { .. })).count();
        if made > 0 {
            // Creations that follow one another count what came before.
            self.measure_space().await;
        }
        self.space.guard.borrow().has_room_for(made as u64)
    }

    /// Measures now and then, and sooner where appends use the space up. Runs until the shard ends.
    pub(crate) async fn watch_space(self: Rc<Core>) {
        loop {
            let pause = if self.space.is_short() { RETRY_FULL } else { INTERVAL };
            if !self.space.guard.borrow().wants_measure() {
                millrace_rt::timeout(pause, self.space.look.wait()).await;
            }
            self.measure_space().await;
        }
    }

    pub(crate) async fn measure_space(&self) {
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
        self.announce(edge);
    }

    /// What this shard has to put on the disk, for those who measure.
    pub(crate) fn publish_need(&self) {
        let need = SpaceNeed {
            journal_bytes: self.commit.journal.borrow().geometry().journal_bytes() as u64,
            partitions: self.table.len() as u64,
            files_due: self.unreleased.files_due(),
            checkpoint_bytes: self.space.checkpoint_bytes.get(),
        };
        self.engine.space.publish(self.index.0, need);
    }

    async fn measured(&self) -> io::Result<SpaceMeasure> {
        let (layout, shared) = (self.files.layout(), &self.engine.space);
        let need = shared.data_need();
        let mut data = need.beside(fs::available_space(layout.data()).await?);
        for root in self.files.systems.roots().iter().skip(1) {
            let need = shared.data_need();
            data = data.tighter(need.beside(fs::available_space(root).await?));
        }
        if self.engine.settings.journal_dir.is_none() {
            return Ok(data);
        }
        let need = shared.journal_need();
        Ok(data.tighter(need.beside(fs::available_space(layout.journals()).await?)))
    }

    /// The disk took no more, and somebody waits for space.
    pub(crate) fn disk_is_full(&self) {
        let edge = self.space.guard.borrow_mut().handle_full_disk();
        self.announce(edge);
    }

    /// What the disk did not take is written, or is not wanted any more.
    pub(crate) fn disk_has_space(&self) {
        self.space.guard.borrow_mut().handle_space_found();
        self.space.look.notify_all();
    }

    /// One line for all shards: by the first that refuses appends, and by the last that takes them again.
    fn announce(&self, edge: Option<SpaceState>) {
        let short = &self.engine.space.short;
        let (free, reserve, free_inodes, reserve_inodes) = {
            let guard = self.space.guard.borrow();
            (guard.free_bytes(), guard.reserve_bytes(), guard.free_inodes(), guard.reserve_inodes())
        };
        match edge {
            Some(SpaceState::Short) if short.fetch_add(1, Ordering::Relaxed) == 0 => tracing::warn!(
                free,
                reserve,
                free_inodes,
                reserve_inodes,
                "the disk has too little space: records are refused, reads and deletions go on"
            ),
            Some(SpaceState::Ample) if short.fetch_sub(1, Ordering::Relaxed) == 1 => {
                tracing::info!(
                    free,
                    reserve,
                    free_inodes,
                    reserve_inodes,
                    "the disk has space again: records are taken"
                );
            }
            _ => {}
        }
    }
}
