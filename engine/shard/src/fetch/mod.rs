//! Reads for clients: batches, offsets, epochs.

pub(crate) mod fetcher;
pub(crate) mod fitting;
pub(crate) mod granted;
pub(crate) mod offsets;
pub(crate) mod reading;
