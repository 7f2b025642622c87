//! Reads a segment from its first byte to its last, in pieces cut anywhere: every batch, whether it is as it
//! was written, and the bytes that belong to none.
//!
//! Held in memory is one batch header, whatever the segment's size. Driven by whoever has the bytes: a start
//! without a checkpoint, the offline check.

use thiserror::Error;

use crate::base::limits::SEGMENT_BYTES_MAX;
use crate::base::{Offset, Position};
use crate::log::batches::batch::{
    BatchHeader, CHECKSUM_COVERS_FROM, HeaderBytes, LOG_OVERHEAD, RECORD_BATCH_OVERHEAD,
};
use crate::log::batches::fault::BatchFault;

/// What a device writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// Why stored bytes are not the batch that belongs there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoredFault {
    #[error(transparent)]
    Batch(#[from] BatchFault),
    #[error("its base offset is {found}, but {expected} is due")]
    Offset { expected: Offset, found: Offset },
    #[error("its leader epoch is {found}, but {expected} led then")]
    Epoch { expected: i32, found: i32 },
    #[error("its offsets, counts or length contradict each other")]
    Shape,
}

/// One stretch of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanned {
    /// A batch; `fault` says what is wrong with it, though where it ends is believed.
    /// `has_blank_sector` as of [`Scanned::Lost`].
    Batch { position: Position, header: BatchHeader, fault: Option<StoredFault>, has_blank_sector: bool },
    /// Bytes up to `to` that are no batch. A sector of them may hold nothing but zeros:
    /// a write may not have arrived there.
    Lost { position: Position, to: Position, fault: StoredFault, has_blank_sector: bool },
    /// Nothing but zeros up to `to`, the end: room taken ahead, or a padded block.
    Zeros { position: Position, to: Position },
}

/// The scan of one segment.
#[derive(Debug)]
pub struct SegmentScan {
    base: Offset,
    /// The offset that is due.
    expected: Offset,
    /// Where `window` begins.
    position: u64,
    window: [u8; RECORD_BATCH_OVERHEAD],
    filled: usize,
    /// The batch whose records are being summed.
    open: Option<Open>,
    /// Where bytes that are no batch began, and why they are none.
    lost: Option<(u64, StoredFault)>,
    blanks: Blanks,
}

/// Looks for sectors of nothing but zeros.
#[derive(Debug, Default)]
struct Blanks {
    /// Bytes seen.
    at: u64,
    /// Behind the last byte that is none.
    zeros_from: u64,
    /// Where the last such sector ends.
    last: Option<u64>,
}

impl Blanks {
    fn look(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let left = SECTOR_BYTES - self.at % SECTOR_BYTES;
            let (taken, rest) = piece.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(piece.len()));
            if let Some(last) = taken.iter().rposition(|byte| *byte != 0) {
                self.zeros_from = self.at + last as u64 + 1;
            }
            self.at += taken.len() as u64;
            if self.at.is_multiple_of(SECTOR_BYTES) && self.at - self.zeros_from >= SECTOR_BYTES {
                self.last = Some(self.at);
            }
            piece = rest;
        }
    }

    fn is_any_behind(&self, position: Position) -> bool {
        self.last.is_some_and(|end| end > position.0)
    }
}

#[derive(Debug)]
struct Open {
    header: BatchHeader,
    left: u64,
    checksum: u32,
    fault: Option<StoredFault>,
}

impl SegmentScan {
    /// Of the segment that begins with `base`.
    pub fn new(base: Offset) -> SegmentScan {
        SegmentScan {
            base,
            expected: base,
            position: 0,
            window: [0; RECORD_BATCH_OVERHEAD],
            filled: 0,
            open: None,
            lost: None,
            blanks: Blanks::default(),
        }
    }

