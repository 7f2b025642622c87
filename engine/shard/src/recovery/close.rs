//! A clean stop: everything goes to segment files, which end where their logs end,
//! and the journal holds nothing.

use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::ids::ShardIndex;
use millrace_rt::fs;

use crate::checkpoint::cleaning::SlotCleaner;
use crate::commit::queue::Commit;
use crate::compaction::state::Compaction;
use crate::directory::manifest::{Manifest, Stopped};
use crate::files::deleting::FileDeletion;
use crate::metadata::changes::MetadataChanges;
use crate::metadata::first_files::FirstFiles;
use crate::recovery::engine::Inner;
use crate::recovery::rings::remove_own_rings;
use crate::retention::retaining::Retention;

/// Stops one shard's part of the engine.
pub(crate) struct Closing {
    pub(crate) shard: ShardIndex,
    pub(crate) commit: Rc<Commit>,
    pub(crate) first_files: Rc<FirstFiles>,
    pub(crate) compaction: Rc<Compaction>,
    pub(crate) retention: Rc<Retention>,
    pub(crate) cleaner: Rc<SlotCleaner>,
    pub(crate) deletion: Rc<FileDeletion>,
    pub(crate) metadata: Rc<MetadataChanges>,
    pub(crate) engine: Arc<Inner>,
}

impl Closing {
    /// Every shard closes, each on its own core. The caller admits no appends any more. Returns once all
    /// shards are done and the data directory says so.
    pub(crate) async fn close(&self) {
        self.first_files.stop().await;
        self.compaction.stop().await;
        self.retention.stop().await;
        self.commit.until_idle().await;
        self.cleaner.stop().await;
        self.commit.until_idle().await;
        self.cleaner.finish().await;
        self.deletion.finish().await;
        if let Some(log) = &self.metadata.log {
            self.metadata.vouch_for_last_change(log).await;
        }
        self.engine.closed.arrive().await;
        if self.shard.0 == 0 {
            self.leave_manifest().await;
        }
    }

    async fn leave_manifest(&self) {
        let path = self.engine.layout.manifest();
        let left = async {
            let text = String::from_utf8_lossy(&fs::read(&path).await?).into_owned();
            let manifest = Manifest::decode(&text).map_err(std::io::Error::other)?;
            let metadata_index =
                self.metadata.log.as_ref().map_or(manifest.metadata_index, |metadata| metadata.index());
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
