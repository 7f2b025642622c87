//! Zeroed pages from the system, and back to it.
#![allow(unsafe_code)]
// `unsafe` here: anonymous mappings. A `Pages` owns its range of addresses alone; whoever takes pointers into
// it keeps them within the range and within its life.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

/// A huge page of x86-64, and of arm64 with small pages of 4 KiB.
pub(crate) const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// What becomes of the memory of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryKind {
    /// Serves clients for long: huge pages spare page faults and misses of the address cache.
    Served,
    /// Of a simulated node, of which a test makes thousands; freed blocks are overwritten.
    Simulated,
}

/// A range of pages, mapped until it is dropped.
pub(crate) struct Pages {
    pointer: NonNull<u8>,
    length: usize,
}

impl Pages {
    /// `length` bytes at a multiple of `length`, a power of two.
    pub(crate) fn chunk(length: usize, kind: MemoryKind) -> Pages {
        let chunk = Pages::aligned(length, length);
        if kind == MemoryKind::Served {
            chunk.advise(0..length, MmapAdvise::MADV_HUGEPAGE);
        }
        chunk
    }

    /// `length` bytes, a multiple of the page, at a multiple of `alignment`, a power of two.
    pub(crate) fn aligned(length: usize, alignment: usize) -> Pages {
        // With so much more an aligned range fits wherever it begins; the rest goes back.
        let all = Pages::mapped(length + alignment);
        let before = all.pointer.as_ptr().align_offset(alignment);
        let begin = all.into_raw();
        // SAFETY: three ranges that cover what was mapped, each owned by one `Pages` from here on.
        unsafe {
            drop((before > 0).then(|| Pages::from_raw(begin, before)));
            drop(
                (before < alignment).then(|| Pages::from_raw(begin.add(before + length), alignment - before)),
            );
            Pages::from_raw(begin.add(before), length)
        }
    }

    /// `length` bytes, a multiple of the page.
    pub(crate) fn mapped(length: usize) -> Pages {
        let Some(size) = NonZeroUsize::new(length) else { unreachable!("a mapping has pages") };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        match unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_PRIVATE) } {
            Ok(pointer) => Pages { pointer: pointer.cast(), length },
            Err(error) => panic!("the system gives no {length} bytes of memory: {error}"),
        }
    }

    /// The address of byte `at`.
    pub(crate) fn at(&self, at: usize) -> NonNull<u8> {
        assert!(at < self.length, "byte {at} of {}", self.length);
        // SAFETY: inside the mapping.
        unsafe { self.pointer.add(at) }
    }

    /// Gives the memory of a range back to the system; it reads as zeros when it is touched again.
    ///
    /// # Safety
    /// Nobody refers to the bytes of the range.
    pub(crate) unsafe fn discard(&self, range: Range<usize>) {
        self.advise(range, MmapAdvise::MADV_DONTNEED);
    }

    /// Leaves the mapping to the caller, who brings it back with `from_raw`.
    pub(crate) fn into_raw(self) -> NonNull<u8> {
        let pointer = self.pointer;
        std::mem::forget(self);
        pointer
    }

    /// # Safety
    /// `length` bytes from `pointer` are whole pages of mappings that were left by `into_raw`,
    /// owned by the caller.
    pub(crate) unsafe fn from_raw(pointer: NonNull<u8>, length: usize) -> Pages {
        Pages { pointer, length }
    }

    /// A kernel that does not follow the advice serves the same bytes.
    fn advise(&self, range: Range<usize>, advice: MmapAdvise) {
        let pointer: NonNull<c_void> = self.at(range.start).cast();
        assert!(range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: whole pages of a mapping that `self` owns; the callers say why nobody misses their content.
        let _advice_not_taken = unsafe { madvise(pointer, range.len(), advice) };
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped by us, and nothing refers to it any more.
        let unmapped = unsafe { munmap(self.pointer.cast(), self.length) };
        assert!(unmapped.is_ok(), "a mapping of {} bytes does not go: {unmapped:?}", self.length);
    }
}
