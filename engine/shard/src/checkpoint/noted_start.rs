//! Where a log begins, in the name of an empty file of its directory: for a start that has no checkpoint, and
//! no frame that moved the log's start any more.
//!
//! It is made, or takes its next name, before the sync behind which the frame is needed no more.
//! Until then the frame says the same.

use std::io;
use std::rc::Rc;

use millrace_core::base::ids::{Offset, PartitionKey};
use millrace_core::log::SegmentName;
use millrace_rt::{File, OpenOptions, fs};

use crate::commit::queue::Commit;
use crate::directory::file_systems::Unsynced;
use crate::directory::layout::{LOG_START_SUFFIX, log_start_file};
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::{TailFlusher, begin_writing};
use crate::partition::state::{PartitionRef, SealedStart};
use crate::partition::table::Table;

/// Keeps notes of starts in the directories of one shard's partitions.
pub(crate) struct StartNotes {
    pub(crate) table: Rc<Table>,
    pub(crate) commit: Rc<Commit>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) unsynced: Rc<Unsynced>,
}

impl StartNotes {
    /// Notes the starts that logs have now, where they moved; the next sync of the file system hardens that.
    /// What fails, on a full disk too, is tried again by the next cleaning.
    pub(crate) async fn note_all(&self) {
        let (mut logs, mut last) = (0, None);
        for partition in self.table.all().iter() {
            if let Err(error) = self.note(partition).await {
                (logs, last) = (logs + 1, Some((partition.borrow().key, error)));
            }
        }
        if let Some((key, error)) = last {
            tracing::warn!(logs, %key, %error, "starts of logs could not be noted in their directories");
        }
    }

    async fn note(&self, partition: &PartitionRef) -> io::Result<()> {
        while partition.borrow().has_start_to_note() {
            let sealed = partition.borrow().ends.sealed_start;
            // What is noted must not outlive the records below.
            self.commit.until_hard(sealed.frame).await;
            if partition.borrow().is_removed() || partition.borrow().ends.sealed_start != sealed {
                continue;
            }
            // As a write does: until it is done the directory is no other topic's.
            if !begin_writing(partition, sealed.first_segment) {
                self.flusher.queue.wrote.wait().await;
                continue;
            }
            let made = self.make_note(partition, sealed).await;
            self.flusher.end_writing(partition, sealed.first_segment);
            made?;
            partition.borrow_mut().directory.noted_start = sealed.offset;
            self.unsynced.note();
        }
        Ok(())
    }

    /// A clean stop left every start noted.
    pub(crate) fn trust(&self, key: PartitionKey) {
        if let Some(partition) = self.table.get(key) {
            let mut partition = partition.borrow_mut();
            partition.directory.noted_start = partition.ends.log_start_offset;
        }
    }

    async fn make_note(&self, partition: &PartitionRef, sealed: SealedStart) -> io::Result<()> {
        self.files.prepare_directory(partition, sealed.first_segment).await?;
        let dir = self.files.partition_dir(partition);
        let path = log_start_file(&dir, sealed.offset);
        let before = partition.borrow().directory.noted_start;
        if before > Offset::ZERO {
            match fs::rename(&log_start_file(&dir, before), &path).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => return renamed,
            }
        }
        let options = OpenOptions { create: true, write: true, ..OpenOptions::default() };
        File::open(&path, options).await.map(drop)
    }
}

/// The start that a file's name notes.
pub(crate) fn noted_start(file_name: &str) -> Option<Offset> {
    SegmentName::parse_with_suffix(file_name, LOG_START_SUFFIX).map(|name| name.base)
}
