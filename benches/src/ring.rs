//! A shard's journal with its ring in plain memory and a device that is done at once.

use bytes::Bytes;
use millrace_core::base::{Offset, Position, ShardIndex};
use millrace_core::journal::{BootNonce, Entry, Journal, JournalGeometry, Span};

use crate::samples::key;

const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
const RING_BYTES: u64 = 16 * 1024 * 1024;

/// Seals frames one after another; slots are released as soon as they are due.
pub struct MemoryJournal {
    journal: Journal,
    ring: Vec<u8>,
}

impl Default for MemoryJournal {
    fn default() -> MemoryJournal {
        MemoryJournal::new()
    }
}

impl MemoryJournal {
    /// With the broker's default sizes.
    pub fn new() -> MemoryJournal {
        let geometry = match JournalGeometry::new(JOURNAL_BYTES, RING_BYTES) {
            Ok(geometry) => geometry,
            Err(error) => unreachable!("the broker's defaults make a journal: {error}"),
        };
        let ring = vec![0; geometry.ring_bytes()];
        MemoryJournal { journal: Journal::new(ShardIndex(0), BootNonce(7), geometry), ring }
    }

    /// One frame with an append of `payload` to each of so many partitions: its length.
    pub fn seal(&mut self, partitions: i32, payload: &[Bytes]) -> usize {
        let entry = |partition| -> Entry<&[Bytes]> {
            let span = Span {
                key: key(partition),
                segment: Offset::ZERO,
                position: Position::ZERO,
                base_offset: Offset::ZERO,
                next_offset: Offset(1),
            };
            Entry::Append { span, payload }
        };
        let entries: Vec<Entry<&[Bytes]>> = (0..partitions).map(entry).collect();
        let ring = &mut self.ring;
        let mut sink = |at: usize, bytes: &[u8]| ring[at..at + bytes.len()].copy_from_slice(bytes);
        let sealed = self.journal.seal(&entries, &mut sink);
        assert!(sealed.is_ok(), "frames are written and slots released at once");
        if let Some(write) = self.journal.next_write() {
            self.journal.written(write.through);
        }
        while let Some(cleaning) = self.journal.cleaning_due() {
            self.journal.slots_released(cleaning);
        }
        sealed.map_or(0, |frame| frame.len)
    }
}
