//! One segment as a start would see it: the bytes of its file,
//! and between and behind them those that only the journal has.

use std::ops::Range;
use std::path::Path;

use millrace_core::base::{Offset, Position};
use millrace_core::journal::Stretch;
use millrace_core::log::batch::RECORD_BATCH_OVERHEAD;
use millrace_core::log::{BatchFault, Scanned, SegmentScan, StoredFault};

use super::disk::{ToolError, stream};

/// Where the bytes of a segment are.
pub(super) struct SegmentBytes<'a> {
    pub(super) base: Offset,
    pub(super) file: &'a Path,
    /// From its first byte on.
    pub(super) stretches: &'a [Stretch],
}

/// How a scan ended.
#[derive(Debug, Clone)]
pub(super) struct ScanEnd {
    /// The offset behind the last batch.
    pub(super) next_offset: Offset,
    /// Bytes that the file should have and lacks; nothing was read behind them.
    pub(super) missing: Option<Range<u64>>,
}

impl SegmentBytes<'_> {
    /// Tells each stretch in order. Where a damaged length led past other batches,
    /// the scan goes back and looks for them.
    pub(super) fn scan(&self, mut tell: impl FnMut(Scanned)) -> Result<ScanEnd, ToolError> {
        let mut scan = SegmentScan::new(self.base);
        let mut from = 0;
        loop {
            let mut sorter = Sorter { floor: from, suspect: None, back: None, tell: &mut tell };
            let missing = self.feed(from, |piece| {
                if sorter.back.is_none() {
                    scan.feed(piece, |scanned| sorter.take(scanned));
                }
            })?;
            let next_offset = scan.next_offset();
            scan.finish(|scanned| sorter.take(scanned));
            sorter.flush();
            let Some((position, expected, fault)) = sorter.back else {
                return Ok(ScanEnd { next_offset, missing });
            };
            let expected = expected.unwrap_or(next_offset);
            scan = SegmentScan::behind(self.base, expected, position, fault);
            from = position.0 + 1;
        }
    }

    /// Bytes from `from` on, wherever they are, up to the first that the file should have and lacks.
    fn feed(&self, from: u64, mut each: impl FnMut(&[u8])) -> Result<Option<Range<u64>>, ToolError> {
        let mut end = 0u64;
        for stretch in self.stretches {
            let at = end;
            end = at.saturating_add(stretch.length());
            let begin = at.max(from);
            if begin >= end {
                continue;
            }
            match stretch {
                Stretch::InFile(_) => {
                    let read = stream(self.file, begin, end, &mut each)?;
                    if begin + read < end {
                        return Ok(Some(begin + read..end));
                    }
                }
                Stretch::Journaled(bytes) => {
                    let skip = usize::try_from(begin - at).unwrap_or(usize::MAX);
                    each(bytes.get(skip..).unwrap_or_default());
                }
            }
        }
        Ok(None)
    }
}

/// Holds a damaged batch back until it is clear that its end is one.
struct Sorter<'a, F: FnMut(Scanned)> {
    /// What lies before was looked at again already.
    floor: u64,
    suspect: Option<(Position, Offset, Scanned)>,
    /// Where to look again: a byte at which no batch begins,
    /// the offset due there if the scan does not know it, and what is wrong.
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
                ..
            } if position.0 >= self.floor && to.0 - position.0 > RECORD_BATCH_OVERHEAD as u64 => {
                self.back = Some((*position, None, fault.clone()));
            }
            Scanned::Batch { position, header, fault: Some(StoredFault::Batch(_)), .. } => {
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
