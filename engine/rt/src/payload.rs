//! The one way in which payload is copied, and the count of what was copied.
#![allow(unsafe_code)]
// `unsafe` here: tails and rings are written beside readers of other parts, so no exclusive slice of them exists. Sound
// because each caller owns the target range alone, as its own file says.

use crate::shard;

/// Copies payload and counts it.
pub fn copy_payload(target: &mut [u8], source: &[u8]) {
    assert_eq!(target.len(), source.len(), "payload is copied whole");
    // SAFETY: the target is an exclusive slice of the source's length.
    unsafe { copy_payload_to(target.as_mut_ptr(), source) }
}

/// Copies payload to a place that no slice stands for, and counts it.
///
/// # Safety
///
/// From `target` on as many bytes as `source` has are writable, nobody else uses them meanwhile, and they are not part
/// of `source`.
pub(crate) unsafe fn copy_payload_to(target: *mut u8, source: &[u8]) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), target, source.len()) }
    let shard = shard::current();
    shard.copied_bytes.set(shard.copied_bytes.get() + source.len() as u64);
}

/// Bytes of payload that the current shard has copied since its start, with the heads and the padding of the frames in
/// which payload went to the journal's ring. What the kernel copies is not among them.
pub fn copied_bytes() -> u64 {
    shard::current().copied_bytes.get()
}
