//! A chunk that one writer appends to while readers share what is already written.
#![allow(unsafe_code)]
// `unsafe` here: views and writer refer to one block through raw pointers. Sound because the writer only
// touches bytes at and after `length`, and views only cover bytes before it;
// neither makes a reference to the whole block.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::memory::block::Block;
use crate::shard;

struct Chunk {
    block: Block,
}

/// Has one writer (the owner of this value); its views may go to any shard and outlive it.
pub struct TailChunk {
    chunk: Arc<Chunk>,
    length: usize,
}

impl TailChunk {
    /// An empty chunk of the current shard; sizes are rounded as for `Block`.
    pub fn with_capacity(bytes: usize) -> TailChunk {
        TailChunk { chunk: Arc::new(Chunk { block: Block::with_capacity(bytes) }), length: 0 }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub fn capacity(&self) -> usize {
        self.chunk.block.capacity()
    }

    pub fn remaining(&self) -> usize {
        self.capacity() - self.length
    }

    /// Copies `data` behind what is there; it must fit.
    pub fn append(&mut self, data: &[u8]) {
        assert!(data.len() <= self.remaining(), "{} bytes into {}", data.len(), self.remaining());
        // SAFETY: the target lies inside the block and after `length`, where no view reaches; `data`
        // therefore cannot overlap it, even if it is a view of this chunk.
        unsafe {
            let target = self.chunk.block.pointer().add(self.length);
            shard::current().copies.copy_to(target, data);
        }
        self.length += data.len();
    }

    /// Written bytes, shared. They never change.
    pub fn view(&self, range: Range<usize>) -> Bytes {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        if range.is_empty() {
            return Bytes::new();
        }
        Bytes::from_owner(View { chunk: Arc::clone(&self.chunk), range })
    }
}

impl fmt::Debug for TailChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TailChunk({} of {})", self.length, self.capacity())
    }
}

struct View {
    chunk: Arc<Chunk>,
    range: Range<usize>,
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the range was inside the written part when the view was made, and that part never changes.
        unsafe {
            let start = self.chunk.block.pointer().add(self.range.start);
            std::slice::from_raw_parts(start, self.range.len())
        }
    }
}
