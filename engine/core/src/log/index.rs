//! The sparse index of a segment: from an offset or a time to a position from which to scan.

use crate::base::limits::{INDEX_INTERVAL_BYTES, SEGMENT_BYTES_MAX};
use crate::base::{Corrupt, Offset, Position, TimestampMs};
use crate::log::batches::batch::BatchHeader;
use millrace_codec::Fields;

/// One entry: a batch begins at `position`, and with it an interval that ends where the next entry begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// The batch's base offset less the segment's.
    pub relative_offset: u32,
    pub position: u32,
    /// Largest timestamp of the interval's batches. It need not rise from one interval to the next:
    /// producers choose it.
    pub max_timestamp: TimestampMs,
}

/// The batches between two entries, the only ones of their place that need to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub from: Position,
    /// The base offset of the batch that begins there.
    pub first: Offset,
    pub to: Position,
}

/// The index of one segment, active or sealed. It holds an entry per `INDEX_INTERVAL_BYTES` of log, the first
/// for the first batch, so it grows by 16 bytes a 64 KiB. Offsets and positions rise strictly. Lives on the
/// shard that owns the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetIndex {
    base: Offset,
    entries: Vec<IndexEntry>,
    /// Bytes of log before those that the index knows.
    begins: u64,
    /// The first offset behind those bytes.
    first: Offset,
    /// Where the bytes end that the index knows.
    covered: u64,
    due: Due,
    last: LastInterval,
    max_timestamp: TimestampMs,
}

/// Whether the last interval takes more batches. A damaged one ends it: its header leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastInterval {
    Open,
    Ended,
}

/// The base offset of the batch that follows what an index knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Exactly(Offset),
    /// Behind a damaged batch: what follows from the one before that,
    /// or what follows from the last that was read.
    Either(Offset, Offset),
}

/// Whether a batch that was read back carries the checksum of its bytes. It does not cover the base offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summed {
    Fits,
    Differs,
}

/// What an index made of a batch that was read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    Whole,
    /// It is not the batch that belongs there. The index leads to its place, not to its offset or time.
    Damaged,
}

impl OffsetIndex {
    /// The index of an empty segment.
    pub fn new(base: Offset) -> OffsetIndex {
        OffsetIndex::resuming(base, Position::ZERO, base)
    }

    /// The index of what will follow behind `at`, where `first` is the next offset,
    /// until it is joined to the index of what lies before.
    pub fn resuming(base: Offset, at: Position, first: Offset) -> OffsetIndex {
        OffsetIndex {
            base,
            entries: Vec::new(),
            begins: at.0,
            first,
            covered: at.0,
            due: Due::Exactly(first),
            last: LastInterval::Open,
            max_timestamp: TimestampMs::NONE,
        }
    }

    /// Notes the batch that begins where the covered bytes end.
    /// `header` holds its final offsets and timestamps.
    pub fn note(&mut self, header: &BatchHeader) {
        assert_eq!(self.due, Due::Exactly(header.base_offset), "batches follow one another");
        self.cover(header, header.base_offset, header.max_timestamp);
        self.due = Due::Exactly(header.next_offset());
    }

    /// The same for a batch that was read back, whose header may be anything. Its base offset has to be the
    /// one that is due, so that an index never leads to another batch; behind a damaged one it may follow
    /// from the header of that one too, which two batches in a row then agree upon. None: no batch of this
    /// segment can be there, and what lies behind cannot be found.
    pub fn note_stored(&mut self, header: &BatchHeader, summed: Summed) -> Option<Noted> {
        let found = header.base_offset;
        let count = i64::from(header.last_offset_delta).saturating_add(1);
        let is_one = summed == Summed::Differs || count > 0;
        if !is_one || !self.may_begin(self.least_due()) {
            return None;
        }
        let is_due = match self.due {
            Due::Exactly(due) => found == due,
            Due::Either(due, other) => (found == due || found == other) && self.may_begin(found),
        };
        if is_due && summed == Summed::Fits {
            self.cover(header, found, header.max_timestamp);
            self.due = Due::Exactly(header.next_offset());
            return Some(Noted::Whole);
        }
        self.due = match self.due {
            Due::Exactly(due) => {
                self.cover(header, due, TIMESTAMP_UNKNOWN);
                self.last = LastInterval::Ended;
                match summed {
                    // Nothing but what the checksum does not cover is damaged.
                    Summed::Fits => Due::Exactly(due.plus(count)),
                    Summed::Differs => Due::Either(due.plus(count), due.plus(count)),
                }
            }
            Due::Either(due, _) => {
                self.pass(header);
                Due::Either(due.plus(count), header.next_offset())
            }
        };
        Some(Noted::Damaged)
    }

