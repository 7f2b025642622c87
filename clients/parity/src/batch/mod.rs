//! Record batches (format 2) as text: written for Produce, read back from Fetch.
mod codec;
mod decode;
mod encode;
mod layout;

pub(crate) use codec::{compress, decompress, name_of_codec, number_of_codec};
pub(crate) use decode::decode_records;
pub(crate) use encode::encode_records;
pub(crate) use layout::{BATCH_HEADER_BYTES, CHECKSUM_FROM, LENGTH_EXCLUDES_BYTES};
