//! Bytes of frames: what a frame holds, and how it is verified.

pub(super) mod batches;
pub(super) mod entry;
pub(super) mod frame;
