//! How many partitions the fetches of a shard read from the device beside each other.

use std::cell::Cell;

use crate::files::read_cache::PAGE_BYTES;

/// Partitions that one fetch reads from the device at once. Four reads of a page are the device's rate; of
/// thousands of short logs most of the time goes into their files and indexes, one request after the other.
pub(crate) const READS_MAX: usize = 16;
/// Of the read cache, what all fetches together may have on the way beside the first partition of each: pages
/// that come before they are wanted must not drive each other out.
const BESIDE_PART: u64 = 4;

/// Partitions that fetches of one shard read from the device, beside the first of each.
pub(crate) struct ReadsBeside {
    under_way: Cell<usize>,
    reads_max: usize,
}

impl ReadsBeside {
    /// Beside a read cache of `cache_bytes`.
    pub(crate) fn new(cache_bytes: usize) -> ReadsBeside {
        let reads_max = (cache_bytes as u64 / PAGE_BYTES / BESIDE_PART) as usize;
        ReadsBeside { under_way: Cell::new(0), reads_max: reads_max.min(READS_MAX) }
    }

    /// One more, if there is room.
    pub(crate) fn begin(&self) -> Option<ReadBeside<'_>> {
        let under_way = self.under_way.get();
        (under_way < self.reads_max).then(|| {
            self.under_way.set(under_way + 1);
            ReadBeside(self)
        })
    }
}

/// One of them, until it is dropped.
pub(crate) struct ReadBeside<'a>(&'a ReadsBeside);

impl Drop for ReadBeside<'_> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
    }
}
