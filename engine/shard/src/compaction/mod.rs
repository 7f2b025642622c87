//! Logs that are compacted by key.

pub(crate) mod cleaned_notes;
pub(crate) mod compacted_file;
pub(crate) mod log_compactor;
pub(crate) mod state;
pub(crate) mod swapper;
