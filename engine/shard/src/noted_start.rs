//! Where a log begins, in the name of an empty file of its directory: for a start that has no checkpoint, and no frame that
//! moved the log's start any more.
//!
//! It is made, or takes its next name, before the sync behind which the frame is needed no more. Until then the frame says
//! the same.

use std::io;
use std::path::{Path, PathBuf};

use millrace_core::base::ids::{Offset, PartitionKey};
use millrace_core::log::SegmentName;
use millrace_rt::{File, OpenOptions, fs};

use crate::flush::begin_writing;
use crate::layout::{LOG_START_SUFFIX, log_start_file};
use crate::partition::{Partition, PartitionRef, SealedStart};
use crate::shard::Core;

impl Core {
    /// Notes the starts that logs have now, where they moved; the next sync of the file system hardens that. What fails,
    /// on a full disk too, is tried again by the next cleaning.
    pub(crate) async fn note_log_starts(&self) {
        let (mut logs, mut last) = (0, None);
        for partition in self.table.all().iter() {
            if let Err(error) = self.note_log_start(partition).await {
                (logs, last) = (logs + 1, Some((partition.borrow().key, error)));
            }
        }
        if let Some((key, error)) = last {
            tracing::warn!(logs, %key, %error, "starts of logs could not be noted in their directories");
        }
    }

    async fn note_log_start(&self, partition: &PartitionRef) -> io::Result<()> {
        while partition.borrow().has_start_to_note() {
            let sealed = partition.borrow().sealed_start;
            // What is noted must not outlive the records below.
            self.commit.until_hard(sealed.frame).await;
            if partition.borrow().removed || partition.borrow().sealed_start != sealed {
                continue;
            }
            // As a write does: until it is done the directory is no other topic's.
            if !begin_writing(partition, sealed.first_segment) {
                self.flusher.wrote.wait().await;
                continue;
            }
            let made = self.make_note(partition, sealed).await;
            self.end_writing(partition, sealed.first_segment);
            made?;
            partition.borrow_mut().noted_start = sealed.offset;
            self.cleaning.unsynced.note();
        }
        Ok(())
    }

    /// A clean stop left every start noted.
    pub(crate) fn trust_noted_start(&self, key: PartitionKey) {
        if let Some(partition) = self.table.get(key) {
            let mut partition = partition.borrow_mut();
            partition.noted_start = partition.log_start;
        }
    }

    async fn make_note(&self, partition: &PartitionRef, sealed: SealedStart) -> io::Result<()> {
        self.files.prepare_directory(partition, sealed.first_segment).await?;
        let dir = self.files.partition_dir(partition);
        let path = log_start_file(&dir, sealed.offset);
        let before = partition.borrow().noted_start;
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

impl Partition {
    fn has_start_to_note(&self) -> bool {
        !self.removed && self.sealed_start.offset > self.noted_start
    }

    /// A name that a start found; it answers which file goes: the lower of two, and one behind where the log begins. That was
    /// made by a start that did not succeed, of what only the ring still held; the log goes on below it.
    pub(crate) fn found_noted_start(&mut self, dir: &Path, found: Offset) -> Option<PathBuf> {
        if found > self.log_start {
            return Some(log_start_file(dir, found));
        }
        let goes = found.min(self.noted_start);
        self.noted_start = found.max(self.noted_start);
        (goes > Offset::ZERO && goes < self.noted_start).then(|| log_start_file(dir, goes))
    }
}

/// The start that a file's name notes.
pub(crate) fn noted_start(file_name: &str) -> Option<Offset> {
    SegmentName::parse_with_suffix(file_name, LOG_START_SUFFIX).map(|name| name.base)
}
