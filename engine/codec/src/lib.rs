//! How values become bytes: the primitive types of Kafka's formats, varints, and little-endian fields.
//! No I/O.
#![forbid(unsafe_code)]

mod error;
mod fields;
mod reader;
mod value;
pub mod varint;
mod writer;

pub use error::{DecodeError, EncodeError};
pub use fields::Fields;
pub use reader::{
    ARRAY_BYTES_AT_ONCE, MEMORY_BYTES_MIN, MEMORY_PER_FRAME_BYTE, MEMORY_PER_RECORD_BYTE, Reader, TaggedField,
};
pub use value::{Form, Records, STRING_BYTES_MAX, Uuid};
pub use writer::{FRAME_LENGTH_BYTES, Writer};
