//! Aligned memory blocks and the home they return to, from whichever thread drops them last.
#![allow(unsafe_code)]
// `unsafe` here: raw allocation, and an intrusive list inside the memory of freed blocks. Soundness rests on one
// rule: a `RawBlock` is owned by exactly one place at a time (a `Block`, a free list, or the return stack).

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread::ThreadId;

use bytes::Bytes;

/// Alignment of every block: the page, which satisfies direct I/O on every device.
pub const BLOCK_ALIGNMENT: usize = 4096;
/// The largest pooled block; larger ones go back to the allocator at once.
pub const POOLED_BLOCK_MAX: usize = 2 << 20;

const SMALLEST_LOG2: u32 = BLOCK_ALIGNMENT.trailing_zeros();
const CLASSES: usize = (POOLED_BLOCK_MAX.trailing_zeros() - SMALLEST_LOG2 + 1) as usize;
/// What the simulated world leaves in a freed block, so that an early release shows.
const SCRIBBLE: u8 = 0xDD;

/// Memory without an owner's policy: pointer and capacity.
struct RawBlock {
    pointer: NonNull<u8>,
    capacity: usize,
}

impl RawBlock {
    fn layout(capacity: usize) -> Layout {
        match Layout::from_size_align(capacity, BLOCK_ALIGNMENT) {
            Ok(layout) => layout,
            Err(_) => panic!("a block of {capacity} bytes is beyond the address space"),
        }
    }

    fn allocate(capacity: usize) -> RawBlock {
        debug_assert!(capacity >= BLOCK_ALIGNMENT);
        let layout = RawBlock::layout(capacity);
        // SAFETY: the layout's size is not zero.
        let pointer = unsafe { alloc_zeroed(layout) };
        match NonNull::new(pointer) {
            Some(pointer) => RawBlock { pointer, capacity },
            None => handle_alloc_error(layout),
        }
    }

    fn release(self) {
        // SAFETY: allocated by `allocate` with the same layout, and owned by `self` alone.
        unsafe { dealloc(self.pointer.as_ptr(), RawBlock::layout(self.capacity)) }
    }

    fn class(&self) -> Option<usize> {
        class_of(self.capacity)
    }
}

fn class_of(capacity: usize) -> Option<usize> {
    (capacity.is_power_of_two() && capacity <= POOLED_BLOCK_MAX)
        .then(|| (capacity.trailing_zeros() - SMALLEST_LOG2) as usize)
}

/// The capacity that a request for `bytes` gets: a power of two from 4 KiB to 2 MiB, above that a multiple of 4 KiB.
pub(crate) fn rounded_capacity(bytes: usize) -> usize {
    if bytes <= POOLED_BLOCK_MAX {
        bytes.next_power_of_two().max(BLOCK_ALIGNMENT)
    } else {
        bytes.next_multiple_of(BLOCK_ALIGNMENT)
    }
}

#[derive(Default)]
struct FreeLists {
    classes: [Vec<RawBlock>; CLASSES],
    pooled_bytes: usize,
}

/// Where the blocks of one shard live when nobody uses them. Free lists belong to the home's thread; other threads
/// push onto a lock-free stack that the owner takes as a whole.
pub(crate) struct Home {
    owner: ThreadId,
    pooled_max: usize,
    scribble: bool,
    lists: RefCell<FreeLists>,
    /// Head of the stack of returned blocks; the first 16 bytes of each hold the next pointer and its capacity.
    returned: AtomicPtr<u8>,
    allocated_bytes: AtomicUsize,
}

// SAFETY: `lists` is only touched by the owner's thread (checked by thread id) or with exclusive access in `drop`;
// everything else in `Home` is atomic or never changes.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HomeUse {
    pub(crate) allocated_bytes: usize,
    pub(crate) pooled_bytes: usize,
}

impl Home {
    /// A home for the calling thread. `scribble`: overwrite blocks as they are freed.
    pub(crate) fn new(pooled_max: usize, scribble: bool) -> Arc<Home> {
        Arc::new(Home {
            owner: std::thread::current().id(),
            pooled_max,
            scribble,
            lists: RefCell::new(FreeLists::default()),
            returned: AtomicPtr::new(ptr::null_mut()),
            allocated_bytes: AtomicUsize::new(0),
        })
    }

    /// A block of at least `bytes`; on the home's own thread only.
    pub(crate) fn take(self: &Arc<Home>, bytes: usize) -> Block {
        let capacity = rounded_capacity(bytes);
        let raw = self.take_pooled(capacity).unwrap_or_else(|| {
            self.allocated_bytes.fetch_add(capacity, Ordering::Relaxed);
            RawBlock::allocate(capacity)
        });
        Block { raw: ManuallyDrop::new(raw), home: Arc::clone(self) }
    }

    pub(crate) fn usage(&self) -> HomeUse {
        self.collect_returned();
        let pooled_bytes = self.owned_lists().map_or(0, |lists| lists.borrow().pooled_bytes);
        HomeUse { allocated_bytes: self.allocated_bytes.load(Ordering::Relaxed), pooled_bytes }
    }

    fn take_pooled(&self, capacity: usize) -> Option<RawBlock> {
        let class = class_of(capacity)?;
        let lists = self.owned_lists()?;
        if lists.borrow().classes.get(class).is_none_or(Vec::is_empty) {
            self.collect_returned();
        }
        let mut lists = lists.borrow_mut();
        let raw = lists.classes.get_mut(class)?.pop()?;
        lists.pooled_bytes -= capacity;
        Some(raw)
    }

    fn owned_lists(&self) -> Option<&RefCell<FreeLists>> {
        (std::thread::current().id() == self.owner).then_some(&self.lists)
    }

    fn give_back(&self, raw: RawBlock) {
        if self.scribble {
            // SAFETY: `raw` owns `capacity` bytes.
            unsafe { ptr::write_bytes(raw.pointer.as_ptr(), SCRIBBLE, raw.capacity) };
        }
        match self.owned_lists() {
            Some(lists) => self.pool(&mut lists.borrow_mut(), raw),
            None if raw.class().is_some() => self.push_returned(raw),
            None => self.discard(raw),
        }
    }

    fn pool(&self, lists: &mut FreeLists, raw: RawBlock) {
        let capacity = raw.capacity;
        let room = lists.pooled_bytes + capacity <= self.pooled_max;
        match raw.class().filter(|_| room).and_then(|class| lists.classes.get_mut(class)) {
            Some(list) => {
                list.push(raw);
                lists.pooled_bytes += capacity;
            }
            None => self.discard(raw),
        }
    }

    fn discard(&self, raw: RawBlock) {
        self.allocated_bytes.fetch_sub(raw.capacity, Ordering::Relaxed);
        raw.release();
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

    /// Takes the whole stack at once, so that no block can be popped and pushed again under a reader (no ABA).
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
        if let Some(lists) = self.owned_lists() {
            let mut lists = lists.borrow_mut();
            self.take_returned(|raw| self.pool(&mut lists, raw));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.take_returned(RawBlock::release);
        for list in &mut self.lists.get_mut().classes {
            list.drain(..).for_each(RawBlock::release);
        }
    }
}

/// A 4 KiB aligned buffer with one owner. Zeroed when first allocated, recycled per shard after that (it then holds
/// old bytes of this process). May be dropped on any shard: the memory goes home.
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
        // SAFETY: initialised since allocation (zeroed), owned by `self`, lent as long as `self` is.
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
