//! Up to where a log is compacted, in the name of an empty file of its directory.
//! Losing it costs another pass.

use std::io;
use std::rc::Rc;

use millrace_core::base::ids::Offset;
use millrace_core::log::SegmentName;
use millrace_rt::{File, OpenOptions, fs};

use crate::directory::layout::{COMPACTED_TO_SUFFIX, compacted_to_file};
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::{TailFlusher, begin_writing};
use crate::partition::state::PartitionRef;

/// Notes in the directories of one shard's partitions.
pub(crate) struct CleanedNotes {
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) flusher: Rc<TailFlusher>,
}

impl CleanedNotes {
    /// Up to where the log was compacted, by this run or an earlier one.
    pub(crate) async fn cleaned_to(&self, partition: &PartitionRef) -> Offset {
        let known = partition.borrow().directory.compacted.to;
        if let Some(to) = known {
            return to;
        }
        let dir = self.files.partition_dir(partition);
        let entries = fs::read_dir(&dir).await.unwrap_or_default();
        let noted = |name: &str| SegmentName::parse_with_suffix(name, COMPACTED_TO_SUFFIX);
        let to = entries.iter().filter_map(|entry| noted(&entry.name)).map(|name| name.base).min();
        let to = to.unwrap_or(Offset::ZERO);
        partition.borrow_mut().directory.compacted.to = Some(to);
        to
    }

    pub(crate) async fn note(&self, partition: &PartitionRef, to: Offset) {
        let before = partition.borrow_mut().directory.compacted.to.replace(to).unwrap_or(Offset::ZERO);
        let first = partition.borrow().segments.first().map(|first| first.base);
        // As a write does: until it is done the directory is no other topic's.
        let Some(first) = first.filter(|first| begin_writing(partition, *first)) else { return };
        if !partition.borrow().is_removed()
            && let Err(error) = self.make(partition, before, to).await
        {
            tracing::warn!(%error, %to, "it could not be noted up to where a log is compacted");
        }
        self.flusher.end_writing(partition, first);
    }

    async fn make(&self, partition: &PartitionRef, before: Offset, to: Offset) -> io::Result<()> {
        let dir = self.files.partition_dir(partition);
        let path = compacted_to_file(&dir, to);
        if before == to {
            return Ok(());
        }
        match fs::rename(&compacted_to_file(&dir, before), &path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => return renamed,
        }
        let options = OpenOptions { create: true, write: true, ..OpenOptions::default() };
        File::open(&path, options).await.map(drop)
    }
}
