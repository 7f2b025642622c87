//! The target assignment, and how members come to it.

mod assignors;
pub(super) mod reconcile;
pub(super) mod target;