    /// Looks for the next batch behind `position`, where none begins: the length of a damaged batch may have
    /// led past others. The first byte fed is the one after it.
    pub fn behind(base: Offset, expected: Offset, position: Position, fault: StoredFault) -> SegmentScan {
        let lost = Some((position.0, fault));
        let at = position.0 + 1;
        let blanks = Blanks { at, zeros_from: at, last: None };
        SegmentScan { expected, position: at, lost, blanks, ..SegmentScan::new(base) }
    }

    /// The offset behind the last batch.
    pub fn next_offset(&self) -> Offset {
        self.expected
    }

    /// The next bytes of the segment; `tell` gets each stretch as it ends.
    pub fn feed(&mut self, mut piece: &[u8], mut tell: impl FnMut(Scanned)) {
        while !piece.is_empty() {
            if let Some(open) = &mut self.open {
                let take = usize::try_from(open.left).unwrap_or(usize::MAX).min(piece.len());
                let (taken, rest) = piece.split_at(take);
                open.checksum = crc32c::crc32c_append(open.checksum, taken);
                open.left -= take as u64;
                self.blanks.look(taken);
                piece = rest;
                self.close_if_whole(&mut tell);
                continue;
            }
            let room = self.window.get_mut(self.filled..).unwrap_or_default();
            let (taken, rest) = piece.split_at(room.len().min(piece.len()));
            room.iter_mut().zip(taken).for_each(|(to, from)| *to = *from);
            self.filled += taken.len();
            self.blanks.look(taken);
            piece = rest;
            if self.filled == RECORD_BATCH_OVERHEAD {
                self.look(&mut tell);
            }
        }
    }

    /// The segment has no more bytes.
    pub fn finish(mut self, mut tell: impl FnMut(Scanned)) {
        let (at, have) = (self.position, self.filled);
        if let Some(open) = self.open.take() {
            let need = open.header.size();
            let have = need - usize::try_from(open.left).unwrap_or(0);
            let fault = BatchFault::Incomplete { have, need };
            let to = Position(at + have as u64);
            return tell(self.lost(Position(at), to, fault.into()));
        }
        let rest = self.window.get(..have).unwrap_or_default();
        let end = Position(at + have as u64);
        match self.lost.take() {
            Some((position, fault)) if is_zero_fault(&fault) && rest.iter().all(|byte| *byte == 0) => {
                tell(Scanned::Zeros { position: Position(position), to: end });
            }
            Some((position, fault)) => tell(self.lost(Position(position), end, fault)),
            None if have == 0 => {}
            None if rest.iter().all(|byte| *byte == 0) => {
                tell(Scanned::Zeros { position: Position(at), to: end });
            }
            None => {
                let fault = BatchFault::Incomplete { have, need: RECORD_BATCH_OVERHEAD };
                tell(self.lost(Position(at), end, fault.into()));
            }
        }
    }

    /// The window holds a header's worth of bytes: a batch begins, or another byte is lost.
    fn look(&mut self, tell: &mut impl FnMut(Scanned)) {
        match self.judge() {
            Ok((header, fault)) => {
                if let Some((position, fault)) = self.lost.take() {
                    tell(self.lost(Position(position), Position(self.position), fault));
                }
                let covered = self.window.get(CHECKSUM_COVERS_FROM..).unwrap_or_default();
                let left = (header.size() - RECORD_BATCH_OVERHEAD) as u64;
                self.open = Some(Open { header, left, checksum: crc32c::crc32c(covered), fault });
                self.filled = 0;
                self.close_if_whole(tell);
            }
            Err(fault) => {
                let zeros = self.window.iter().all(|byte| *byte == 0);
                let was_zeros = self.lost.as_ref().is_some_and(|(_, fault)| is_zero_fault(fault));
                if self.lost.is_none() || (was_zeros && !zeros) {
                    // Zeros with something behind them were no padding.
                    let from = self.lost.take().map_or(self.position, |(from, _)| from);
                    self.lost = Some((from, if zeros { ZERO_FAULT } else { not_zero(fault) }));
                }
                self.window.rotate_left(1);
                self.filled = RECORD_BATCH_OVERHEAD - 1;
                self.position += 1;
            }
        }
    }

