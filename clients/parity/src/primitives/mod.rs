//! What messages and batches are made of: Kafka's primitive types on bytes,
//! and the text that stands for them.
mod cursor;
mod text;

pub(crate) use cursor::{Reader, Writer};
pub(crate) use text::{
    bytes_from_text, field_name, hex_from_text, hex_text, text_from_bytes, text_from_uuid, uuid_from_text,
};
