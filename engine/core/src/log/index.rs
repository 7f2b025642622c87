//! The sparse index of a segment: from an offset or a time to a position from which to scan.

use crate::base::limits::{INDEX_INTERVAL_BYTES, SEGMENT_BYTES_MAX};
use crate::base::{Corrupt, Offset, Position, TimestampMs};
use crate::log::batch::BatchHeader;

/// One entry: a batch begins at `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// The batch's base offset less the segment's.
    pub relative_offset: u32,
    pub position: u32,
    /// Largest timestamp of all batches before this one.
    pub max_timestamp_before: TimestampMs,
}

/// The batch with the largest timestamp; the earliest such batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    pub timestamp: TimestampMs,
    pub base_offset: Offset,
    pub position: Position,
}

/// The index of one segment, active or sealed. It holds an entry per `INDEX_INTERVAL_BYTES` of log, so it grows by 16
/// bytes a 64 KiB. Offsets and positions rise strictly. Lives on the shard that owns the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetIndex {
    base: Offset,
    entries: Vec<IndexEntry>,
    /// Bytes of log that the index covers.
    covered: u64,
    peak: Option<Peak>,
}

impl OffsetIndex {
    /// The index of an empty segment.
    pub fn new(base: Offset) -> OffsetIndex {
        OffsetIndex { base, entries: Vec::new(), covered: 0, peak: None }
    }

    /// Notes the batch that begins where the covered bytes end. `header` holds its final offsets and timestamps.
    pub fn note(&mut self, header: &BatchHeader) {
        let position = self.covered;
        let relative = header.base_offset.0.saturating_sub(self.base.0);
        assert!((0..=i64::from(i32::MAX)).contains(&relative), "a batch lies within its segment's offsets");
        assert!(position <= SEGMENT_BYTES_MAX, "a batch begins within its segment's bytes");
        let last = self.entries.last().map_or(0, |entry| u64::from(entry.position));
        if position - last >= INDEX_INTERVAL_BYTES {
            let max_timestamp_before = self.max_timestamp();
            let (relative_offset, position) = (relative as u32, position as u32);
            self.entries.push(IndexEntry { relative_offset, position, max_timestamp_before });
        }
        if header.max_timestamp > self.max_timestamp() {
            let (timestamp, base_offset) = (header.max_timestamp, header.base_offset);
            self.peak = Some(Peak { timestamp, base_offset, position: Position(position) });
        }
        self.covered += header.size() as u64;
    }

    /// Cuts the index to `end` bytes of log, which is the end of a batch, and returns the position from which the
    /// batches up to there must be noted again: what lies after the last kept entry is no longer known.
    pub fn truncate(&mut self, end: Position) -> Position {
        if end.0 >= self.covered {
            return Position(self.covered);
        }
        self.entries.retain(|entry| u64::from(entry.position) < end.0);
        let Some(last) = self.entries.pop() else {
            (self.covered, self.peak) = (0, None);
            return Position::ZERO;
        };
        self.covered = u64::from(last.position);
        if self.peak.is_some_and(|peak| peak.position.0 >= self.covered) {
            self.peak = None;
            self.entries.clear();
            self.covered = 0;
        }
        Position(self.covered)
    }

    pub fn base(&self) -> Offset {
        self.base
    }

    /// Bytes of log that the index covers: the segment's size if it is current.
    pub fn covered(&self) -> u64 {
        self.covered
    }

    /// Largest timestamp of the segment, `NONE` if it has none.
    pub fn max_timestamp(&self) -> TimestampMs {
        self.peak.map_or(TimestampMs::NONE, |peak| peak.timestamp)
    }

    pub fn peak(&self) -> Option<Peak> {
        self.peak
    }

    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Where to begin to look for `offset`: the start of a batch at or before the one that holds it.
    pub fn lookup(&self, offset: Offset) -> Position {
        let relative = offset.0.saturating_sub(self.base.0);
        let count = self.entries.partition_point(|entry| i64::from(entry.relative_offset) <= relative);
        self.position_of(count)
    }

    /// Where to begin to look for the first record of time `timestamp` or later: all batches before are earlier.
    /// `None` if the whole segment is.
    pub fn lookup_time(&self, timestamp: TimestampMs) -> Option<Position> {
        if self.max_timestamp() < timestamp {
            return None;
        }
        let count = self.entries.partition_point(|entry| entry.max_timestamp_before < timestamp);
        Some(self.position_of(count))
    }