    fn lost(&self, position: Position, to: Position, fault: StoredFault) -> Scanned {
        Scanned::Lost { position, to, fault, has_blank_sector: self.blanks.is_any_behind(position) }
    }

    /// The header in the window, if a batch begins there.
    fn judge(&self) -> Result<(BatchHeader, Option<StoredFault>), StoredFault> {
        let header = BatchHeader::parse(&self.window)?;
        let relative = header.base_offset.0.saturating_sub(self.base.0);
        let fits = header.size() as u64 <= SEGMENT_BYTES_MAX
            && header.last_offset_delta >= 0
            && header.records_count >= 0
            && header.records_count <= header.last_offset_delta.saturating_add(1);
        if header.base_offset == self.expected && fits {
            return Ok((header, None));
        }
        // Behind bytes that are no batch only what cannot be anything else is one.
        let plausible = fits
            && header.attributes.codec().is_ok()
            && header.records_count == header.last_offset_delta + 1
            && header.leader_epoch.0 >= -1;
        let fault = StoredFault::Offset { expected: self.expected, found: header.base_offset };
        if self.lost.is_none() && plausible {
            return Ok((BatchHeader { base_offset: self.expected, ..header }, Some(fault)));
        }
        let ahead = header.base_offset >= self.expected && relative <= i64::from(i32::MAX);
        match self.lost.is_some() && plausible && ahead {
            true => Ok((header, None)),
            false if fits => Err(fault),
            false => Err(StoredFault::Shape),
        }
    }

    fn close_if_whole(&mut self, tell: &mut impl FnMut(Scanned)) {
        let Some(Open { header, checksum, fault, .. }) = self.open.take_if(|open| open.left == 0) else {
            return;
        };
        let summed = BatchFault::Checksum { stored: header.checksum, computed: checksum };
        let fault = if header.checksum == checksum { fault } else { Some(summed.into()) };
        let position = Position(self.position);
        let has_blank_sector = self.blanks.is_any_behind(position);
        tell(Scanned::Batch { position, header, fault, has_blank_sector });
        self.position += header.size() as u64;
        self.expected = header.next_offset();
    }
}

const ZERO_FAULT: StoredFault = StoredFault::Batch(BatchFault::LengthTooSmall { length: 0, minimum: 0 });

fn is_zero_fault(fault: &StoredFault) -> bool {
    *fault == ZERO_FAULT
}

fn not_zero(fault: StoredFault) -> StoredFault {
    if is_zero_fault(&fault) { StoredFault::Shape } else { fault }
}

/// Whether a batch read back is the one that belongs at `expected`, of that leader epoch: its records and
/// most of its header rest on its checksum, the two numbers that a broker writes in front of it on what is
/// known of the log.
pub fn check_stored<'a>(
    header: &BatchHeader,
    bytes: impl Iterator<Item = &'a [u8]>,
    expected: Offset,
    epoch: Option<i32>,
) -> Result<(), StoredFault> {
    check_place(header, expected, epoch)?;
    let mut sum = StoredSum::new();
    bytes.for_each(|piece| sum.add(piece));
    sum.check(header)
}

/// The same of a batch whose checksum was found right in this memory before: whether it belongs there.
pub fn check_place(header: &BatchHeader, expected: Offset, epoch: Option<i32>) -> Result<(), StoredFault> {
    if header.base_offset != expected {
        return Err(StoredFault::Offset { expected, found: header.base_offset });
    }
    match epoch.filter(|epoch| *epoch != header.leader_epoch.0) {
        Some(expected) => Err(StoredFault::Epoch { expected, found: header.leader_epoch.0 }),
        None => Ok(()),
    }
}

/// The checksum of a batch that is read in pieces, the first of which begins where the batch does.
#[derive(Debug, Clone, Copy)]
pub struct StoredSum {
    checksum: u32,
    /// Bytes to come that it does not cover.
    skip: usize,
}

