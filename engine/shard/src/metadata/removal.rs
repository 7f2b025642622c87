//! Takes a deleted topic's partitions off its shard, and their directories out of the way.

use std::path::Path;
use std::rc::Rc;

use millrace_core::base::ids::{PartitionKey, TopicId};
use millrace_core::meta::MetadataImage;
use millrace_rt::fs;

use crate::api::Planted;
use crate::device::fatal::Fatal;
use crate::device::open_files::FileSlot;
use crate::device::planted::PlantedFault;
use crate::files::deleting::FileDeletion;
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::TailFlusher;
use crate::partition::state::PartitionRef;
use crate::partition::table::Table;

/// Removes partitions of one shard.
pub(crate) struct TopicRemoval {
    pub(crate) table: Rc<Table>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) deletion: Rc<FileDeletion>,
    pub(crate) planted: PlantedFault,
    pub(crate) fatal: Fatal,
}

impl TopicRemoval {
    pub(crate) async fn remove_topic(&self, before: &MetadataImage, id: TopicId) {
        let Some(topic) = before.topic_by_id(id) else { return };
        let removed: Vec<PartitionRef> = topic.keys().filter_map(|key| self.table.remove(key)).collect();
        for partition in &removed {
            let mut partition = partition.borrow_mut();
            partition.remove();
            partition.delayed_fetches.fire_all();
            let freed = partition.segments.iter_mut().map(|segment| segment.tail.release_all()).sum();
            self.flusher.tails_shrank(freed);
        }
        let mut is_aside = false;
        for partition in removed {
            // A write under way may just be making the directory or a file; it knows them by the topic's
            // name, which is about to be free for another. No other begins.
            while partition.borrow().segments.iter().any(|segment| segment.file.writing) {
                self.flusher.queue.wrote.wait().await;
            }
            // Lists of partitions may know this one for long; its files, and their space,
            // are not to wait for that.
            partition
                .borrow_mut()
                .segments
                .iter_mut()
                .for_each(|segment| segment.file.slot = FileSlot::default());
            let (key, dir) = (partition.borrow().key, self.files.partition_dir(&partition));
            // Where nobody knows, the renaming finds out.
            let may_exist = async || fs::exists(&dir).await.unwrap_or(true);
            if partition.borrow().segments.iter().any(|segment| segment.has_file()) || may_exist().await {
                self.put_aside(&dir, key).await;
                is_aside = true;
            }
        }
        // What is found under the name of a partition was written for it, after a power loss too.
        if is_aside && let Err(error) = fs::sync_dir(&self.files.layout().topics()).await {
            self.fatal.end(format!("a sync of the directory of topics failed: {error}")).await;
        }
    }

    /// Renames a removed partition's directory at once and removes it in the background.
    async fn put_aside(&self, dir: &Path, key: PartitionKey) {
        if self.planted.is(Planted::KeepsDeletedFiles) {
            return;
        }
        let aside = self.files.layout().put_aside(key);
        if let Err(error) = fs::rename(dir, &aside).await {
            tracing::warn!(path = %dir.display(), %error, "a deleted topic's directory could not be put aside");
            return;
        }
        let deletion = Rc::clone(&self.deletion);
        millrace_rt::spawn(async move {
            if let Err(error) = deletion.delete_directory(&aside).await {
                tracing::warn!(path = %aside.display(), %error, "a deleted topic's files are still there");
            }
        });
    }
}
