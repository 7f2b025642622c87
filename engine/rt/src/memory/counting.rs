//! An allocator that counts, per thread, what it gives out:
//! for tests and fuzz targets that hold code to a bound.
#![allow(unsafe_code)]
// `unsafe` here: an allocator is an unsafe trait. Sound because every call goes to the system's allocator
// unchanged, and counting touches only cells of the thread that need neither allocation nor a destructor.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with counts. A program opts in:
/// `#[global_allocator] static A: CountingAllocator = ...`. Memory that C libraries take is not seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

/// What the current thread has taken since it began; all zero without a `CountingAllocator`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Calls that took memory, growing included.
    pub calls: u64,
    /// Bytes of those calls together, whatever was given back since.
    pub taken_bytes: u64,
    /// Bytes taken less bytes given back by this thread;
    /// memory that threads hand to each other makes it drift.
    pub in_use_bytes: i64,
    /// The largest `in_use_bytes` since `mark_peak`.
    pub peak_bytes: i64,
}

thread_local! {
    static COUNTS: Cell<Allocations> =
        const { Cell::new(Allocations { calls: 0, taken_bytes: 0, in_use_bytes: 0, peak_bytes: 0 }) };
}

/// Counts of the current thread.
pub fn allocations() -> Allocations {
    COUNTS.get()
}

/// Lets the peak begin anew at what is in use, and returns the counts of that moment.
pub fn mark_peak() -> Allocations {
    let counts = COUNTS.get();
    COUNTS.set(Allocations { peak_bytes: counts.in_use_bytes, ..counts });
    COUNTS.get()
}

fn taken(bytes: usize) {
    // A thread that ends gives back memory after its cells are gone: that is not counted.
    let _ = COUNTS.try_with(|counts| {
        let mut now = counts.get();
        now.calls += 1;
        now.taken_bytes += bytes as u64;
        now.in_use_bytes += bytes as i64;
        now.peak_bytes = now.peak_bytes.max(now.in_use_bytes);
        counts.set(now);
    });
}

fn given_back(bytes: usize) {
    let _ = COUNTS.try_with(|counts| {
        let now = counts.get();
        counts.set(Allocations { in_use_bytes: now.in_use_bytes - bytes as i64, ..now });
    });
}

// SAFETY: each method passes its arguments on to `System` and returns what that returns.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new memory may exist at the same time.
        taken(size);
        given_back(layout.size());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: CountingAllocator = CountingAllocator;

    #[test]
    fn taking_growing_and_giving_back_are_counted() {
        let before = mark_peak();
        let mut bytes: Vec<u8> = Vec::with_capacity(1000);
        let taken = allocations();
        assert_eq!((taken.calls, taken.in_use_bytes), (before.calls + 1, before.in_use_bytes + 1000));
        bytes.reserve_exact(5000);
        drop(bytes);
        let after = allocations();
        assert_eq!((after.calls, after.in_use_bytes), (before.calls + 2, before.in_use_bytes));
        assert_eq!(after.peak_bytes, before.in_use_bytes + 6000);
        assert_eq!(after.taken_bytes, before.taken_bytes + 6000);
        assert_eq!(mark_peak().peak_bytes, after.in_use_bytes);
    }
}
