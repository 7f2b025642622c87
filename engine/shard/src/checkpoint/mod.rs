//! What gives the slots of the journal back: released tails, checkpoints, and logs that begin later.

pub(crate) mod cleaning;
pub(crate) mod hold;
pub(crate) mod index_store;
pub(crate) mod log_start;
pub(crate) mod noted_start;
pub(crate) mod releasing;
pub(crate) mod writer;
