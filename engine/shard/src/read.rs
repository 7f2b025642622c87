//! Reads whole batches of one partition, from memory where the tail has them, else from the segment's file.

use std::ops::Range;

use bytes::Bytes;
use millrace_core::base::ids::Offset;
use millrace_core::base::limits::INDEX_INTERVAL_BYTES;
use millrace_core::log::batch::RECORD_BATCH_OVERHEAD;
use millrace_core::log::{BatchHeader, check_stored};
use millrace_rt::{Block, File};

use crate::api::FetchError;
use crate::cache::{PAGE_BYTES, Source};
use crate::files::SegmentFiles;
use crate::partition::{Partition, PartitionRef};
use crate::tail::{BLOCK_BYTES, block_ceil, block_floor};

/// Bytes that are summed before other tasks run: 0.02 ms, since they come from cold memory.
const CHECKED_A_TURN: u64 = 128 * 1024;

/// Bytes `[start, start + length)` of one segment in shared pieces.
pub(crate) struct Pieces {
    start: u64,
    length: u64,
    pieces: Vec<Bytes>,
    /// From here on they are what this run appended, and never left memory.
    own_from: u64,
}

/// A batch and its place in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchPlace {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
}

impl BatchPlace {
    pub(crate) fn length(&self) -> u64 {
        self.header.size() as u64
    }

    pub(crate) fn end(&self) -> u64 {
        self.position + self.length()
    }
}

impl Pieces {
    fn new(start: u64, pieces: Vec<Bytes>, own_from: u64) -> Pieces {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Pieces { start, length, pieces, own_from }
    }

    pub(crate) fn end(&self) -> u64 {
        self.start + self.length
    }

    /// The slices that hold `[from, to)`, which lies inside.
    pub(crate) fn cut(&self, from: u64, to: u64) -> Vec<Bytes> {
        let mut cut = Vec::with_capacity(self.pieces.len());
        cut.extend(self.parts(from, to).map(|(piece, range)| piece.slice(range)));
        cut
    }

    fn parts(&self, from: u64, to: u64) -> impl Iterator<Item = (&Bytes, Range<usize>)> {
        let mut at = self.start;
        self.pieces.iter().filter_map(move |piece| {
            let (begin, end) = (at, at + piece.len() as u64);
            at = end;
            let (first, last) = (from.max(begin), to.min(end));
            (first < last).then(|| (piece, (first - begin) as usize..(last - begin) as usize))
        })
    }

    /// Whether a batch that lies inside is the one at which `due` begins. What was written to a file and read again may
    /// have changed there; what this run appended was checked when it came.
    fn check(&self, partition: &Partition, batch: &BatchPlace, due: Offset) -> Result<(), FetchError> {
        let header = &batch.header;
        if batch.position >= self.own_from && header.base_offset == due {
            return Ok(());
        }
        let parts = self.parts(batch.position, batch.end());
        let bytes = parts.map(|(piece, range)| piece.get(range).unwrap_or_default());
        let epoch = partition.epochs.epoch_at(due).map(|epoch| epoch.0);
        check_stored(header, bytes, due, epoch).map_err(|fault| {
            tracing::error!(key = %partition.key, offset = %due, position = batch.position, %fault, "a log is damaged");
            FetchError::Corrupt
        })
    }

    /// The batch that begins at `position`; none where its header is not inside.
    pub(crate) fn batch_at(&self, position: u64) -> Result<Option<BatchPlace>, FetchError> {
        let mut bytes = [0u8; RECORD_BATCH_OVERHEAD];
        if position + RECORD_BATCH_OVERHEAD as u64 > self.end() {
            return Ok(None);
        }
        let (mut filled, mut at) = (0, self.start);
        for piece in &self.pieces {
            let skip = (position + filled as u64 - at).min(piece.len() as u64) as usize;
            let take = (piece.len() - skip).min(RECORD_BATCH_OVERHEAD - filled);
            bytes[filled..filled + take].copy_from_slice(&piece[skip..skip + take]);
            filled += take;
            at += piece.len() as u64;
            if filled == RECORD_BATCH_OVERHEAD {
                break;
            }
        }
        let header = BatchHeader::parse(&bytes).map_err(|fault| {
            tracing::error!(position, %fault, "a log holds bytes that are no batch");
            FetchError::Corrupt
        })?;
        Ok(Some(BatchPlace { position, header }))
    }
}

/// Part of one segment that a read may touch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) segment: Offset,
    /// At or before the batch that is looked for.
    pub(crate) from: u64,
    /// The offset that begins there.
    pub(crate) due: Offset,
    /// Readers see what lies below.
    pub(crate) limit: u64,
    /// What is visible ended in this segment. By the time it is read a roll may have made it one of many.
    pub(crate) is_last: bool,
}

impl Partition {
    /// Where to look for the batch that holds `offset`; none where nothing visible lies there.
    pub(crate) fn reach(&self, offset: Offset) -> Option<Reach> {
        let place = self.segment_holding(offset)?;
        let segment = self.segments.get(place)?;
        let limit = if segment.base < self.visible.segment {
            segment.length()
        } else if segment.base == self.visible.segment {
            self.visible.position
        } else {
            0
        };
        // Where a damage kept it from being known whole, what lies before that is read all the same.
        let older = segment.older.as_ref().filter(|_| !segment.index.knows(offset));
        let (due, from) = older.unwrap_or(&segment.index).lookup_batch(offset);
        let is_last = segment.base == self.visible.segment;
        (from.0 < limit).then_some(Reach { segment: segment.base, from: from.0, due, limit, is_last })
    }
}

