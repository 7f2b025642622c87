//! Aligned memory blocks and the home they return to, from whichever thread drops them last.
#![allow(unsafe_code)]
// `unsafe` here: memory from the system, and an intrusive list inside the memory of returned blocks.
// Soundness rests on one rule: a `RawBlock` is owned by exactly one place at a time (a `Block`, the free
// parts of a chunk, or the return stack).

use std::cell::RefCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread::ThreadId;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::memory::buddies::{Buddies, CHUNK_BYTES, PAGE_BYTES, Place, order_of};
use crate::memory::pages::{MemoryKind, Pages};

/// Alignment of every block: the page, which satisfies direct I/O on every device.
pub const BLOCK_ALIGNMENT: usize = PAGE_BYTES;
/// The largest pooled block; larger ones go back to the system at once.
pub const POOLED_BLOCK_MAX: usize = CHUNK_BYTES;

/// Above the bound of the pool, free parts of chunks of at least this size are given to the system: for
/// smaller ones the call costs more than the memory is worth.
const DISCARD_BYTES_MIN: usize = 64 << 10;
/// What the simulated world leaves in a freed block, so that an early release shows.
const SCRIBBLE: u8 = 0xDD;

/// Memory without an owner's policy: pointer and capacity.
struct RawBlock {
    pointer: NonNull<u8>,
    capacity: usize,
}

impl RawBlock {
    /// The chunk it lies in, by address: chunks are aligned to their size.
    fn chunk_address(&self) -> usize {
        self.pointer.as_ptr() as usize & !(CHUNK_BYTES - 1)
    }

    fn page(&self) -> usize {
        (self.pointer.as_ptr() as usize & (CHUNK_BYTES - 1)) / PAGE_BYTES
    }
}

/// The capacity that a request for `bytes` gets: a power of two from 4 KiB to 2 MiB,
/// above that a multiple of 4 KiB.
pub(crate) fn rounded_capacity(bytes: usize) -> usize {
    if bytes <= POOLED_BLOCK_MAX {
        bytes.next_power_of_two().max(BLOCK_ALIGNMENT)
    } else {
        bytes.next_multiple_of(BLOCK_ALIGNMENT)
    }
}

/// The memory of one home: chunks, and what of them is free.
#[derive(Default)]
struct Chunks {
    buddies: Buddies,
    /// The memory of each chunk, by its number.
    pages: Vec<Option<Pages>>,
    /// The number of the chunk at an address.
    numbers: FxHashMap<usize, usize>,
}

impl Chunks {
    fn take(&mut self, capacity: usize, kind: MemoryKind) -> Option<RawBlock> {
        let order = order_of(capacity)?;
        let place = match self.buddies.take(order) {
            Some(place) => place,
            None => {
                self.grow(kind);
                self.buddies.take(order)?
            }
        };
        let pages = self.pages.get(place.chunk)?.as_ref()?;
        Some(RawBlock { pointer: pages.at(place.page * PAGE_BYTES), capacity })
    }

    fn grow(&mut self, kind: MemoryKind) {
        let pages = Pages::chunk(CHUNK_BYTES, kind);
        let number = self.buddies.add_chunk();
        self.numbers.insert(pages.at(0).as_ptr() as usize, number);
        if self.pages.len() <= number {
            self.pages.resize_with(number + 1, || None);
        }
        self.pages[number] = Some(pages);
    }

    /// Takes a block back; keeps at most `free_max` bytes of free memory.
    fn give(&mut self, raw: RawBlock, free_max: usize) {
        let chunk = self.numbers.get(&raw.chunk_address()).copied();
        let (Some(chunk), Some(order)) = (chunk, order_of(raw.capacity)) else {
            unreachable!("a pooled block lies in a chunk of its home");
        };
        let merged = self.buddies.give(Place { chunk, page: raw.page() }, order);
        if self.buddies.pooled_bytes() <= free_max {
            return;
        }
        if merged.bytes == CHUNK_BYTES {
            self.buddies.remove_chunk(chunk);
            self.numbers.remove(&raw.chunk_address());
            self.pages[chunk] = None;
        } else if merged.bytes >= DISCARD_BYTES_MIN
            && let Some(pages) = &self.pages[chunk]
        {
            let begin = merged.place.page * PAGE_BYTES;
            // SAFETY: the buddies say that all of it is free, and free memory is owned by the chunks alone.
            unsafe { pages.discard(begin..begin + merged.bytes) };
            self.buddies.discard(merged);
        }
    }
}