impl StoredSum {
    #[expect(clippy::new_without_default, reason = "it is of a batch that begins")]
    pub fn new() -> StoredSum {
        StoredSum { checksum: 0, skip: CHECKSUM_COVERS_FROM }
    }

    pub fn add(&mut self, piece: &[u8]) {
        let covered = piece.get(self.skip.min(piece.len())..).unwrap_or_default();
        self.skip -= self.skip.min(piece.len());
        self.checksum = crc32c::crc32c_append(self.checksum, covered);
    }

    /// Whether what was added is what the header says.
    pub fn check(&self, header: &BatchHeader) -> Result<(), StoredFault> {
        let (stored, computed) = (header.checksum, self.checksum);
        if stored == computed { Ok(()) } else { Err(BatchFault::Checksum { stored, computed }.into()) }
    }
}

const _: () = assert!(LOG_OVERHEAD < CHECKSUM_COVERS_FROM);
const _: () = assert!(size_of::<HeaderBytes>() == RECORD_BATCH_OVERHEAD);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{LeaderEpoch, TimestampMs};
    use crate::log::batches::batch::{set_base_offset, set_leader_epoch};
    use crate::log::{BatchBuilder, BatchRecord, Codec};

    /// Batches of two records each, from offset 10 on, and where each begins.
    fn segment(batches: usize) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for number in 0..batches {
            let mut builder = BatchBuilder::new(Codec::None);
            for _ in 0..2 {
                builder.push(BatchRecord::of_value(TimestampMs(5), &[number as u8; 40]));
            }
            let mut batch = builder.build();
            let header: &mut HeaderBytes = batch.first_chunk_mut().unwrap();
            set_base_offset(header, Offset(10 + 2 * number as i64));
            set_leader_epoch(header, LeaderEpoch(3));
            places.push(bytes.len());
            bytes.extend(batch);
        }
        (bytes, places)
    }

    /// `ok` and `bad` batches by base offset, `lost` and `zeros` by their range.
    fn scan(bytes: &[u8], step: usize) -> String {
        let mut told = Vec::new();
        let mut scan = SegmentScan::new(Offset(10));
        let mut tell = |scanned| {
            told.push(match scanned {
                Scanned::Batch { header, fault: None, .. } => format!("ok {}", header.base_offset),
                Scanned::Batch { header, has_blank_sector: true, .. } => {
                    format!("blank {}", header.base_offset)
                }
                Scanned::Batch { header, .. } => format!("bad {}", header.base_offset),
                Scanned::Lost { position, to, has_blank_sector: true, .. } => {
                    format!("blank {position}-{to}")
                }
                Scanned::Lost { position, to, .. } => format!("lost {position}-{to}"),
                Scanned::Zeros { position, to } => format!("zeros {position}-{to}"),
            })
        };
        bytes.chunks(step).for_each(|piece| scan.feed(piece, &mut tell));
        scan.finish(&mut tell);
        told.join(", ")
    }

    fn check(bytes: &[u8], expected: &str) {
        for step in [1, 7, 61, 4096] {
            assert_eq!(scan(bytes, step), expected, "pieces of {step}");
        }
    }

    #[test]
    fn whole_and_cut_segments() {
        let (bytes, places) = segment(3);
        check(&[], "");
        check(&bytes, "ok 10, ok 12, ok 14");
        let (last, end) = (places[2], bytes.len());
        check(&bytes[..end - 1], &format!("ok 10, ok 12, lost {last}-{}", end - 1));
        check(&bytes[..last + 9], &format!("ok 10, ok 12, lost {last}-{}", last + 9));
        for zeros in [1, 60, 61, 500] {
            let padded = [bytes.clone(), vec![0; zeros]].concat();
            check(&padded, &format!("ok 10, ok 12, ok 14, zeros {end}-{}", end + zeros));
        }
        let dirty = [bytes.clone(), vec![0; 100], vec![7], vec![0; 100]].concat();
        check(&dirty, &format!("ok 10, ok 12, ok 14, lost {end}-{}", end + 201));
    }

    #[test]
    fn the_scan_goes_on_behind_damage() {
        let (bytes, places) = segment(4);
        let flipped = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            bytes
        };
        let (second, third) = (places[1], places[2]);
        // Records, the checksum itself, the base offset.
        for at in [second + 80, second + 18, second + 7] {
            check(&flipped(at), "ok 10, bad 12, ok 14, ok 16");
        }
        // Magic and length: where the batch ends is not known.
        check(&flipped(second + 16), &format!("ok 10, lost {second}-{third}, ok 14, ok 16"));
        check(&flipped(second + 8), &format!("ok 10, lost {second}-{}", bytes.len()));
        let fault = StoredFault::Shape;
        let mut again = SegmentScan::behind(Offset(10), Offset(12), Position(second as u64), fault);
        let mut told = Vec::new();
        again.feed(&flipped(second + 8)[second + 1..], |scanned| {
            told.push(match scanned {
                Scanned::Lost { position, to, .. } => (position.0 as usize, to.0 as usize),
                Scanned::Batch { position, .. } => (position.0 as usize, 0),
                Scanned::Zeros { .. } => panic!("no zeros"),
            });
        });
        assert_eq!(told, [(second, third), (third, 0), (places[3], 0)]);
        for at in 0..bytes.len() {
            let epoch = places.iter().any(|place| (place + 12..place + 16).contains(&at));
            let told = scan(&flipped(at), 4096);
            assert_eq!(told == "ok 10, ok 12, ok 14, ok 16", epoch, "{at}: {told}");
        }
    }

    /// What a write leaves that did not arrive everywhere.
    #[test]
    fn blank_sectors_are_noticed() {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(BatchRecord::of_value(TimestampMs(5), &[7; 4000]));
        let mut batch = builder.build();
        set_base_offset(batch.first_chunk_mut().unwrap(), Offset(10));
        let mut second = batch.clone();
        set_base_offset(second.first_chunk_mut().unwrap(), Offset(11));
        let (end, bytes) = (batch.len(), [batch, second].concat());
        let blank = |range: std::ops::Range<usize>| {
            let mut bytes = bytes.clone();
            bytes[range].fill(0);
            bytes
        };
        check(&blank(1024..1536), "blank 10, ok 11");
        check(&blank(1025..1536), "bad 10, ok 11");
        check(&blank(1200..2047), "bad 10, ok 11");
        check(&blank(1200..2048), "blank 10, ok 11");
        check(&blank(0..512), &format!("blank 0-{end}, ok 11"));
        check(&blank(0..511), &format!("lost 0-{end}, ok 11"));
        // A sector that is blank, but for the end of the batch before it, is none.
        check(&blank(end..end + 200), &format!("ok 10, lost {end}-{}", 2 * end));
        check(&bytes[..end + 1000], &format!("ok 10, lost {end}-{}", end + 1000));
        check(&blank(end + 600..2 * end)[..2 * end - 1], &format!("ok 10, blank {end}-{}", 2 * end - 1));
    }

    #[test]
    fn a_batch_read_back_is_the_one_that_belongs_there() {
        let (bytes, places) = segment(2);
        let first = &bytes[..places[1]];
        let check = |bytes: &[u8], expected, epoch| {
            let header = BatchHeader::parse(bytes)?;
            check_stored(&header, bytes.chunks(13), Offset(expected), epoch)
        };
        assert_eq!(check(first, 10, Some(3)), Ok(()));
        assert!(matches!(check(first, 11, None), Err(StoredFault::Offset { .. })));
        assert!(matches!(check(first, 10, Some(4)), Err(StoredFault::Epoch { .. })));
        for at in 0..first.len() {
            let mut damaged = first.to_vec();
            damaged[at] ^= 1;
            let longer = (8..12).contains(&at);
            assert!(longer || check(&damaged, 10, Some(3)).is_err(), "byte {at}");
        }
    }
}
