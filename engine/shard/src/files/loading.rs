//! Loaders: the tasks that read pages of segment files for the shard's readers.

use std::rc::Rc;

use bytes::Bytes;
use millrace_rt::Block;

use crate::api::FetchError;
use crate::device::disk_classes::DiskClasses;
use crate::files::read_cache::Load;
use crate::files::segment_files::SegmentFiles;
use crate::partition::tail::block_ceil;

/// Reads pages that the cache wants. Lives on one shard; driven by `LOADERS` tasks.
pub(crate) struct PageLoader {
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) classes: Rc<DiskClasses>,
}

impl PageLoader {
    /// Reads the pages that readers ask for, in the order of their asking. Runs until the shard ends.
    pub(crate) async fn run(self: Rc<Self>) {
        let cache = &self.files.cache;
        loop {
            match cache.next_load() {
                None => cache.work.wait().await,
                Some(load) => {
                    let (start, end) = load.range();
                    let turn = self.classes.turn(end - start).await;
                    let outcome = read_page(&load).await;
                    drop(turn);
                    self.files.reads.increment();
                    self.files.read_bytes.add(outcome.as_ref().map_or(0, |bytes| bytes.len() as u64));
                    cache.loaded(&load, outcome);
                }
            }
        }
    }
}

async fn read_page(load: &Load) -> Result<Bytes, FetchError> {
    let (start, end) = load.range();
    let wanted = (block_ceil(end) - start) as usize;
    let block = Block::with_capacity(wanted);
    let (read, block) = load.source.file.read_at(start, block, wanted).await;
    let read = read.map_err(|error| {
        tracing::warn!(%error, start, "a segment could not be read");
        FetchError::Storage
    })?;
    let bytes = (end - start) as usize;
    // A shorter file holds less than the log says.
    if read < bytes { Err(FetchError::Corrupt) } else { Ok(block.freeze().slice(..bytes)) }
}