/// Where the blocks of one shard live when nobody uses them. Chunks belong to the home's thread; other
/// threads push onto a lock-free stack that the owner takes as a whole.
pub(crate) struct Home {
    owner: ThreadId,
    bounds: PoolBounds,
    kind: MemoryKind,
    chunks: RefCell<Chunks>,
    /// Head of the stack of returned blocks; the first 16 bytes of each hold the next pointer and its
    /// capacity.
    returned: AtomicPtr<u8>,
    /// Blocks that are held, wherever they are.
    in_use_bytes: AtomicUsize,
    /// The most of them since `mark_peak`; of simulated homes alone.
    peak_bytes: AtomicUsize,
}

// SAFETY: `chunks` is only touched by the owner's thread (checked by thread id) or with exclusive access in
// `drop`; everything else in `Home` is atomic or never changes.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

/// How much free memory a home keeps: what satisfies either. Memory that goes back to the system costs its
/// faults and zeroing when it is wanted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolBounds {
    /// Free bytes, whatever is in use.
    pub(crate) free_max: usize,
    /// Free bytes and those in use together.
    pub(crate) total_max: usize,
}

impl PoolBounds {
    /// Of one shard's share of the process's memory.
    pub(crate) fn within(memory: usize) -> PoolBounds {
        PoolBounds { free_max: memory / 16, total_max: memory / 4 * 3 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HomeUse {
    pub(crate) in_use_bytes: usize,
    pub(crate) pooled_bytes: usize,
}

impl Home {
    /// A home for the calling thread.
    pub(crate) fn new(bounds: PoolBounds, kind: MemoryKind) -> Arc<Home> {
        Arc::new(Home {
            owner: std::thread::current().id(),
            bounds,
            kind,
            chunks: RefCell::new(Chunks::default()),
            returned: AtomicPtr::new(ptr::null_mut()),
            in_use_bytes: AtomicUsize::new(0),
            peak_bytes: AtomicUsize::new(0),
        })
    }

    /// A block of at least `bytes`; on the home's own thread only.
    pub(crate) fn take(self: &Arc<Home>, bytes: usize) -> Block {
        let capacity = rounded_capacity(bytes);
        let raw = self
            .take_pooled(capacity)
            .unwrap_or_else(|| RawBlock { pointer: Pages::mapped(capacity).into_raw(), capacity });
        let before = self.in_use_bytes.fetch_add(capacity, Ordering::Relaxed);
        if self.kind == MemoryKind::Simulated {
            self.peak_bytes.fetch_max(before + capacity, Ordering::Relaxed);
        }
        Block { raw: ManuallyDrop::new(raw), home: Arc::clone(self) }
    }

    pub(crate) fn usage(&self) -> HomeUse {
        self.collect_returned();
        let pooled_bytes = self.owned_chunks().map_or(0, |chunks| chunks.borrow().buddies.pooled_bytes());
        HomeUse { in_use_bytes: self.in_use_bytes.load(Ordering::Relaxed), pooled_bytes }
    }

    /// Lets the peak begin anew at what is in use, which it returns.
    pub(crate) fn mark_peak(&self) -> usize {
        let in_use = self.in_use_bytes.load(Ordering::Relaxed);
        self.peak_bytes.store(in_use, Ordering::Relaxed);
        in_use
    }

    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    fn take_pooled(&self, capacity: usize) -> Option<RawBlock> {
        if capacity > POOLED_BLOCK_MAX {
            return None;
        }
        self.collect_returned();
        let chunks = self.owned_chunks();
        assert!(chunks.is_some(), "blocks are taken on the thread of their home");
        chunks?.borrow_mut().take(capacity, self.kind)
    }

    fn free_max(&self) -> usize {
        let in_use = self.in_use_bytes.load(Ordering::Relaxed);
        self.bounds.free_max.max(self.bounds.total_max.saturating_sub(in_use))
    }

    fn owned_chunks(&self) -> Option<&RefCell<Chunks>> {
        (std::thread::current().id() == self.owner).then_some(&self.chunks)
    }

    fn give_back(&self, raw: RawBlock) {
        if self.kind == MemoryKind::Simulated {
            // SAFETY: `raw` owns `capacity` bytes.
            unsafe { ptr::write_bytes(raw.pointer.as_ptr(), SCRIBBLE, raw.capacity) };
        }
        self.in_use_bytes.fetch_sub(raw.capacity, Ordering::Relaxed);
        if raw.capacity > POOLED_BLOCK_MAX {
            // SAFETY: made by `Pages::into_raw` with this length, and owned by us.
            drop(unsafe { Pages::from_raw(raw.pointer, raw.capacity) });
            return;
        }
        match self.owned_chunks() {
            Some(chunks) => chunks.borrow_mut().give(raw, self.free_max()),
            None => self.push_returned(raw),
        }
    }

    fn push_returned(&self, raw: RawBlock) {
        let node = raw.pointer.as_ptr();
        let mut head = self.returned.load(Ordering::Relaxed);
        loop {
            // SAFETY: the block is owned by us, page aligned and at least 4 KiB: room for two words.
            unsafe {
                node.cast::<*mut u8>().write(head);
                node.cast::<usize>().add(1).write(raw.capacity);
            }
            match self.returned.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes the whole stack at once, so that no block can be popped and pushed again under a reader (no
    /// ABA).
    fn take_returned(&self, mut each: impl FnMut(RawBlock)) {
        let mut node = self.returned.swap(ptr::null_mut(), Ordering::Acquire);
        while let Some(pointer) = NonNull::new(node) {
            // SAFETY: `push_returned` wrote both words before it published the block, which is ours now.
            let capacity = unsafe {
                node = pointer.as_ptr().cast::<*mut u8>().read();
                pointer.as_ptr().cast::<usize>().add(1).read()
            };
            each(RawBlock { pointer, capacity });
        }
    }

    fn collect_returned(&self) {
        if self.returned.load(Ordering::Relaxed).is_null() {
            return;
        }
        if let Some(chunks) = self.owned_chunks() {
            let mut chunks = chunks.borrow_mut();
            let free_max = self.free_max();
            self.take_returned(|raw| chunks.give(raw, free_max));
        }
    }
}

/// A 4 KiB aligned buffer with one owner. Zeroed as it comes from the system, recycled per shard after that
/// (it then holds old bytes of this process). May be dropped on any shard: the memory goes home.
pub struct Block {
    raw: ManuallyDrop<RawBlock>,
    home: Arc<Home>,
}

// SAFETY: a block owns its memory alone; `Home` is Sync.
unsafe impl Send for Block {}
// SAFETY: a shared reference gives only shared slices.
unsafe impl Sync for Block {}

impl Block {
    /// All bytes of the block; at least as many as were asked for.
    pub fn capacity(&self) -> usize {
        self.raw.capacity
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: initialised since it came from the system (zeroed), owned by `self`,
        // lent as long as `self` is.
        unsafe { std::slice::from_raw_parts(self.raw.pointer.as_ptr(), self.raw.capacity) }
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.raw.pointer.as_ptr(), self.raw.capacity) }
    }

    /// The whole capacity as shared bytes; slice them to what was filled. No copy.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// The address, for operations and chunks that go on after the borrow ends.
    pub(crate) fn pointer(&self) -> *mut u8 {
        self.raw.pointer.as_ptr()
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes)", self.raw.capacity)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `raw` is taken once, here, and never used again.
        let raw = unsafe { ManuallyDrop::take(&mut self.raw) };
        self.home.give_back(raw);
    }
}
