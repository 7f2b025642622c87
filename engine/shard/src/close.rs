//! A clean stop: everything goes to segment files, which end where their logs end, and the journal holds nothing.

use std::rc::Rc;

use millrace_rt::fs;

use crate::flush::Amount;
use crate::manifest::{Manifest, Stopped};
use crate::partition::PartitionRef;
use crate::rings::remove_own_rings;
use crate::shard::{Core, Shard};

impl Shard {
    /// Stops this shard's part of the engine; every shard closes, each on its own core. The caller admits no appends
    /// any more. Returns once all shards are done and the data directory says so.
    pub async fn close(&self) {
        let core = self.core();
        core.first_files.stop().await;
        core.compaction.stop().await;
        core.retention.stop().await;
        core.commit.until_idle().await;
        core.cleaning.stop().await;
        core.commit.until_idle().await;
        for partition in core.table.all().iter() {
            core.finish(partition).await;
        }
        let sealed = core.commit.sealed_sequence();
        core.note_log_starts().await;
        core.release_written().await;
        core.write_checkpoint(sealed.next()).await;
        core.store_indexes().await;
        core.delete_doomed().await;
        if let Some(metadata) = &core.metadata {
            core.vouch_for_last_change(metadata).await;
        }
        core.engine.closed.arrive().await;
        if core.index.0 == 0 {
            core.leave_manifest().await;
        }
    }
}

impl Core {
    /// Writes all that a partition holds in memory only, and cuts its last file.
    async fn finish(self: &Rc<Core>, partition: &PartitionRef) {
        let bases: Vec<_> = {
            let partition = partition.borrow();
            let open = partition.segments.iter().filter(|segment| segment.written < segment.length());
            open.map(|segment| segment.base).collect()
        };
        for base in bases {
            self.flush_segment(partition, base, Amount::Everything).await;
        }
    }

    async fn leave_manifest(&self) {
        let path = self.engine.layout.manifest();
        let left = async {
            let text = String::from_utf8_lossy(&fs::read(&path).await?).into_owned();
            let manifest = Manifest::decode(&text).map_err(std::io::Error::other)?;
            let metadata_index =
                self.metadata.as_ref().map_or(manifest.metadata_index, |metadata| metadata.index());
            let stopped = Manifest { stopped: Stopped::Clean, metadata_index, ..manifest };
            fs::replace(&path, stopped.encode().into_bytes()).await?;
            remove_own_rings(&self.engine.layout, &stopped).await;
            std::io::Result::Ok(())
        };
        if let Err(error) = left.await {
            tracing::warn!(%error, path = %path.display(), "the clean stop could not be noted; the next start replays");
        }
    }
}
