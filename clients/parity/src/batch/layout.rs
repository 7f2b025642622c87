//! Where the parts of a batch lie.

/// Bytes of a batch in front of its records.
pub(crate) const BATCH_HEADER_BYTES: usize = 61;
/// Bytes of a batch that its length field does not count.
pub(crate) const LENGTH_EXCLUDES_BYTES: usize = 12;
/// Where the bytes begin that the checksum covers.
pub(crate) const CHECKSUM_FROM: usize = 21;
