//! Appends that wait for the journal, and the writes that make them durable.

pub(crate) mod credit;
pub(crate) mod extents;
pub(crate) mod linger;
pub(crate) mod outcomes;
pub(crate) mod pending_append;
pub(crate) mod queue;
pub(crate) mod write;
pub(crate) mod zeroing;
