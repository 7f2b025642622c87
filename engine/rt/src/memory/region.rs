//! Memory that outlives a process: a mapped tmpfs file, or its twin in the simulated world.
#![allow(unsafe_code)]
// `unsafe` here: a mapping is shared memory behind raw pointers. Writers and readers of one range must not
// overlap in time; the journal writes a frame before it hands out the view of it.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};

use crate::memory::block::BLOCK_ALIGNMENT;
use crate::memory::pages::{HUGE_PAGE_BYTES, Pages};
use crate::memory::payload::Copies;

enum Backing {
    Mapping,
    /// They go with the region.
    Own(#[expect(dead_code, reason = "held, and dropped with the region")] Pages),
}

pub(crate) struct Region {
    pointer: NonNull<u8>,
    length: usize,
    backing: Backing,
}

// SAFETY: the memory has no thread affinity; the rule on overlapping ranges stands in the file's head.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `length` bytes of `file`, shared and populated, in huge pages where the kernel has them: a direct
    /// write of 104 KiB from them took 110-129 us where one from small pages took 141-161.
    pub(crate) fn map(file: impl AsFd, length: usize) -> io::Result<Arc<Region>> {
        let size = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        let place = Pages::aligned(length.next_multiple_of(BLOCK_ALIGNMENT), HUGE_PAGE_BYTES);
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
        // SAFETY: takes the place of pages that nobody uses; the file keeps its length while mapped, because
        // it is private to this node (mode 0600) and never cut.
        let pointer = unsafe { mmap(Some(place.at(0).addr()), size, access, flags, file, 0)? };
        // What stands there now is the region's to unmap.
        // Where the file could not be mapped the pages went with `place`.
        place.into_raw();
        let region = Arc::new(Region { pointer: pointer.cast(), length, backing: Backing::Mapping });
        // SAFETY: whole pages of a mapping that nobody else knows yet. Collapsing is advice;
        // pages that stay small serve the same bytes.
        unsafe { libc::madvise(pointer.as_ptr(), length, libc::MADV_COLLAPSE) };
        // SAFETY: as above. Populated now, or a full tmpfs would be a fatal signal at the first write.
        unsafe { madvise(pointer, length, MmapAdvise::MADV_POPULATE_WRITE)? };
        Ok(region)
    }

    /// Zeroed, page aligned memory of this process. The system zeroes a page when it is touched first: most
    /// runs of the simulated world, of which a sweep makes thousands, touch little of their rings.
    pub(crate) fn own(length: usize) -> Arc<Region> {
        let pages = Pages::mapped(length.max(1).next_multiple_of(BLOCK_ALIGNMENT));
        Arc::new(Region { pointer: pages.at(0), length, backing: Backing::Own(pages) })
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Writes a part of a frame; counted in `copies`.
    pub(crate) fn write(&self, at: usize, data: &[u8], copies: &Copies) {
        self.check(at..at + data.len());
        // SAFETY: the range lies inside the region; `data` is a Rust slice, and cannot overlap the region but
        // by a view of it, which the file's head forbids.
        unsafe { copies.copy_to(self.pointer.as_ptr().add(at), data) }
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.check(range.clone());
        // SAFETY: inside the region, which is initialised (zeroed or a file); see the file's head on writers.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr().add(range.start), range.len()) }
    }

    pub(crate) fn view(self: &Arc<Region>, range: Range<usize>) -> Bytes {
        self.check(range.clone());
        Bytes::from_owner(RegionView { region: Arc::clone(self), range })
    }

    fn check(&self, range: Range<usize>) {
        assert!(
            range.start <= range.end && range.end <= self.length,
            "{range:?} is outside a region of {} bytes",
            self.length
        );
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Backing::Mapping = self.backing {
            // SAFETY: mapped by `map` with this length, and nothing refers to it any more.
            let _unmapped = unsafe { munmap(self.pointer.cast(), self.length) };
        }
    }
}

struct RegionView {
    region: Arc<Region>,
    range: Range<usize>,
}

impl AsRef<[u8]> for RegionView {
    fn as_ref(&self) -> &[u8] {
        self.region.bytes(self.range.clone())
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what the system says of the process"
)]
mod tests {
    use super::*;

    /// What the process has mapped.
    fn mapped_bytes() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = statm.split(' ').next().unwrap().parse().unwrap();
        pages * BLOCK_ALIGNMENT
    }

    #[test]
    fn a_file_that_cannot_be_mapped_leaves_nothing_mapped() {
        let length = 1 << 30;
        let tries = 64;
        // Open for reading alone, it gives no memory to write to.
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let before = mapped_bytes();
        for _ in 0..tries {
            assert!(Region::map(&file, length).is_err());
        }
        // Tests beside this one map and unmap too, but nothing of this size.
        assert!(mapped_bytes() < before + tries * length / 2);
    }
}
