//! What is asked of a kernel, and where its answers go.

pub(crate) mod names;
pub(crate) mod notes;
pub(crate) mod operation;
pub(crate) mod remote;
pub(crate) mod slots;
