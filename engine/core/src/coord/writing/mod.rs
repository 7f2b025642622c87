//! Writes of the offsets topic: in which order they are asked for, and what they make true.

pub(super) mod lane;
pub(super) mod purpose;
pub(super) mod writes;
