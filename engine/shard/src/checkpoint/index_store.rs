//! Writes index files behind checkpoints.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;

use millrace_core::base::ids::{Offset, Position};
use millrace_rt::{File, OpenOptions, fs};

use crate::directory::layout::{index_file, unfinished_index_file};
use crate::files::indexes::{DueIndex, STORE_AT_STOP_BYTES};
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::{TailFlusher, begin_writing};
use crate::partition::state::Partition;

/// An active segment's index is stored again when its segment has grown by so much: that is what a lookup
/// after a crash walks at most, besides what the journal held. At 1 GiB each time costs 256 KiB,
/// 1.6 % of what is appended on average.
const STORE_EVERY_BYTES: u64 = 8 * 1024 * 1024;

/// Whether the shard goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    GoesOn,
    Stops,
}

/// Index files of one shard that are to be written.
pub(crate) struct IndexStore {
    /// Those whose files lag behind what the newest checkpoint calls hard.
    pub(crate) due: RefCell<Vec<DueIndex>>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) flusher: Rc<TailFlusher>,
}

impl IndexStore {
    /// Writes the index files that lag behind the newest checkpoint. Losing one costs a walk,
    /// so nothing is synced.
    pub(crate) async fn store(&self, run: Run) {
        for due in self.due.take() {
            if due.finished
                || due.grown >= STORE_EVERY_BYTES
                || (run == Run::Stops && due.grown >= STORE_AT_STOP_BYTES)
            {
                self.store_index(&due).await;
            }
        }
    }

    async fn store_index(&self, due: &DueIndex) {
        let DueIndex { partition, base, hard, .. } = due;
        if self.files.learn_index(partition, *base).await.is_err() {
            return;
        }
        // Like a write to the segment: neither retention nor the deletion of its topic takes the file away
        // meanwhile.
        while !begin_writing(partition, *base) {
            self.flusher.queue.wrote.wait().await;
        }
        let encoded = encode_index(&mut partition.borrow_mut(), *base, *hard);
        if let Some((covered, encoded)) = encoded {
            let dir = self.files.partition_dir(partition);
            let (aside, path) = (unfinished_index_file(&dir, *base), index_file(&dir, *base));
            match write_file(&aside, &path, encoded).await {
                Ok(()) => {
                    if let Some(segment) = partition.borrow_mut().segment_mut(*base) {
                        segment.index_stored = covered;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "an index was not stored; it will be made anew");
                }
            }
        }
        self.flusher.end_writing(partition, *base);
        if due.finished {
            self.files.indexes.keep(partition, *base);
        }
    }
}

/// The index file of a segment with `hard` hard bytes, and the bytes that it tells of.
fn encode_index(partition: &mut Partition, base: Offset, hard: u64) -> Option<(u64, Vec<u8>)> {
    if partition.is_removed() || partition.is_going(base) {
        return None;
    }
    let segment = partition.segment_mut(base)?;
    if segment.index.begins() > 0 {
        return None;
    }
    let mut index = segment.index.clone();
    index.truncate(Position(hard));
    (index.covered() > segment.index_stored).then(|| (index.covered(), index.encode()))
}

/// A crash leaves the file whole, before or after.
async fn write_file(aside: &Path, path: &Path, bytes: Vec<u8>) -> io::Result<()> {
    let options = OpenOptions { create: true, write: true, ..OpenOptions::default() };
    let file = File::open(aside, options).await?;
    let length = bytes.len() as u64;
    file.write_all_at(0, bytes.into(), millrace_rt::Sync::None).await?;
    file.truncate(length).await?;
    drop(file);
    fs::rename(aside, path).await
}
