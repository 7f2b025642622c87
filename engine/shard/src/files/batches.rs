//! Reads whole batches of a partition for a fetch: from memory, the read cache or the file,
//! checked as they are read.

use crate::files::read::{BatchPlace, CHECKED_A_TURN, Pieces, Reach, reach, read_range};

use bytes::Bytes;
use millrace_core::base::ids::Offset;
use millrace_core::base::limits::INDEX_INTERVAL_BYTES;
use millrace_core::base::measure::Counter;
use millrace_rt::{Block, File};

use crate::api::FetchError;
use crate::files::read_cache::PAGE_BYTES;
use crate::files::segment_files::SegmentFiles;
use crate::partition::state::PartitionRef;
use crate::partition::tail::{BLOCK_BYTES, block_floor};

/// What a read may bring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimit {
    pub(crate) max_bytes: u64,
    /// The first batch comes even if it is larger, alone.
    pub(crate) first_whole: bool,
}

/// Whole batches from the one that holds `offset` on, within the limit.
/// Empty where nothing visible lies at `offset`. A damaged batch ends them,
/// and is an error where it is the first.
pub(crate) async fn read_batches(
    files: &SegmentFiles,
    partition: &PartitionRef,
    offset: Offset,
    limit: ReadLimit,
) -> Result<Read, FetchError> {
    let mut at = offset;
    loop {
        let read = match read_at(files, partition, at, limit).await {
            // Where it lies now is learnt anew.
            Err(FetchError::Compacted) => continue,
            read => read?,
        };
        match read.nothing_up_to {
            // Clients that get nothing but batches without a record take their buffer for too small.
            Some(next) if next < partition.borrow().ends.high_watermark => at = next,
            _ => return Ok(read),
        }
    }
}

/// What one read has brought.
pub(crate) struct Read {
    pub(crate) pieces: Vec<Bytes>,
    /// Memory that they keep from being freed.
    pub(crate) held: u64,
    /// More of the segment is visible than the limit let in.
    pub(crate) is_cut: bool,
    /// None of its batches has a record: where they end.
    nothing_up_to: Option<Offset>,
}

async fn read_at(
    files: &SegmentFiles,
    partition: &PartitionRef,
    offset: Offset,
    limit: ReadLimit,
) -> Result<Read, FetchError> {
    match files.prepare_index(partition, offset).await {
        Err(FetchError::Corrupt) => {}
        prepared => prepared?,
    }
    let reach = reach(&partition.borrow(), offset);
    match reach {
        None => Ok(nothing()),
        Some(reach) => read_from(files, partition, reach, offset, limit).await,
    }
}

/// The same, where it is known where to look.
pub(crate) async fn read_reach(
    files: &SegmentFiles,
    partition: &PartitionRef,
    reach: Reach,
    offset: Offset,
    limit: ReadLimit,
) -> Result<Read, FetchError> {
    match read_from(files, partition, reach, offset, limit).await {
        Err(FetchError::Compacted) => read_batches(files, partition, offset, limit).await,
        read => read,
    }
}

async fn read_from(
    files: &SegmentFiles,
    partition: &PartitionRef,
    reach: Reach,
    offset: Offset,
    limit: ReadLimit,
) -> Result<Read, FetchError> {
    let ReadLimit { max_bytes, first_whole } = limit;
    let Some((first, mut pieces)) = find_batch(files, partition, &reach, offset, max_bytes).await? else {
        return Ok(nothing());
    };
    let alone = first.length() > max_bytes;
    if alone && !first_whole {
        return Ok(Read { is_cut: true, ..nothing() });
    }
    if first.end() > pieces.end() || first.position < pieces.start {
        let to = first.end().max(reach.limit.min(first.position + max_bytes));
        pieces = read_range(files, partition, reach.segment, first.position, to).await?;
    }
    let limit = if alone { first.end() } else { reach.limit.min(first.position + max_bytes) };
    let whole = last_whole_batch(&pieces, partition, &first, limit, &files.cache.summed_bytes).await?;
    let held = pieces.held_bytes(&partition.borrow(), reach.segment.base, first.position, whole.end);
    let nothing_up_to = (!whole.has_records).then_some(whole.next);
    let is_cut = whole.end < reach.limit;
    Ok(Read { pieces: pieces.cut(first.position, whole.end), held, is_cut, nothing_up_to })
}