/// Bytes `[from, to)` of a segment, where all of them are in memory.
pub(crate) fn in_memory(partition: &Partition, segment: Offset, from: u64, to: u64) -> Option<Pieces> {
    let place = partition.segments.binary_search_by_key(&segment, |segment| segment.base).ok()?;
    let segment = partition.segments.get(place)?;
    if segment.tail.start() > from || segment.tail.end() < to || segment.tail.start() == segment.tail.end() {
        return None;
    }
    Some(Pieces::new(from, segment.tail.view(from, to), segment.inherited))
}

/// Bytes `[from, to)` of a segment, read from its file as far as they are no longer in memory.
///
/// Dropping the future leaves nothing behind but a read that the kernel finishes.
pub(crate) async fn read_range(
    files: &SegmentFiles,
    partition: &PartitionRef,
    segment: Offset,
    from: u64,
    to: u64,
) -> Result<Pieces, FetchError> {
    if let Some(pieces) = in_memory(&partition.borrow(), segment, from, to) {
        return Ok(pieces);
    }
    let file = files.open_for_read(partition, segment).await?;
    // What the tail still holds at this moment is not read: the file may not have it yet.
    let (held, own_from, in_file, rest) = {
        let mut partition = partition.borrow_mut();
        let segment = partition.segment_mut(segment).ok_or(FetchError::OffsetOutOfRange)?;
        let held = segment.tail.start();
        let split = held.clamp(from, to);
        let rest = if split < to { segment.tail.view(split, to) } else { Vec::new() };
        (held, held.max(segment.inherited), split, rest)
    };
    let key = partition.borrow().key;
    let source = Source { partition: key, segment, file, in_file: held };
    files.cache.prepare(&source, from, in_file);
    let mut pieces = Vec::new();
    let mut at = from;
    while at < in_file {
        let bytes = files.cache.read(&source, at, in_file).await?;
        at += bytes.len() as u64;
        pieces.push(bytes);
    }
    pieces.extend(rest);
    Ok(Pieces::new(from, pieces, own_from))
}

/// Whole batches from the one that holds `offset` on, at most `max_bytes` of them, or that one alone where
/// `first_whole` and it is larger; and the memory that they keep from being freed. Empty where nothing visible lies at
/// `offset`. A damaged batch ends them, and is an error where it is the first.
pub(crate) async fn read_batches(
    files: &SegmentFiles,
    partition: &PartitionRef,
    offset: Offset,
    max_bytes: u64,
    first_whole: bool,
) -> Result<(Vec<Bytes>, u64), FetchError> {
    match files.prepare_index(partition, offset).await {
        Err(FetchError::Corrupt) => {}
        prepared => prepared?,
    }
    let Some(reach) = partition.borrow().reach(offset) else { return Ok(nothing()) };
    let Some((first, mut pieces)) = find_batch(files, partition, &reach, offset, max_bytes).await? else {
        return Ok(nothing());
    };
    let alone = first.length() > max_bytes;
    if alone && !first_whole {
        return Ok(nothing());
    }
    if first.end() > pieces.end() || first.position < pieces.start {
        let to = first.end().max(reach.limit.min(first.position + max_bytes));
        pieces = read_range(files, partition, reach.segment, first.position, to).await?;
    }
    let limit = if alone { first.end() } else { reach.limit.min(first.position + max_bytes) };
    let end = last_whole_batch(&pieces, partition, &first, limit).await?;
    let held = held_bytes(&partition.borrow(), reach.segment, first.position, end);
    Ok((pieces.cut(first.position, end), held))
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
        if batch.header.base_offset != due || batch.end() > reach.limit {
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

fn nothing() -> (Vec<Bytes>, u64) {
    (Vec::new(), 0)
}

/// Memory that slices of `[from, to)` keep from being freed: chunks of the tail, and pages of the read cache before it.
fn held_bytes(partition: &Partition, segment: Offset, from: u64, to: u64) -> u64 {
    let Ok(place) = partition.segments.binary_search_by_key(&segment, |segment| segment.base) else {
        return to - from;
    };
    let Some(segment) = partition.segments.get(place) else { return to - from };
    let split = segment.tail.start().clamp(from, to);
    let last_page_end = split.next_multiple_of(PAGE_BYTES).min(block_ceil(segment.length()));
    let pages = if from < split { last_page_end - (from - from % PAGE_BYTES) } else { 0 };
    pages + segment.tail.memory_behind(split, to) as u64
}

/// Where the last batch ends that lies wholly below `limit` and in `pieces`, and before the first that is damaged. Other
/// tasks run in between.
async fn last_whole_batch(
    pieces: &Pieces,
    partition: &PartitionRef,
    first: &BatchPlace,
    limit: u64,
) -> Result<u64, FetchError> {
    pieces.check(&partition.borrow(), first, first.header.base_offset)?;
    let (mut end, mut due) = (first.end(), first.header.next_offset());
    let limit = limit.min(pieces.end());
    let mut rested = first.position;
    while end < limit {
        if end < pieces.own_from && end - rested >= CHECKED_A_TURN {
            rested = end;
            millrace_rt::yield_now().await;
        }
        match pieces.batch_at(end) {
            Ok(Some(batch))
                if batch.end() <= limit && pieces.check(&partition.borrow(), &batch, due).is_ok() =>
            {
                (end, due) = (batch.end(), batch.header.next_offset());
            }
            _ => break,
        }
    }
    Ok(end)
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
