//! One segment as a start would see it: the bytes of its file, and behind them those that only the journal has.

use std::path::Path;

use bytes::Bytes;
use millrace_core::base::{Offset, Position};
use millrace_core::log::batch::RECORD_BATCH_OVERHEAD;
use millrace_core::log::{BatchFault, Scanned, SegmentScan, StoredFault};

use super::disk::{ToolError, stream};

/// Where the bytes of a segment are.
pub(super) struct SegmentBytes<'a> {
    pub(super) base: Offset,
    pub(super) file: &'a Path,
    /// Bytes of the file that count.
    pub(super) in_file: u64,
    /// What follows them, from the journal.
    pub(super) rest: Vec<Bytes>,
}

/// How a scan ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanEnd {
    /// The offset behind the last batch.
    pub(super) next_offset: Offset,
    /// Bytes that the file lacks.
    pub(super) missing: u64,
}

impl SegmentBytes<'_> {
    /// Tells each stretch in order. Where a damaged length led past other batches, the scan goes back and looks for them.
    pub(super) fn scan(&self, mut tell: impl FnMut(Scanned)) -> Result<ScanEnd, ToolError> {
        let mut scan = SegmentScan::new(self.base);
        let mut from = 0;
        loop {
            let mut sorter = Sorter { floor: from, suspect: None, back: None, tell: &mut tell };
            let read = self.feed(from, |piece| {
                if sorter.back.is_none() {
                    scan.feed(piece, |scanned| sorter.take(scanned));
                }
            })?;
            let next_offset = scan.next_offset();
            scan.finish(|scanned| sorter.take(scanned));
            sorter.flush();
            let Some((position, expected, fault)) = sorter.back else {
                return Ok(ScanEnd { next_offset, missing: self.in_file.saturating_sub(from + read) });
            };
            let expected = expected.unwrap_or(next_offset);
            scan = SegmentScan::behind(self.base, expected, position, fault);
            from = position.0 + 1;
        }
    }

    /// Bytes from `from` on, wherever they are. Answers how many the file had.
    fn feed(&self, from: u64, mut each: impl FnMut(&[u8])) -> Result<u64, ToolError> {
        let read = if from < self.in_file { stream(self.file, from, self.in_file, &mut each)? } else { 0 };
        if from + read < self.in_file {
            return Ok(read);
        }
        let mut skip = usize::try_from(from.saturating_sub(self.in_file)).unwrap_or(usize::MAX);
        for piece in &self.rest {
            let kept = piece.get(skip.min(piece.len())..).unwrap_or_default();
            skip -= skip.min(piece.len());
            if !kept.is_empty() {
                each(kept);
            }
        }
        Ok(read)
    }
}

/// Holds a damaged batch back until it is clear that its end is one.
struct Sorter<'a, F: FnMut(Scanned)> {
    /// What lies before was looked at again already.
    floor: u64,
    suspect: Option<(Position, Offset, Scanned)>,
    /// Where to look again: a byte at which no batch begins, the offset due there if the scan does not know it, and what
    /// is wrong.
    back: Option<(Position, Option<Offset>, StoredFault)>,
    tell: &'a mut F,
}

impl<F: FnMut(Scanned)> Sorter<'_, F> {
    fn take(&mut self, scanned: Scanned) {
        if self.back.is_some() {
            return;
        }
        if let (Some((position, expected, suspect)), Scanned::Lost { .. }) = (&self.suspect, &scanned)
            && let Scanned::Batch { fault: Some(fault), .. } = suspect
        {
            self.back = Some((*position, Some(*expected), fault.clone()));
            self.suspect = None;
            return;
        }
        self.flush();
        match &scanned {
            Scanned::Lost {
                position,
                to,
                fault: fault @ StoredFault::Batch(BatchFault::Incomplete { .. }),
            } if position.0 >= self.floor && to.0 - position.0 > RECORD_BATCH_OVERHEAD as u64 => {
                self.back = Some((*position, None, fault.clone()));
            }
            Scanned::Batch { position, header, fault: Some(StoredFault::Batch(_)) } => {
                self.suspect = Some((*position, header.base_offset, scanned));
            }
            _ => (self.tell)(scanned),
        }
    }

    fn flush(&mut self) {
        if let Some((_, _, suspect)) = self.suspect.take() {
            (self.tell)(suspect);
        }
    }
}
