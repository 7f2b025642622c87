//! Kafka's wire protocol: messages generated from the schema text, frames,
//! and the connection as a pure machine.
#![forbid(unsafe_code)]

pub mod api;
pub mod conn;
mod frame;
#[allow(
    clippy::too_many_lines,
    clippy::excessive_nesting,
    clippy::nonminimal_bool,
    unused_variables,
    reason = "generated code has one shape, whatever a message needs of it"
)]
mod generated;
pub mod messages;

pub use api::{ApiKey, ErrorCode};
pub use bytes::Bytes;
pub use frame::{RequestHead, encode_request_frame, encode_response_frame};
pub use millrace_codec::{
    ARRAY_BYTES_AT_ONCE, DecodeError, EncodeError, FRAME_LENGTH_BYTES, Form, MEMORY_BYTES_MIN,
    MEMORY_PER_FRAME_BYTE, Reader, Records, STRING_BYTES_MAX, TaggedField, Uuid, Writer,
};
