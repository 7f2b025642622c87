//! Small parts that the journal's tests share: seeded randomness, batches, keys,
//! a journal with its ring and slots.

use bytes::Bytes;
use millrace_core::base::{Offset, PartitionIndex, PartitionKey, Position, ShardIndex, TopicId};
use millrace_core::journal::{
    BootNonce, ChainStart, Entry, FrameSequence, FrameWrite, Journal, JournalGeometry, NoRoom, SealedFrame,
    Span,
};

pub(crate) const SHARD: ShardIndex = ShardIndex(3);
pub(crate) const BOOT: BootNonce = BootNonce(0x1122_3344_5566_7788);

/// SplitMix64: the same numbers for a seed on every machine.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

pub(crate) fn key(partition: i32) -> PartitionKey {
    PartitionKey::new(TopicId(*b"sixteen bytes id"), PartitionIndex(partition))
}

/// A v2 batch of one record at `base_offset`, with `body` where its records would be.
pub(crate) fn batch(base_offset: i64, body: &[u8]) -> Vec<u8> {
    let mut batch = vec![0u8; 61];
    batch.extend_from_slice(body);
    let length = (batch.len() - 12) as u32;
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[16] = 2;
    batch[57..61].copy_from_slice(&1u32.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

pub(crate) fn span(partition: i32, segment: i64, position: u64, base: i64, next: i64) -> Span {
    Span {
        key: key(partition),
        segment: Offset(segment),
        position: Position(position),
        base_offset: Offset(base),
        next_offset: Offset(next),
    }
}

pub(crate) fn start(from: u64) -> ChainStart {
    ChainStart { shard: SHARD, boot: Some(BOOT), from: FrameSequence(from) }
}

/// A journal with its ring and its slot files in memory.
pub(crate) struct Bench {
    pub(crate) journal: Journal,
    pub(crate) ring: Vec<u8>,
    pub(crate) slots: Vec<Vec<u8>>,
}

impl Bench {
    pub(crate) fn new(geometry: JournalGeometry) -> Bench {
        Bench {
            journal: Journal::new(SHARD, BOOT, geometry),
            ring: vec![0; geometry.ring_bytes()],
            slots: vec![vec![0; geometry.slot_bytes()]; geometry.slot_count()],
        }
    }

    pub(crate) fn small() -> Bench {
        Bench::new(JournalGeometry::with_slots(4, 64 * 1024, 128 * 1024).unwrap())
    }

    pub(crate) fn seal(&mut self, entries: &[Entry<&[Bytes]>]) -> Result<SealedFrame, NoRoom> {
        let ring = &mut self.ring;
        self.journal.seal(entries, &mut |at, bytes| ring[at..at + bytes.len()].copy_from_slice(bytes))
    }

    /// Seals one append of a batch of one record.
    pub(crate) fn append(&mut self, partition: i32, position: u64, offset: i64, body: &[u8]) -> SealedFrame {
        let payload = [Bytes::from(batch(offset, body))];
        let span = span(partition, 0, position, offset, offset + 1);
        self.seal(&[Entry::Append { span, payload: &payload }]).unwrap()
    }

    pub(crate) fn apply(&mut self, write: FrameWrite) {
        let bytes = &self.ring[write.ring_at..write.ring_at + write.len];
        self.slots[write.slot][write.slot_at..write.slot_at + write.len].copy_from_slice(bytes);
    }

    /// Writes everything sealed.
    pub(crate) fn write_all(&mut self) {
        while let Some(write) = self.journal.next_write() {
            self.apply(write);
            self.journal.written(write.through);
        }
    }

    pub(crate) fn slot_files(&self) -> Vec<Bytes> {
        self.slots.iter().map(|slot| Bytes::copy_from_slice(slot)).collect()
    }

    pub(crate) fn ring_file(&self) -> Bytes {
        Bytes::copy_from_slice(&self.ring)
    }
}
