//! Tails on their way into segment files.

pub(crate) mod queue;
pub(crate) mod tail_flusher;
