//! From the bytes of a journal back to partitions.
//!
//! `recover` finds the chain of frames. `replay` turns it into partitions, and what it sees on the way into
//! `observation`s. Where the checkpoints are damaged, `oldest` finds the chain's beginning, and `journaled`
//! and `rebuild` learn from frames and segments what a checkpoint would say.

pub(super) mod journaled;
pub(super) mod observation;
pub(super) mod oldest;
pub(super) mod rebuild;
pub(super) mod recover;
pub(super) mod replay;
pub(super) mod tails;
