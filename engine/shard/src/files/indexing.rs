//! Learns what lies where in bytes that an earlier run wrote: from the index file,
//! and by walking the batches behind it.

use millrace_core::base::ids::Offset;
use millrace_core::log::batch::RECORD_BATCH_OVERHEAD;
use millrace_core::log::{Noted, OffsetIndex, StoredSum, Summed};
use millrace_rt::fs;

use crate::api::FetchError;
use crate::directory::layout::index_file;
use crate::files::read::{BatchPlace, CHECKED_A_TURN, read_range};
use crate::files::segment_files::SegmentFiles;
use crate::partition::state::{PartitionRef, SegmentAt};

/// How much of a segment is read at a time while its index is made anew.
const SCAN_BYTES: u64 = 1024 * 1024;

/// What is missing between the index file and what this run appended.
enum Missing {
    /// All of it; the file was not read yet.
    Everything,
    /// Bytes `[from, to)`.
    Between(u64, u64),
}

impl SegmentFiles {
    /// Makes sure that the index of the segment which holds `offset` can tell where it lies.
    ///
    /// What an earlier run wrote is learnt when first asked for.
    /// What this run appended is known without that.
    pub(crate) async fn prepare_index(
        &self,
        partition: &PartitionRef,
        offset: Offset,
    ) -> Result<(), FetchError> {
        let unknown = {
            let partition = partition.borrow();
            let place = partition.segment_holding(offset);
            let segment = place.and_then(|place| partition.segments.get(place));
            segment.filter(|segment| !segment.index.knows(offset)).map(|segment| segment.base)
        };
        match unknown {
            Some(base) => self.learn_index(partition, base).await,
            None => Ok(()),
        }
    }

    /// Makes sure that the index of a segment knows all of its batches.
    /// Several tasks may learn the same one at a time.
    ///
    /// Dropping the future leaves what was learnt so far.
    pub(crate) async fn learn_index(&self, partition: &PartitionRef, base: Offset) -> Result<(), FetchError> {
        while let Some(missing) = self.missing(partition, base) {
            match missing {
                Missing::Everything => self.load_index(partition, base).await,
                Missing::Between(from, to) => {
                    let at = partition.borrow().segment_at(base);
                    let walked = self.index_more(partition, at, from, to).await;
                    if walked == Err(FetchError::Compacted) {
                        continue;
                    }
                    if matches!(walked, Err(FetchError::Corrupt)) && forget_file(partition, base) {
                        tracing::warn!(%base, "an index does not fit its segment and is made anew");
                        continue;
                    }
                    walked?;
                }
            }
        }
        Ok(())
    }

    /// What the index of a segment lacks; joins it to what lies before once that is whole.
    fn missing(&self, partition: &PartitionRef, base: Offset) -> Option<Missing> {
        let shared = partition;
        let mut partition = shared.borrow_mut();
        let segment = partition.segment_mut(base)?;
        let begins = segment.index.begins();
        if begins == 0 {
            return None;
        }
        let Some(older) = &mut segment.older else { return Some(Missing::Everything) };
        if older.covered() < begins {
            return Some(Missing::Between(older.covered(), begins));
        }
        older.join(&segment.index);
        if let Some(whole) = segment.older.take() {
            segment.index = whole;
        }
        drop(partition);
        self.indexes.keep(shared, base);
        None
    }

    /// Takes from the index file what it knows; nothing of one that is missing, damaged, or not of this log.
    async fn load_index(&self, partition: &PartitionRef, base: Offset) {
        let path = index_file(&self.partition_dir(partition), base);
        let at = partition.borrow().segment_at(base);
        let found = match fs::read(&path).await {
            Ok(bytes) => {
                self.read_bytes.add(bytes.len() as u64);
                let decoded = OffsetIndex::decode(&bytes);
                if decoded.is_err() {
                    tracing::warn!(path = %path.display(), "an index is damaged and is made anew");
                }
                decoded.ok()
            }
            Err(_) => None,
        };
        let found = match found {
            Some(index) if self.fits(partition, at, &index).await => index,
            _ => OffsetIndex::new(base),
        };
        let mut partition = partition.borrow_mut();
        if partition.check_segment(at).is_ok()
            && let Some(segment) = partition.segment_mut(base)
            && segment.index.begins() > 0
            && segment.older.is_none()
        {
            segment.index_stored = found.covered();
            segment.older = Some(found);
        }
    }

