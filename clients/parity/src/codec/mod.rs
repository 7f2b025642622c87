//! A codec interpreted from the schema text, independent of the broker's generated one.
mod decode;
mod encode;
mod ids;
mod primitives;
mod protocol;

pub(crate) use decode::decode_message;
pub(crate) use encode::encode_message;
pub(crate) use ids::{bytes_from_text, hex_from_text, text_from_bytes, text_from_uuid, uuid_from_text};
pub(crate) use primitives::{Reader, Writer};
pub(crate) use protocol::{Protocol, field_name};