    /// Whether a batch with that base offset can begin where the covered bytes end.
    fn may_begin(&self, base_offset: Offset) -> bool {
        let relative = base_offset.0.saturating_sub(self.base.0);
        let last = self.entries.last().map_or(-1, |last| i64::from(last.relative_offset));
        (0..=i64::from(i32::MAX)).contains(&relative) && relative > last && self.covered <= SEGMENT_BYTES_MAX
    }

    /// The offset due there, or the first that could be.
    fn least_due(&self) -> Offset {
        match (self.due, self.entries.last()) {
            (Due::Exactly(due), _) => due,
            (Due::Either(..), Some(last)) => self.offset_of(last).next(),
            (Due::Either(..), None) => self.first,
        }
    }

    fn offset_of(&self, entry: &IndexEntry) -> Offset {
        self.base.plus(i64::from(entry.relative_offset))
    }

    fn cover(&mut self, header: &BatchHeader, base_offset: Offset, max_timestamp: TimestampMs) {
        let position = self.covered;
        let relative = base_offset.0.saturating_sub(self.base.0);
        assert!((0..=i64::from(i32::MAX)).contains(&relative), "a batch lies within its segment's offsets");
        assert!(position <= SEGMENT_BYTES_MAX, "a batch begins within its segment's bytes");
        let is_open = std::mem::replace(&mut self.last, LastInterval::Open) == LastInterval::Open;
        match self.entries.last_mut() {
            Some(last) if is_open && position - u64::from(last.position) < INDEX_INTERVAL_BYTES => {
                last.max_timestamp = last.max_timestamp.max(max_timestamp);
            }
            _ => {
                let (relative_offset, position) = (relative as u32, position as u32);
                self.entries.push(IndexEntry { relative_offset, position, max_timestamp });
            }
        }
        self.max_timestamp = self.max_timestamp.max(max_timestamp);
        self.covered += header.size() as u64;
    }

    /// Covers a batch of which nobody knows which one it is.
    fn pass(&mut self, header: &BatchHeader) {
        if let Some(last) = self.entries.last_mut() {
            last.max_timestamp = TIMESTAMP_UNKNOWN;
        }
        self.max_timestamp = TIMESTAMP_UNKNOWN;
        self.covered += header.size() as u64;
    }

    /// Puts the index of what follows behind this one.
    pub fn join(&mut self, following: &OffsetIndex) {
        assert_eq!((self.base, self.covered), (following.base, following.begins), "one follows the other");
        self.entries.extend_from_slice(&following.entries);
        self.covered = following.covered;
        // What comes next is of this run: it is not looked for through what an earlier one wrote,
        // and may have changed.
        let nothing_yet = following.entries.is_empty();
        self.last = if nothing_yet { LastInterval::Ended } else { following.last };
        self.due = following.due;
        self.max_timestamp = self.max_timestamp.max(following.max_timestamp);
    }

    /// Cuts the index to `end` bytes of log, which is the end of a batch, and returns the position from which
    /// the batches up to there must be noted again: what lies after the last kept entry is no longer known.
    pub fn truncate(&mut self, end: Position) -> Position {
        assert_eq!(self.begins, 0, "only an index that knows its segment from the beginning is cut");
        if end.0 >= self.covered {
            return Position(self.covered);
        }
        let kept = self.entries.partition_point(|entry| u64::from(entry.position) < end.0);
        self.entries.truncate(kept);
        let last = self.entries.pop();
        self.last = LastInterval::Open;
        self.covered = last.map_or(0, |last| u64::from(last.position));
        self.due = Due::Exactly(last.map_or(self.base, |last| self.offset_of(&last)));
        self.max_timestamp = largest(&self.entries);
        Position(self.covered)
    }

