//! Segment files: opening and deleting, indexes, reading, and what was read.

pub(crate) mod deleting;
pub(crate) mod doomed;
pub(crate) mod indexes;
pub(crate) mod indexing;
pub(crate) mod loading;
pub(crate) mod parts;
pub(crate) mod read;
pub(crate) mod read_cache;
pub(crate) mod reads_beside;
pub(crate) mod segment_files;
pub(crate) mod space_watch;
pub(crate) mod summed;