/// The batch that holds `offset`, and what was read around it. None where nothing visible does.
async fn find_batch(
    files: &SegmentFiles,
    partition: &PartitionRef,
    reach: &Reach,
    offset: Offset,
    max_bytes: u64,
) -> Result<Option<(BatchPlace, Pieces)>, FetchError> {
    let mut to = reach.limit.min(reach.from + max_bytes + 2 * INDEX_INTERVAL_BYTES);
    let mut pieces = read_range(files, partition, reach.segment, reach.from, to).await?;
    let (mut place, mut due) = (reach.from, reach.due);
    while place < reach.limit {
        let batch = match pieces.batch_at(place)? {
            Some(batch) => batch,
            // The log ends within a batch.
            None if to >= reach.limit => return Err(FetchError::Corrupt),
            None => {
                to = reach.limit.min(place + PAGE_BYTES);
                pieces = read_range(files, partition, reach.segment, place, to).await?;
                continue;
            }
        };
        if batch.header.base_offset != due || batch.end() > reach.bound {
            tracing::error!(position = place, %due, found = %batch.header.base_offset, "a log is damaged");
            return Err(FetchError::Corrupt);
        }
        due = batch.header.next_offset();
        if due > offset {
            return Ok(Some((batch, pieces)));
        }
        place = batch.end();
    }
    // Offsets follow one another: only at the end of what was visible is one missing.
    if reach.is_last { Ok(None) } else { Err(FetchError::Corrupt) }
}

fn nothing() -> Read {
    Read { pieces: Vec::new(), held: 0, is_cut: false, nothing_up_to: None }
}

/// Whole batches that follow one another.
struct WholeBatches {
    end: u64,
    /// The offset behind them.
    next: Offset,
    has_records: bool,
}

/// Where the last batch ends that lies wholly below `limit` and in `pieces`, and before the first that is
/// damaged. Other tasks run in between.
async fn last_whole_batch(
    pieces: &Pieces,
    partition: &PartitionRef,
    first: &BatchPlace,
    limit: u64,
    summed: &Counter,
) -> Result<WholeBatches, FetchError> {
    let mut rested = summed.get();
    pieces.check(&partition.borrow(), first, first.header.base_offset, summed)?;
    let (mut end, mut due) = (first.end(), first.header.next_offset());
    let mut has_records = first.header.records_count > 0;
    let limit = limit.min(pieces.end());
    while end < limit {
        if summed.get() - rested >= CHECKED_A_TURN {
            millrace_rt::yield_now().await;
            rested = summed.get();
        }
        match pieces.batch_at(end) {
            Ok(Some(batch))
                if batch.end() <= limit && pieces.check(&partition.borrow(), &batch, due, summed).is_ok() =>
            {
                (end, due) = (batch.end(), batch.header.next_offset());
                has_records |= batch.header.records_count > 0;
            }
            _ => break,
        }
    }
    Ok(WholeBatches { end, next: due, has_records })
}

/// The partial last block of a file, so that appends can go on behind it.
pub(crate) async fn read_last_block(file: &File, length: u64) -> Result<Vec<u8>, FetchError> {
    let start = block_floor(length);
    let block = Block::with_capacity(BLOCK_BYTES as usize);
    let (read, block) = file.read_at(start, block, BLOCK_BYTES as usize).await;
    let wanted = (length - start) as usize;
    match read {
        Ok(read) if read >= wanted => Ok(block.as_slice()[..wanted].to_vec()),
        Ok(_) => Err(FetchError::Corrupt),
        Err(_) => Err(FetchError::Storage),
    }
}
