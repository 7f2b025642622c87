//! Record batches (format 2) as text: written for Produce, read back from Fetch.
mod codec;
mod decode;
mod encode;

pub(crate) use codec::{compress, decompress, name_of_codec, number_of_codec};
pub(crate) use decode::decode_records;
pub(crate) use encode::encode_records;

/// Bytes of a batch in front of its records.
pub(crate) const BATCH_HEADER_BYTES: usize = 61;
/// Bytes of a batch that its length field does not count.
pub(crate) const LENGTH_EXCLUDES_BYTES: usize = 12;
/// Where the bytes begin that the checksum covers.
pub(crate) const CHECKSUM_FROM: usize = 21;