    /// Whether an index is of this segment: the last batch that it names stands where it says, and it ends
    /// with the offset with which the segment goes on.
    async fn fits(&self, partition: &PartitionRef, at: SegmentAt, index: &OffsetIndex) -> bool {
        let base = at.base;
        let (begins, first) = {
            let mut partition = partition.borrow_mut();
            let Some(segment) = partition.segment_mut(base) else { return false };
            (segment.index.begins(), segment.index.first_offset())
        };
        let Some(last) = index.entries().last() else { return false };
        let meets = index.covered() < begins || index.next_offset().is_none_or(|next| next == first);
        if index.base() != base || index.covered() > begins || !meets {
            return false;
        }
        let from = u64::from(last.position);
        let to = index.covered().min(from + RECORD_BATCH_OVERHEAD as u64);
        let Ok(pieces) = read_range(self, partition, at, from, to).await else { return false };
        let there = pieces.batch_at(from).ok().flatten();
        let offset = base.plus(i64::from(last.relative_offset));
        let fits = there.is_some_and(|batch| batch.header.base_offset == offset);
        if !fits {
            tracing::warn!(%base, "an index does not fit its segment and is made anew");
        }
        fits
    }

    /// Walks the batches of `[indexed, indexed + SCAN_BYTES)`, not beyond `end`. Other tasks run in between.
    ///
    /// What they hold is summed: where an offset or a time lies is believed of no header that may have
    /// changed.
    async fn index_more(
        &self,
        partition: &PartitionRef,
        segment: SegmentAt,
        indexed: u64,
        end: u64,
    ) -> Result<(), FetchError> {
        let to = end.min(indexed + SCAN_BYTES);
        let pieces = read_range(self, partition, segment, indexed, to).await?;
        let (mut at, mut rested) = (indexed, indexed);
        while at < to {
            let Some(batch) = pieces.batch_at(at)? else { break };
            if batch.end() > end {
                return Err(FetchError::Corrupt);
            }
            let sum = if batch.end() <= to {
                pieces.sum(&batch)
            } else {
                self.sum(partition, segment, &batch).await?
            };
            self.note(partition, segment, &batch, sum)?;
            at = batch.end();
            if at - rested >= CHECKED_A_TURN {
                rested = at;
                millrace_rt::yield_now().await;
            }
        }
        // Where not even one header fitted the log ends in the middle of one.
        if at == indexed { Err(FetchError::Corrupt) } else { Ok(()) }
    }

    /// The checksum of a batch that is larger than what is read at a time.
    async fn sum(
        &self,
        partition: &PartitionRef,
        segment: SegmentAt,
        batch: &BatchPlace,
    ) -> Result<StoredSum, FetchError> {
        let (mut sum, mut at) = (StoredSum::new(), batch.position);
        while at < batch.end() {
            let to = batch.end().min(at + CHECKED_A_TURN);
            let pieces = read_range(self, partition, segment, at, to).await?;
            pieces.cut(at, to).iter().for_each(|piece| sum.add(piece));
            at = to;
            millrace_rt::yield_now().await;
        }
        Ok(sum)
    }

    /// Tells the index of a batch, unless another task did.
    fn note(
        &self,
        partition: &PartitionRef,
        at: SegmentAt,
        batch: &BatchPlace,
        sum: StoredSum,
    ) -> Result<(), FetchError> {
        let mut partition = partition.borrow_mut();
        partition.check_segment(at)?;
        let base = at.base;
        let key = partition.key;
        let segment = partition.segment_mut(base).ok_or(FetchError::OffsetOutOfRange)?;
        let Some(older) = segment.older.as_mut().filter(|older| older.covered() == batch.position) else {
            return Ok(());
        };
        let summed = if sum.check(&batch.header).is_ok() { Summed::Fits } else { Summed::Differs };
        match older.note_stored(&batch.header, summed) {
            Some(Noted::Whole) => {}
            Some(Noted::Damaged) => {
                tracing::error!(%key, %base, position = batch.position, "a log holds a damaged batch");
            }
            None => return Err(FetchError::Corrupt),
        }
        Ok(())
    }
}

/// Begins anew without the index file; false where nothing came from it.
fn forget_file(partition: &PartitionRef, base: Offset) -> bool {
    let mut partition = partition.borrow_mut();
    let Some(segment) = partition.segment_mut(base) else { return false };
    let came_from_file = segment.index_stored > 0;
    segment.index_stored = 0;
    segment.older = Some(OffsetIndex::new(base));
    came_from_file
}
