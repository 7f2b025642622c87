//! The one way in which payload is copied, and the count of what was copied.
#![allow(unsafe_code)]
// `unsafe` here: tails and rings are written beside readers of other parts, so no exclusive slice of them
// exists. Sound because each caller owns the target range alone, as its own file says.

use std::cell::Cell;

/// Copies payload for one shard, which owns it, and counts the bytes.
#[derive(Debug, Default)]
pub(crate) struct Copies(Cell<u64>);

impl Copies {
    pub(crate) fn copy(&self, target: &mut [u8], source: &[u8]) {
        assert_eq!(target.len(), source.len(), "payload is copied whole");
        // SAFETY: the target is an exclusive slice of the source's length.
        unsafe { self.copy_to(target.as_mut_ptr(), source) }
    }

    /// Copies to a place that no slice stands for.
    ///
    /// # Safety
    ///
    /// From `target` on as many bytes as `source` has are writable, nobody else uses them meanwhile,
    /// and they are not part of `source`.
    pub(crate) unsafe fn copy_to(&self, target: *mut u8, source: &[u8]) {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), target, source.len()) }
        self.0.set(self.0.get() + source.len() as u64);
    }

    /// Since the shard's start.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.get()
    }
}
