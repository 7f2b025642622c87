//! Segment files of one shard: opening, making, and learning again what lies where in them.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use millrace_core::base::ids::Offset;
use millrace_core::log::OffsetIndex;
use millrace_rt::{File, OpenOptions, fs};

use crate::api::FetchError;
use crate::layout::{Layout, index_file, segment_file};
use crate::partition::PartitionRef;
use crate::read::read_range;
use crate::segment::Stage;

/// How much of a segment is read at a time while its index is made anew.
const SCAN_BYTES: u64 = 1024 * 1024;

/// Whether the file system takes direct I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskMode {
    Direct,
    /// Through the kernel's page cache, outside the memory budget; logged at start.
    Buffered,
}

/// Opens the files of this shard's partitions; each stays open while its segment is known.
pub(crate) struct SegmentFiles {
    layout: Layout,
    mode: DiskMode,
}

impl SegmentFiles {
    pub(crate) fn new(layout: Layout, mode: DiskMode) -> SegmentFiles {
        SegmentFiles { layout, mode }
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
    ) -> Result<Rc<File>, FetchError> {
        if let Some(file) = open_file(partition, base) {
            return Ok(file);
        }
        self.open(partition, base, false).await.map_err(|error| {
            tracing::warn!(%error, %base, "a segment could not be opened");
            FetchError::Storage
        })
    }

    /// The file of a segment, made with its directory where there is none yet.
    pub(crate) async fn open_for_write(
        &self,
        partition: &PartitionRef,
        base: Offset,
    ) -> io::Result<Rc<File>> {
        if let Some(file) = open_file(partition, base) {
            return Ok(file);
        }
        let fresh = partition.borrow_mut().segment_mut(base).is_some_and(|segment| !segment.exists);
        if fresh && !partition.borrow().segments.iter().any(|segment| segment.exists) {
            self.make_directory(partition).await?;
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

    async fn open(&self, partition: &PartitionRef, base: Offset, create: bool) -> io::Result<Rc<File>> {
        let path = segment_file(&self.partition_dir(partition), base);
        let direct = self.mode == DiskMode::Direct;
        let options = OpenOptions { create, write: true, direct, ..OpenOptions::default() };
        let file = Rc::new(File::open(&path, options).await?);
        if create {
            file.truncate(0).await?;
        }
        let mut partition = partition.borrow_mut();
        let Some(segment) = partition.segment_mut(base) else { return Ok(file) };
        segment.exists = true;
        // Another task may have opened it meanwhile.
        Ok(Rc::clone(segment.file.get_or_insert(file)))
    }

    /// Makes sure that the index of the segment which holds `offset` knows all of its batches.
    ///
    /// What an earlier run wrote is indexed when first read: from its index file, or else by walking its batches.
    pub(crate) async fn prepare_index(
        &self,
        partition: &PartitionRef,
        offset: Offset,
    ) -> Result<(), FetchError> {
        loop {
            let Some((base, indexed, length)) = unindexed(partition, offset) else { return Ok(()) };
            if indexed == 0 && self.load_index(partition, base).await {
                continue;
            }
            self.index_more(partition, base, indexed, length).await?;
        }
    }

    async fn load_index(&self, partition: &PartitionRef, base: Offset) -> bool {
        let path = index_file(&self.partition_dir(partition), base);
        let Ok(bytes) = fs::read(&path).await else { return false };
        let Ok(index) = OffsetIndex::decode(&bytes) else {
            tracing::warn!(path = %path.display(), "an index is damaged and is made anew");
            return false;
        };
        let mut partition = partition.borrow_mut();
        let Some(segment) = partition.segment_mut(base) else { return false };
        let fits = index.base() == base && index.covered() <= segment.length() && index.covered() > 0;
        if fits && segment.index.covered() == 0 {
            segment.index = index;
        }
        fits
    }

    /// Walks the batches of `[indexed, indexed + SCAN_BYTES)`.
    async fn index_more(
        &self,
        partition: &PartitionRef,
        base: Offset,
        indexed: u64,
        length: u64,
    ) -> Result<(), FetchError> {
        let to = length.min(indexed + SCAN_BYTES);
        let pieces = read_range(self, partition, base, indexed, to).await?;
        let mut at = indexed;
        while at < to {
            let Some(batch) = pieces.batch_at(at)? else { break };
            if batch.end() > length {
                return Err(FetchError::Corrupt);
            }
            let mut partition = partition.borrow_mut();
            let segment = partition.segment_mut(base).ok_or(FetchError::OffsetOutOfRange)?;
            if segment.index.covered() == at {
                segment.index.note(&batch.header);
            }
            at = batch.end();
        }
        // Where not even one header fitted the log ends in the middle of one.
        if at == indexed { Err(FetchError::Corrupt) } else { Ok(()) }
    }

    /// Stores the index of a finished segment beside it. Losing it costs a walk, so nothing is synced.
    pub(crate) async fn store_index(&self, partition: &PartitionRef, base: Offset) {
        let path = index_file(&self.partition_dir(partition), base);
        let encoded = {
            let mut partition = partition.borrow_mut();
            match partition.segment_mut(base) {
                Some(segment) if segment.index.covered() == segment.length() => segment.index.encode(),
                _ => return,
            }
        };
        if let Err(error) = write_file(&path, encoded).await {
            tracing::warn!(%error, path = %path.display(), "an index was not stored; it will be made anew");
        }
    }
}

async fn write_file(path: &std::path::Path, bytes: Vec<u8>) -> io::Result<()> {
    let options = OpenOptions { create: true, write: true, ..OpenOptions::default() };
    let file = File::open(path, options).await?;
    let length = bytes.len() as u64;
    file.write_all_at(0, bytes.into(), millrace_rt::Sync::None).await?;
    file.truncate(length).await
}

fn open_file(partition: &PartitionRef, base: Offset) -> Option<Rc<File>> {
    partition.borrow_mut().segment_mut(base)?.file.clone()
}

/// The segment that holds `offset`, how far it is indexed and how long it is, if the index lacks something.
fn unindexed(partition: &PartitionRef, offset: Offset) -> Option<(Offset, u64, u64)> {
    let partition = partition.borrow();
    let segment = partition.segments.get(partition.segment_holding(offset)?)?;
    let known = segment.stage == Stage::Finished || segment.length() > 0;
    let (covered, length) = (segment.index.covered(), segment.length());
    (known && covered < length).then_some((segment.base, covered, length))
}