    pub fn base(&self) -> Offset {
        self.base
    }

    /// Bytes before the first that the index knows; zero unless it resumed and is not joined yet.
    pub fn begins(&self) -> u64 {
        self.begins
    }

    /// The offset due behind the bytes that the index knows; none behind a damaged batch.
    pub fn next_offset(&self) -> Option<Offset> {
        match self.due {
            Due::Exactly(due) => Some(due),
            Due::Either(..) => None,
        }
    }

    /// The first offset that it knows.
    pub fn first_offset(&self) -> Offset {
        self.first
    }

    /// Whether `lookup` can tell where an offset lies.
    pub fn knows(&self, offset: Offset) -> bool {
        self.begins == 0 || offset >= self.first
    }

    /// Where the bytes of log end that the index knows: the segment's size if it is current.
    pub fn covered(&self) -> u64 {
        self.covered
    }

    /// Largest timestamp of the bytes that the index knows, `NONE` if they have none.
    pub fn max_timestamp(&self) -> TimestampMs {
        self.max_timestamp
    }

    /// Memory of the entries.
    pub fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<IndexEntry>()
    }

    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Where to begin to look for `offset`, which it knows:
    /// the start of a batch at or before the one that holds it.
    pub fn lookup(&self, offset: Offset) -> Position {
        let relative = offset.0.saturating_sub(self.base.0);
        let count = self.entries.partition_point(|entry| i64::from(entry.relative_offset) <= relative);
        let entry = count.checked_sub(1).and_then(|place| self.entries.get(place));
        entry.map_or(Position(self.begins), |entry| Position(u64::from(entry.position)))
    }

    /// The same, and the base offset of the batch that begins there.
    pub fn lookup_batch(&self, offset: Offset) -> (Offset, Position) {
        let position = self.lookup(offset);
        let place = self.entries.binary_search_by_key(&position.0, |entry| u64::from(entry.position));
        let entry = place.ok().and_then(|place| self.entries.get(place));
        (entry.map_or(self.first, |entry| self.offset_of(entry)), position)
    }

    /// Where the next entry's batch begins behind the one that holds `offset`, which it knows: no batch
    /// reaches over that. None behind the last entry.
    pub fn bound(&self, offset: Offset) -> Option<Position> {
        let relative = offset.0.saturating_sub(self.base.0);
        let next = self.entries.partition_point(|entry| i64::from(entry.relative_offset) <= relative);
        self.entries.get(next).map(|entry| Position(u64::from(entry.position)))
    }

    /// The first interval from the one that holds `from` on with a batch of time `timestamp` or later; `None`
    /// if there is none. Looks at each entry in between, 16,384 of them in a segment of 1 GiB: unlike a time
    /// so far, which only rises, an interval's own time says where to look also behind an offset where the
    /// log begins now.
    pub fn interval_at_time(&self, timestamp: TimestampMs, from: Position) -> Option<Interval> {
        if from.0 >= self.covered {
            return None;
        }
        let place =
            self.entries.partition_point(|entry| u64::from(entry.position) <= from.0).saturating_sub(1);
        let rest = self.entries.get(place..)?;
        let place = rest.iter().position(|entry| entry.max_timestamp >= timestamp)?;
        let start = rest.get(place)?;
        let end = rest.get(place + 1).map_or(self.covered, |next| u64::from(next.position));
        Some(Interval {
            from: Position(u64::from(start.position)),
            first: self.offset_of(start),
            to: Position(end),
        })
    }

    /// The index's file: head, entries, checksum; little endian.
    pub fn encode(&self) -> Vec<u8> {
        assert_eq!(self.begins, 0, "a file tells of its segment from the beginning");
        let mut out = Vec::with_capacity(HEAD_BYTES + self.entries.len() * ENTRY_BYTES + CHECKSUM_BYTES);
        out.extend_from_slice(&INDEX_MAGIC);
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.base.0.to_le_bytes());
        out.extend_from_slice(&self.covered.to_le_bytes());
        out.extend_from_slice(&self.next_offset().unwrap_or(Offset::NONE).0.to_le_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&entry.relative_offset.to_le_bytes());
            out.extend_from_slice(&entry.position.to_le_bytes());
            out.extend_from_slice(&entry.max_timestamp.0.to_le_bytes());
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
        let mut fields = Fields::new(body);
        let too_short = corrupt(body.len(), "too short for its head");
        if fields.array() != Some(INDEX_MAGIC) {
            return Err(corrupt(0, "not an offset index of this version"));
        }
        let count = fields.u32().ok_or(too_short)? as usize;
        let base = Offset(fields.i64().ok_or(too_short)?);
        let covered = fields.u64().ok_or(too_short)?;
        let next = Offset(fields.i64().ok_or(too_short)?);
        if fields.remaining() != count.saturating_mul(ENTRY_BYTES) {
            return Err(corrupt(HEAD_BYTES, "entries do not fill the file"));
        }
        let entries = take_entries(fields, covered)?;
        if entries.first().map(|first| first.position) != (covered > 0).then_some(0) {
            return Err(corrupt(HEAD_BYTES, "the first entry is not for the first byte"));
        }
        let max_timestamp = largest(&entries);
        let (due, last) = match entries.last() {
            _ if next == Offset::NONE => (Due::Either(next, next), LastInterval::Ended),
            Some(last) if last.max_timestamp == TIMESTAMP_UNKNOWN => {
                (Due::Exactly(next), LastInterval::Ended)
            }
            _ => (Due::Exactly(next), LastInterval::Open),
        };
        let index = OffsetIndex { base, entries, begins: 0, first: base, covered, due, last, max_timestamp };
        let follows =
            next.0 > index.entries.last().map_or(base.0.saturating_sub(1), |last| index.offset_of(last).0);
        match next == Offset::NONE || (follows && (covered > 0 || next == base)) {
            true => Ok(index),
            false => Err(corrupt(NEXT_OFFSET_AT, "the next offset does not follow")),
        }
    }
}

