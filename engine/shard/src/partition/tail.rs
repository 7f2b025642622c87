//! The bytes of a segment that are held in memory: contiguous aligned chunks, the newest last.

use std::collections::VecDeque;

use bytes::Bytes;
use millrace_rt::TailChunk;

/// The unit of direct I/O: a segment file gets whole blocks only.
pub(crate) const BLOCK_BYTES: u64 = 4096;
/// A partition that gets one record a day shall not hold more than one block.
const CHUNK_BYTES_MIN: usize = 4096;
/// Two paced writes of 128 KiB; larger chunks would keep released memory longer.
const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Of a chunk where memory is short so much may stay empty;
/// a second chunk costs a piece in every write and response.
const TIGHT_WASTE_SHARE: usize = 8;

/// Rounds down to a whole block.
pub(crate) fn block_floor(position: u64) -> u64 {
    position - position % BLOCK_BYTES
}

/// Rounds up to a whole block.
pub(crate) fn block_ceil(position: u64) -> u64 {
    position.next_multiple_of(BLOCK_BYTES)
}

fn power_of_two_floor(bytes: usize) -> usize {
    bytes.checked_ilog2().map_or(0, |exponent| 1 << exponent)
}

/// How a chunk's size is chosen: chunks double, which makes few pieces, up to this; where an append alone is
/// larger, hardly more than what is appended, since the rest would lie idle until the partition's next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) chunk_bytes_max: usize,
}

/// Bytes `[start, end)` of one segment. Every chunk starts at a whole block, so that views of whole blocks
/// can be written with direct I/O. One writer; views share the memory without copying.
#[derive(Default)]
pub(crate) struct Tail {
    chunks: VecDeque<Chunk>,
    end: u64,
    /// Capacity of all chunks.
    memory: usize,
}

struct Chunk {
    start: u64,
    /// Bytes that are there or have their place there.
    reserved: usize,
    bytes: TailChunk,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.reserved as u64
    }

    fn room(&self) -> usize {
        self.bytes.capacity() - self.reserved
    }
}

impl Tail {
    /// An empty tail behind bytes that are in a file. Where `end` is no whole block, the partial block must
    /// come first (`restart_at`) before anything is appended.
    pub(crate) fn ending_at(end: u64) -> Tail {
        Tail { chunks: VecDeque::new(), end, memory: 0 }
    }

    /// Steps back to the whole block at `position`; the bytes from there on are appended again.
    pub(crate) fn restart_at(&mut self, position: u64) {
        assert!(self.chunks.is_empty() && position <= self.end, "only an empty tail steps back");
        self.end = position;
    }

    /// The first position that is in memory; `end` where nothing is.
    pub(crate) fn start(&self) -> u64 {
        self.chunks.front().map_or(self.end, |chunk| chunk.start)
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Whether none of its bytes are in memory.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Memory that the chunks take, filled or not.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory
    }

    /// Memory of the chunks that hold bytes of `[from, to)`.
    pub(crate) fn memory_behind(&self, from: u64, to: u64) -> usize {
        let first = self.chunks.partition_point(|chunk| chunk.end() <= from);
        let touched = self.chunks.iter().skip(first).take_while(|chunk| chunk.start < to);
        touched.map(|chunk| chunk.bytes.capacity()).sum()
    }

    /// Copies `bytes` behind the end.
    pub(crate) fn append(&mut self, bytes: &[u8], growth: Growth) {
        self.reserve(bytes.len(), growth);
        self.fill(bytes);
    }

    /// Moves the end by `bytes`, which must be filled before anybody looks at them.
    pub(crate) fn reserve(&mut self, mut bytes: usize, growth: Growth) {
        while bytes > 0 {
            let room = self.chunks.back().map_or(0, Chunk::room);
            if room == 0 {
                self.grow(bytes, growth);
                continue;
            }
            let now = room.min(bytes);
            if let Some(chunk) = self.chunks.back_mut() {
                chunk.reserved += now;
            }
            self.end += now as u64;
            bytes -= now;
        }
    }