    fn position_of(&self, count: usize) -> Position {
        let entry = count.checked_sub(1).and_then(|place| self.entries.get(place));
        entry.map_or(Position::ZERO, |entry| Position(u64::from(entry.position)))
    }

    /// The index's file: head, peak, entries, checksum; little endian.
    pub fn encode(&self) -> Vec<u8> {
        let peak = self.peak.unwrap_or(NO_PEAK);
        let mut out = Vec::with_capacity(HEAD_BYTES + self.entries.len() * ENTRY_BYTES + CHECKSUM_BYTES);
        out.extend_from_slice(&INDEX_MAGIC);
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.base.0.to_le_bytes());
        out.extend_from_slice(&self.covered.to_le_bytes());
        out.extend_from_slice(&peak.timestamp.0.to_le_bytes());
        out.extend_from_slice(&peak.base_offset.0.to_le_bytes());
        out.extend_from_slice(&peak.position.0.to_le_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&entry.relative_offset.to_le_bytes());
            out.extend_from_slice(&entry.position.to_le_bytes());
            out.extend_from_slice(&entry.max_timestamp_before.0.to_le_bytes());
        }
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Reads what `encode` wrote; anything else is corrupt and the index is rebuilt from its segment.
    pub fn decode(bytes: &[u8]) -> Result<OffsetIndex, Corrupt> {
        let corrupt = |at, reason| Corrupt::new("offset index", at as u64, reason);
        let (body, checksum) =
            bytes.split_last_chunk().ok_or(corrupt(bytes.len(), "too short for its checksum"))?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
            return Err(corrupt(body.len(), "checksum does not match"));
        }
        let mut rest = body;
        let too_short = corrupt(body.len(), "too short for its head");
        if take::<8>(&mut rest) != Some(INDEX_MAGIC) {
            return Err(corrupt(0, "not an offset index of this version"));
        }
        let count = u32::from_le_bytes(take(&mut rest).ok_or(too_short)?) as usize;
        let base = Offset(i64::from_le_bytes(take(&mut rest).ok_or(too_short)?));
        let covered = u64::from_le_bytes(take(&mut rest).ok_or(too_short)?);
        let timestamp = TimestampMs(i64::from_le_bytes(take(&mut rest).ok_or(too_short)?));
        let base_offset = Offset(i64::from_le_bytes(take(&mut rest).ok_or(too_short)?));
        let position = Position(u64::from_le_bytes(take(&mut rest).ok_or(too_short)?));
        if rest.len() != count.saturating_mul(ENTRY_BYTES) {
            return Err(corrupt(HEAD_BYTES, "entries do not fill the file"));
        }
        let entries = take_entries(rest, covered)?;
        let peak = Peak { timestamp, base_offset, position };
        let peak = (peak != NO_PEAK).then_some(peak);
        if peak.is_some_and(|peak| peak.position.0 >= covered || peak.base_offset < base) {
            return Err(corrupt(HEAD_BYTES, "largest timestamp lies outside of the segment"));
        }
        Ok(OffsetIndex { base, entries, covered, peak })
    }
}

/// The file's first bytes: name and version of the format.
const INDEX_MAGIC: [u8; 8] = *b"MRINDEX1";
const HEAD_BYTES: usize = 8 + 4 + 8 + 8 + 24;
const ENTRY_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;
/// How the file says that no batch has a timestamp.
const NO_PEAK: Peak =
    Peak { timestamp: TimestampMs::NONE, base_offset: Offset::NONE, position: Position(u64::MAX) };

fn take_entries(mut rest: &[u8], covered: u64) -> Result<Vec<IndexEntry>, Corrupt> {
    let mut entries: Vec<IndexEntry> = Vec::with_capacity(rest.len() / ENTRY_BYTES);
    while let Some(raw) = take::<ENTRY_BYTES>(&mut rest) {
        let raw = u128::from_le_bytes(raw);
        let entry = IndexEntry {
            relative_offset: raw as u32,
            position: (raw >> 32) as u32,
            max_timestamp_before: TimestampMs((raw >> 64) as i64),
        };
        let rises = entries.last().is_none_or(|last| {
            last.relative_offset < entry.relative_offset
                && last.position < entry.position
                && last.max_timestamp_before <= entry.max_timestamp_before
        });
        if !rises || u64::from(entry.position) >= covered {
            let at = (HEAD_BYTES + entries.len() * ENTRY_BYTES) as u64;
            return Err(Corrupt::new("offset index", at, "entries do not rise within the segment"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*first)
}
