//! Segment files of one shard: opening, making, and learning again what lies where in them.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::ids::Offset;
use millrace_core::base::measure::Counter;
use millrace_rt::{File, OpenOptions, fs};

use crate::api::FetchError;
use crate::cache::ReadCache;
use crate::indexes::LoadedIndexes;
use crate::layout::{Layout, segment_file};
use crate::open_files::{FileSlot, OpenFile, OpenFiles};
use crate::partition::PartitionRef;

/// Whether the file system takes direct I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskMode {
    Direct,
    /// Through the kernel's page cache, outside the memory budget; logged at start.
    Buffered,
}

/// `EMFILE` and `ENFILE`: the process, or the machine, has as many files open as it may.
const NO_DESCRIPTOR: [Option<i32>; 2] = [Some(24), Some(23)];
/// Until it is tried again.
const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

/// Opens the files of this shard's partitions; those in use stay open, and of the others as many as are allowed.
pub(crate) struct SegmentFiles {
    layout: Layout,
    mode: DiskMode,
    pub(crate) open_files: OpenFiles,
    pub(crate) cache: ReadCache,
    pub(crate) reads: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) indexes: LoadedIndexes,
}

impl SegmentFiles {
    pub(crate) fn new(
        layout: Layout,
        mode: DiskMode,
        open_files: OpenFiles,
        cache: ReadCache,
    ) -> SegmentFiles {
        let (reads, read_bytes) = (Counter::default(), Counter::default());
        SegmentFiles { layout, mode, open_files, cache, reads, read_bytes, indexes: LoadedIndexes::default() }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn partition_dir(&self, partition: &PartitionRef) -> PathBuf {
        let partition = partition.borrow();
        self.layout.partition(&partition.topic, partition.key.partition)
    }

    /// The file of a segment that an earlier write or an earlier run made.
    pub(crate) async fn open_for_read(
        &self,
        partition: &PartitionRef,
        base: Offset,
    ) -> Result<Rc<OpenFile>, FetchError> {
        if let Some(file) = open_file(partition, base) {
            return Ok(file);
        }
        let opened = self.open(partition, base, false).await;
        if partition.borrow().removed {
            // What was opened may belong to a new topic of the same name.
            return Err(FetchError::UnknownPartition);
        }
        opened.map_err(|error| {
            if partition.borrow_mut().segment_mut(base).is_none() {
                // Retention was faster.
                return FetchError::OffsetOutOfRange;
            }
            tracing::warn!(%error, %base, "a segment could not be opened");
            FetchError::Storage
        })
    }

    /// The file of a segment, made with its directory where there is none yet.
    pub(crate) async fn open_for_write(
        &self,
        partition: &PartitionRef,
        base: Offset,
    ) -> io::Result<Rc<OpenFile>> {
        if let Some(file) = open_file(partition, base) {
            return Ok(file);
        }
        let fresh = partition.borrow_mut().segment_mut(base).is_some_and(|segment| !segment.exists);
        if fresh && !partition.borrow().has_directory {
            self.make_directory(partition).await?;
            partition.borrow_mut().has_directory = true;
        }
        self.open(partition, base, fresh).await
    }

    /// A directory of the same name can only be left over from a deleted topic.
    async fn make_directory(&self, partition: &PartitionRef) -> io::Result<()> {
        let dir = self.partition_dir(partition);
        if fs::exists(&dir).await {
            fs::remove_dir_all(&dir).await?;
        }
        fs::create_dir_all(&dir).await
    }

    async fn open(&self, partition: &PartitionRef, base: Offset, create: bool) -> io::Result<Rc<OpenFile>> {
        let path = segment_file(&self.partition_dir(partition), base);
        let direct = self.mode == DiskMode::Direct;
        let options = OpenOptions { create, write: true, direct, ..OpenOptions::default() };
        let file = self.open_with_patience(&path, options).await?;
        if create {
            file.truncate(0).await?;
        }
        let mut partition = partition.borrow_mut();
        let Some(segment) = partition.segment_mut(base) else {
            // Deleted meanwhile: its last user closes it.
            return Ok(self.open_files.put(&mut FileSlot::default(), file));
        };
        segment.exists = true;
        Ok(self.open_files.put(&mut segment.file, file))
    }

    /// Opens a file; where the process has no descriptor left, once one is free.
    async fn open_with_patience(&self, path: &Path, options: OpenOptions) -> io::Result<File> {
        loop {
            match File::open(path, options).await {
                Err(error) if NO_DESCRIPTOR.contains(&error.raw_os_error()) => {
                    self.open_files.waits.increment();
                    if !self.open_files.evict_one() {
                        tracing::warn!(%error, "a segment waits for a descriptor; raise LimitNOFILE");
                        millrace_rt::sleep(DESCRIPTOR_PAUSE).await;
                    }
                }
                opened => return opened,
            }
        }
    }
}

fn open_file(partition: &PartitionRef, base: Offset) -> Option<Rc<OpenFile>> {
    partition.borrow_mut().segment_mut(base)?.file.get()
}
