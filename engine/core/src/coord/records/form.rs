//! How lengths are written in keys and values of records.

/// Longest string: its first encodings count bytes in a positive `int16`, and Kafka keeps that bound in the compact ones.
pub(crate) const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// Fixed width, or a variable-length number plus one (KIP-482).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Compact,
}