/// The file's first bytes: name and version of the format.
const INDEX_MAGIC: [u8; 8] = *b"MRINDEX3";
const NEXT_OFFSET_AT: usize = 8 + 4 + 8 + 8;
const HEAD_BYTES: usize = NEXT_OFFSET_AT + 8;
const ENTRY_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;

/// Of an interval with a damaged batch: a search looks there, and finds the damage.
const TIMESTAMP_UNKNOWN: TimestampMs = TimestampMs(i64::MAX);

fn largest(entries: &[IndexEntry]) -> TimestampMs {
    entries.iter().map(|entry| entry.max_timestamp).max().unwrap_or(TimestampMs::NONE)
}

fn take_entries(mut fields: Fields<'_>, covered: u64) -> Result<Vec<IndexEntry>, Corrupt> {
    let mut entries: Vec<IndexEntry> = Vec::with_capacity(fields.remaining() / ENTRY_BYTES);
    while let Some(raw) = fields.array::<ENTRY_BYTES>() {
        let raw = u128::from_le_bytes(raw);
        let entry = IndexEntry {
            relative_offset: raw as u32,
            position: (raw >> 32) as u32,
            max_timestamp: TimestampMs((raw >> 64) as i64),
        };
        let rises = entries.last().is_none_or(|last| {
            last.relative_offset < entry.relative_offset && last.position < entry.position
        });
        if !rises || u64::from(entry.position) >= covered {
            let at = (HEAD_BYTES + entries.len() * ENTRY_BYTES) as u64;
            return Err(Corrupt::new("offset index", at, "entries do not rise within the segment"));
        }
        entries.push(entry);
    }
    Ok(entries)
}
