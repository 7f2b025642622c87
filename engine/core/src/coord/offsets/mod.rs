//! The committed offsets of a group.

mod store;
mod subscription;

pub(in crate::coord) use store::GroupOffsets;
pub(in crate::coord) use subscription::subscribed_topics;