    /// Copies `bytes` to where the reserved part begins: the first of the two copies of a small append.
    pub(crate) fn fill(&mut self, mut bytes: &[u8]) {
        let filled = |chunk: &Chunk| chunk.bytes.len() == chunk.reserved;
        let mut next =
            self.chunks.len() - self.chunks.iter().rev().take_while(|chunk| !filled(chunk)).count();
        while !bytes.is_empty() {
            let Some(chunk) = self.chunks.get_mut(next) else { unreachable!("what is filled is reserved") };
            let (now, later) = bytes.split_at(bytes.len().min(chunk.reserved - chunk.bytes.len()));
            chunk.bytes.append(now);
            bytes = later;
            next += 1;
        }
    }

    /// The bytes `[from, to)` as shared slices. All of them must be in memory.
    pub(crate) fn view(&self, from: u64, to: u64) -> Vec<Bytes> {
        assert!(self.start() <= from && from <= to && to <= self.end, "a view lies inside the tail");
        let mut views = Vec::with_capacity(2);
        let first = self.chunks.partition_point(|chunk| chunk.end() <= from);
        for chunk in self.chunks.iter().skip(first) {
            if chunk.start >= to {
                break;
            }
            let start = (from.max(chunk.start) - chunk.start) as usize;
            let end = (to.min(chunk.end()) - chunk.start) as usize;
            if start < end {
                views.push(chunk.bytes.view(start..end));
            }
        }
        views
    }

    /// How many chunks end above `before` and not above `position`.
    pub(crate) fn chunks_within(&self, before: u64, position: u64) -> usize {
        let later = self.chunks.iter().rev().skip_while(|chunk| chunk.end() > position);
        later.take_while(|chunk| chunk.end() > before).count()
    }

    /// Whether the last chunk holds little but bytes below `position`: a block takes the others.
    pub(crate) fn can_shrink(&self, position: u64) -> bool {
        let can_shrink = |chunk: &Chunk| {
            // What is reserved is about to be filled.
            let is_filled = chunk.bytes.len() == chunk.reserved;
            is_filled && chunk.start <= position && chunk.bytes.capacity() > CHUNK_BYTES_MIN
        };
        position >= block_floor(self.end) && self.chunks.back().is_some_and(can_shrink)
    }

    /// Lets go of the first chunk if it lies wholly below `position`, or if only a partial block of it does
    /// not: that is copied into a chunk of its own. Returns how many bytes of memory that frees.
    pub(crate) fn release_first(&mut self, position: u64) -> usize {
        let Some(chunk) = self.chunks.front() else { return 0 };
        let capacity = chunk.bytes.capacity();
        if chunk.end() <= position {
            self.chunks.pop_front();
            self.memory -= capacity;
            return capacity;
        }
        if self.chunks.len() > 1 || !self.can_shrink(position) {
            return 0;
        }
        let start = block_floor(self.end);
        let rest = chunk.bytes.view((start - chunk.start) as usize..chunk.bytes.len());
        self.chunks.pop_front();
        let mut bytes = TailChunk::with_capacity(CHUNK_BYTES_MIN);
        bytes.append(&rest);
        self.memory = bytes.capacity();
        self.chunks.push_back(Chunk { start, reserved: rest.len(), bytes });
        capacity - self.memory
    }

    /// Lets go of everything; the segment is finished and whole in its file.
    pub(crate) fn release_all(&mut self) -> usize {
        self.chunks.clear();
        std::mem::take(&mut self.memory)
    }

    fn grow(&mut self, wanted: usize, growth: Growth) {
        assert_eq!(self.end % BLOCK_BYTES, 0, "a chunk starts at a whole block");
        let last = self.chunks.back().map_or(0, |chunk| chunk.bytes.capacity());
        let whole = wanted.next_power_of_two();
        let capacity = if whole <= growth.chunk_bytes_max {
            // Blocks are powers of two: a bound between them is rounded down.
            whole.max((2 * last).min(power_of_two_floor(growth.chunk_bytes_max)))
        } else if whole - wanted <= whole / TIGHT_WASTE_SHARE {
            whole
        } else {
            // The next chunk takes the rest.
            whole / 2
        };
        let capacity = capacity.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        let bytes = TailChunk::with_capacity(capacity);
        self.memory += capacity;
        self.chunks.push_back(Chunk { start: self.end, reserved: 0, bytes });
    }
}
