//! Logs that begin later with time or size.

pub(crate) mod retaining;
