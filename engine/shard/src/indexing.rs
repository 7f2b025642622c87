//! Indexes of segments that an earlier run wrote: read from their files, or made anew by walking the batches.

use std::io;

use millrace_core::base::ids::Offset;
use millrace_core::log::OffsetIndex;
use millrace_rt::{File, OpenOptions, fs};

use crate::api::FetchError;
use crate::files::SegmentFiles;
use crate::layout::index_file;
use crate::partition::PartitionRef;
use crate::read::read_range;
use crate::segment::Stage;

/// How much of a segment is read at a time while its index is made anew.
const SCAN_BYTES: u64 = 1024 * 1024;

impl SegmentFiles {
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

/// The segment that holds `offset`, how far it is indexed and how long it is, if the index lacks something.
fn unindexed(partition: &PartitionRef, offset: Offset) -> Option<(Offset, u64, u64)> {
    let partition = partition.borrow();
    let segment = partition.segments.get(partition.segment_holding(offset)?)?;
    let known = segment.stage == Stage::Finished || segment.length() > 0;
    let (covered, length) = (segment.index.covered(), segment.length());
    (known && covered < length).then_some((segment.base, covered, length))
}
